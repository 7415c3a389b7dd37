"""Inference through a node: price, work, signature, answer and receipt in one call."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from aivm.program.binding import BoundProgram, Tensor
from aivm.program.record import compute_tensor_id
from aivm.program.types import DTYPES, HIGHEST, LOWEST, DType, TensorType
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Context, make_chunk_tree
from poi.market.operations import OpenJob
from poi.market.records import Inference
from poi.receipts.check import Facts, Materials, ReceiptReport, verify_receipt
from poi.receipts.record import decode_receipt
from tangle.api.schemas.inference import InferenceAnswer
from tangle.client.errors import UnexpectedAnswer
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.types import Digest, Grains, Milliseconds

SPOT_CHECKED: Final = 2
"""Level at which the ledger settles the job where nobody says otherwise; the answer itself is of level 4."""

RESULT_MS: Final = 60_000
"""Time of the worker that the ledger assigns."""

EPOCH: Final = 0
"""The one committee epoch that runs today."""

LIFE_MS: Final = 600_000
"""How long the ledger tries to have the job done."""


class InferenceResult(Struct, frozen=True, eq=False):
    """What came back."""

    outputs: tuple[Tensor, ...]
    """The outputs, rows first."""

    answer: InferenceAnswer
    """All that the node said, the receipt included."""

    job: Digest
    """The job, as the customer's key and number name it."""

    price: int
    """What the job cost when it was ordered, in grains."""


def make_inference_job(
    program: bytes,
    inputs: Sequence[Tensor],
    *,
    price_limit: int,
    escrow: int,
    now_ms: int,
    level: int = SPOT_CHECKED,
    life_ms: int = LIFE_MS,
    result_ms: int = RESULT_MS,
) -> OpenJob:
    """The operation that opens an inference job over these inputs.

    :param inputs: int8, uint8 or int32, rows first, as the program declares them.
    """
    kinds = [describe_tensor(tensor) for tensor in inputs]
    data = [tensor.tobytes() for tensor in inputs]
    task = Inference(
        program=Digest(program),
        inputs=tuple(compute_tensor_id(kind, each) for kind, each in zip(kinds, data, strict=True)),
        rows=len(inputs[0]),
        level=level,
        sources=tuple(make_chunk_tree(each).root for each in data),
    )
    return OpenJob(
        task=task,
        price_limit=Grains(price_limit),
        escrow=Grains(escrow),
        deadline_ms=Milliseconds(now_ms + life_ms),
        result_ms=Milliseconds(min(result_ms, life_ms)),
    )


def describe_tensor(tensor: Tensor) -> TensorType:
    """Type of an array with its rows; the range is no part of what an id binds.

    :raises TypeError: its elements are of no type that programs have.
    """
    for kind, dtype in DTYPES.items():
        if tensor.dtype == dtype:
            return TensorType(kind, tensor.shape, LOWEST[kind], HIGHEST[kind])
    raise TypeError(f"elements of type {tensor.dtype}: programs read int8, uint8 and int32")


def verify_inference(
    result: InferenceResult, program: BoundProgram, inputs: Sequence[Tensor], genesis: Genesis
) -> ReceiptReport:
    """Check the receipt of an answer, offline: nothing of the node is believed.

    :param program: the program with its constants, from a source that the caller trusts.
    :param genesis: says who the validators are, and for which chain they sign.
    :raises TangleError: the receipt does not hold, or is about something else.
    """
    claim = decode_receipt(bytes(result.answer.receipt)).commitment
    materials = Materials(
        program=GraphProgram(program, len(inputs[0])),
        context=Context(result.job, claim.context.worker, EPOCH),
        inputs=tuple(inputs),
        outputs=result.outputs,
        facts=Facts(
            chain=compute_chain_id(genesis),
            committee=frozenset(validator.public_key for validator in genesis.validators),
        ),
    )
    return verify_receipt(bytes(result.answer.receipt), materials)


def read_outputs(answer: InferenceAnswer, base_url: str) -> tuple[Tensor, ...]:
    """The outputs of an answer as arrays.

    :raises UnexpectedAnswer: they are none.
    """
    try:
        return tuple(
            np.frombuffer(bytes(each.data), DTYPES[DType[each.dtype.upper()]]).reshape(each.shape)
            for each in answer.outputs
        )
    except (KeyError, ValueError) as error:
        raise UnexpectedAnswer(base_url, str(error)) from None
