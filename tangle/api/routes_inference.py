"""Inference while somebody waits: validators run a paid job at once, and the answer comes with a receipt."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.program.types import DType
from tangle.api.accounts import AccountCodec
from tangle.api.registry import BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.inference import InferenceAnswer, InferenceRequest, InferenceTimes, TensorAnswer
from tangle.api.wire import HexBytes, HexDigest
from tangle.core.encoding import decode
from tangle.core.transactions import TRANSACTION_SIZE_MAX
from tangle.net.replica_messages import INLINE_MAX, InlineTensors
from tangle.node.replicas.views import FastAnswer

routes: Final = RouteTable("inference")

BODY_MAX: Final = 2 * (INLINE_MAX + TRANSACTION_SIZE_MAX) + 2_048
"""Longest body in bytes: inputs and transaction in hex, and what stands around them."""


class InferenceOrder(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The body in CBOR."""

    transaction: Annotated[bytes, Meta(max_length=TRANSACTION_SIZE_MAX)]
    """The signed transaction that opens an inference job."""

    inputs: InlineTensors
    """Elements of each input."""


@routes.post(
    "/v1/inference",
    NoInputs,
    BodyRule(InferenceRequest, True, BODY_MAX),
    answer=InferenceAnswer,
    is_long=True,
)
async def run_inference(call: Call[NoInputs, InferenceRequest | bytes]) -> Reply:
    """Open an inference job and have validators run it at once; answers when two of them agree.

    A body in CBOR is the array of the transaction and the array of the inputs. The same transaction again
    gets the same answer. The ledger settles the job as every other one, whatever comes of this.
    """
    context, body = call.context, call.body
    if isinstance(body, InferenceRequest):
        encoded, inputs = bytes(body.transaction), tuple(map(bytes, body.inputs))
    else:
        order = decode(InferenceOrder, body, limit=BODY_MAX)
        encoded, inputs = order.transaction, order.inputs
    with context.waits.take(call.address):
        answer = await context.service.replicas.answer(encoded, inputs)
        return Reply(make_inference_answer(answer, context.accounts))
    raise AssertionError("a place that is taken away raises")


def make_inference_answer(answer: FastAnswer, accounts: AccountCodec) -> InferenceAnswer:
    """A fast answer as the API tells it."""
    times = answer.times
    return InferenceAnswer(
        job=HexDigest(answer.job),
        transaction=HexDigest(answer.transaction),
        program=HexDigest(answer.program),
        rows=answer.rows,
        outputs=tuple(
            TensorAnswer(DType(kind.dtype).name.lower(), (answer.rows, *kind.shape), HexBytes(data))
            for kind, data in zip(answer.types, answer.outputs, strict=True)
        ),
        level=answer.level,
        agreeing=tuple(map(accounts.encode, answer.agreeing)),
        assigned=tuple(map(accounts.encode, answer.assigned)),
        receipt=HexBytes(answer.receipt),
        times=InferenceTimes(round(times.sealed_ms, 3), round(times.shown_ms, 3), round(times.total_ms, 3)),
    )
