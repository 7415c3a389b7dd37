"""Jobs for fast answers: a small program, its inputs, and signed transactions that open and pay."""

from typing import Any, Final

import anyio
import anyio.lowlevel
import numpy as np
from msgspec.structs import replace

from aivm.program.binding import BoundProgram, bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Matmul, Mode, Requantize
from aivm.program.record import compute_tensor_id
from aivm.program.types import DType, TensorType
from poi.market.jobs import compute_job_name
from poi.market.operations import OpenJob, encode_operation
from poi.market.records import Inference, ProgramEntry
from tangle.core.blob_id import make_blob_id
from tangle.core.chunk_tree import compute_tree
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    MarketCall,
    Operation,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Digest,
    Grains,
    JobId,
    Milliseconds,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)
from tangle.ledger.accounts import Account
from tangle.node.replicas.orders import Order, read_order
from tangle.node.replicas.payment import Terms, verify_terms
from tests.net.builders import CHAIN
from tests.node.twins import make_key

ROWS: Final = 3
WIDTH: Final = 16
CUSTOMER: Final = make_key("customer")
NOW_MS: Final = 1_000_000
PRICE: Final = Grains(10)
ESCROW: Final = Grains(1_000)
FEE: Final = Grains(50)


def make_bound(seed: int = 0) -> BoundProgram:
    """One layer: bytes times weights, scaled."""
    build = ProgramBuilder()
    rows = build.add_input(make_input(DType.UINT8, WIDTH))
    drawn = np.random.default_rng(seed).integers(-127, 128, (WIDTH, 4)).astype(np.int8)
    sums = build.add(Matmul(0, 0), rows, build.add_initializer(drawn))
    scaled = build.add(Requantize(Mode.RNE64, DType.INT8, 0, (2**30,), (38,), -128, 127), sums)
    plan = build.build(scaled)
    return bind_program(plan, build.contents)


BOUND: Final = make_bound()


def make_rows(seed: int = 0) -> bytes:
    return np.random.default_rng(seed + 100).integers(0, 256, (ROWS, WIDTH)).astype(np.uint8).tobytes()


DATA: Final = make_rows()


def make_task(data: bytes = DATA, bound: BoundProgram = BOUND, rows: int = ROWS) -> Inference:
    declared = bound.plan.input_types[0]
    kind = TensorType(declared.dtype, (rows, *declared.shape), declared.low, declared.high)
    return Inference(
        program=bound.plan.program_id,
        inputs=(compute_tensor_id(kind, data),),
        rows=rows,
        level=2,
        sources=(compute_tree(data).shape.root,),
    )


def make_open(task: Any = None, **changes: Any) -> OpenJob:
    deadline, result = Milliseconds(NOW_MS + 60_000), Milliseconds(5_000)
    return replace(OpenJob(task or make_task(), PRICE, ESCROW, deadline, result), **changes)


def make_transaction(
    operation: Operation,
    sequence: int = 0,
    key: SigningKey = CUSTOMER,
    chain: ChainId = CHAIN,
    fee: int = FEE,
) -> Transaction:
    work = Work(EVOLUTION_WORK, JobId(bytes(32)), 0, key.public_key, (0,))
    body = TransactionBody(
        version=TRANSACTION_VERSION,
        chain=chain,
        shard=Shard(0),
        issuer=key.public_key,
        sequence=Sequence(sequence),
        anchor=CheckpointIndex(0),
        parents=(TransactionId(bytes(32)),),
        operation=operation,
        work=work,
        max_fee=Grains(fee),
    )
    return sign_transaction(body, key)


def make_call(operation: OpenJob | None = None, sequence: int = 0, key: SigningKey = CUSTOMER) -> Transaction:
    return make_transaction(MarketCall(encode_operation(operation or make_open())), sequence, key)


def make_order(sequence: int = 0, data: bytes = DATA, key: SigningKey = CUSTOMER) -> Order:
    return read_order(make_call(make_open(make_task(data)), sequence, key).encoded, (data,))


def make_transfer(sequence: int, amount: int) -> Transaction:
    return make_transaction(Transfer(PublicKey(bytes(32)), Grains(amount)), sequence)


def make_entry(bound: BoundProgram = BOUND, confirmed: int = 1) -> ProgramEntry:
    cost = bound.plan.cost
    return ProgramEntry(
        program=bound.plan.program_id,
        owner=PublicKey(bytes(32)),
        deposit=Grains(1),
        macs=cost.macs,
        steps=cost.steps,
        bytes_moved=cost.bytes_moved,
        package=make_blob_id(Digest(bytes(32))),
        since=CheckpointIndex(0),
        end_ms=Milliseconds(0),
        confirmed=confirmed,
        votes=(),
    )


def make_terms(**changes: Any) -> Terms:
    account = Account(Grains(ESCROW + FEE), Sequence(0))
    terms = Terms(account=account, entry=make_entry(), unit_price=PRICE, now_ms=NOW_MS, is_open=False)
    return replace(terms, **changes)


def get_job(order: Order) -> Digest:
    return compute_job_name(order.transaction.body.issuer, order.transaction.body.sequence)


class Paying:
    """Payments as a test wants them."""

    def __init__(self) -> None:
        self.fault: TangleError | None = None
        """Raised when a job is tried."""

        self.late_fault: TangleError | None = None
        """Raised when a result is to be shown."""

    def examine(self, order: Order) -> ProgramEntry:
        if self.fault is not None:
            raise self.fault
        return verify_terms(order, make_terms(account=Account(Grains(10**12), Sequence(0))))

    async def settle(self, _: Order) -> None:
        await anyio.lowlevel.checkpoint()
        if self.late_fault is not None:
            raise self.late_fault


class Shelf:
    """The one program of these tests."""

    def __init__(self) -> None:
        self.fault: TangleError | None = None

    async def get(self, _: ProgramEntry) -> BoundProgram:
        await anyio.lowlevel.checkpoint()
        if self.fault is not None:
            raise self.fault
        return BOUND
