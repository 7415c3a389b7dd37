"""Inference while somebody waits, through the door: both forms of the body, the answer, and every refusal."""

import cbor2
import pytest

from aivm.program.types import DType, TensorType
from tangle.core.types import Digest, PublicKey, TransactionId
from tangle.net.replica_messages import INLINE_MAX
from tangle.node.replicas.errors import ReplicasDisagree, ReplicasSilent, TooHeavy
from tangle.node.replicas.views import AnswerTimes, FastAnswer
from tangle.node.views import Overloaded
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import Http

PATH = "/v1/inference"
TRANSACTION, INPUTS = b"transaction", (b"\x01\x02", b"\x03")
VALIDATORS = tuple(PublicKey(bytes([number]) * 32) for number in (1, 2, 3))
ANSWER = FastAnswer(
    job=Digest(b"j" * 32),
    transaction=TransactionId(b"t" * 32),
    program=Digest(b"p" * 32),
    rows=2,
    types=(TensorType(DType.INT32, (3,), -5, 5), TensorType(DType.UINT8, (), 0, 255)),
    outputs=(bytes(24), b"\x07\x08"),
    level=4,
    agreeing=VALIDATORS[:2],
    assigned=VALIDATORS,
    receipt=b"receipt",
    times=AnswerTimes(1.0, 2.0, 3.0),
)


class Answering:
    """Gives the answer, or a fault, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, tuple[bytes, ...]]] = []
        self.fault: Exception | None = None

    async def answer(self, encoded: bytes, inputs: tuple[bytes, ...]) -> FastAnswer:
        self.asked.append((encoded, inputs))
        if self.fault is not None:
            raise self.fault
        return ANSWER


@pytest.fixture
def answering(ledger: LedgerDouble) -> Answering:
    ledger.replicas = answering = Answering()
    return answering


def make_json() -> dict[str, object]:
    return {"transaction": TRANSACTION.hex(), "inputs": [each.hex() for each in INPUTS]}


async def test_json_and_cbor_ask_the_same(http: Http, answering: Answering) -> None:
    status, answer, _ = await http.ask("POST", PATH, json=make_json())
    assert status == 200, answer
    data = answer["data"]
    assert data["job"] == ANSWER.job.hex()
    assert data["outputs"] == [
        {"dtype": "int32", "shape": [2, 3], "data": bytes(24).hex()},
        {"dtype": "uint8", "shape": [2], "data": "0708"},
    ]
    assert (data["level"], len(data["agreeing"]), len(data["assigned"])) == (4, 2, 3)
    assert data["receipt"] == b"receipt".hex()
    assert data["times"] == {"sealed_ms": 1.0, "shown_ms": 2.0, "total_ms": 3.0}
    body = cbor2.dumps([TRANSACTION, list(INPUTS)])
    status, again, _ = await http.ask("POST", PATH, data=body, headers={"Content-Type": "application/cbor"})
    assert (status, again["data"]) == (200, data)
    assert answering.asked == [(TRANSACTION, INPUTS)] * 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"transaction": "00"},
        {"transaction": "00", "inputs": []},
        {"transaction": "00", "inputs": ["0"]},
        {"transaction": "00", "inputs": ["00"] * 17},
        {"transaction": "00", "inputs": ["00"], "more": 1},
    ],
    ids=str,
)
async def test_a_body_that_is_none_is_refused(http: Http, answering: Answering, body: object) -> None:
    assert await http.refuse("POST", PATH, json=body) == (400, "request-invalid")
    assert not answering.asked


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\x80", "encoding-malformed"),
        (cbor2.dumps([b"x", []]), "encoding-malformed"),
        (cbor2.dumps([b"x", [bytes(INLINE_MAX + 1)]]), "encoding-malformed"),
        (cbor2.dumps([bytes(4097), [b""]]), "encoding-malformed"),
    ],
    ids=["short", "none", "long", "transaction"],
)
async def test_cbor_that_is_no_order_is_refused(
    http: Http, answering: Answering, body: bytes, code: str
) -> None:
    headers = {"Content-Type": "application/cbor"}
    assert await http.refuse("POST", PATH, data=body, headers=headers) == (400, code)
    assert not answering.asked


async def test_a_body_that_is_too_long_is_refused(http: Http, answering: Answering) -> None:
    headers = {"Content-Type": "application/cbor"}
    body = bytes(3 * INLINE_MAX)
    assert await http.refuse("POST", PATH, data=body, headers=headers) == (413, "body-oversize")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (TooHeavy("steps", 2, 1), 422),
        (ReplicasSilent(1, 2, ("overloaded",)), 503),
        (ReplicasDisagree(3), 409),
        (Overloaded("answers", 0.5), 429),
    ],
    ids=["heavy", "silent", "disagree", "overloaded"],
)
async def test_why_there_is_no_answer_is_told(
    http: Http, answering: Answering, fault: Exception, status: int
) -> None:
    answering.fault = fault
    assert await http.refuse("POST", PATH, json=make_json()) == (status, getattr(fault, "code"))  # noqa: B009 - of several classes


async def test_a_node_without_fast_answers_says_so(http: Http) -> None:
    assert await http.refuse("POST", PATH, json=make_json()) == (409, "replica-not-offered")
