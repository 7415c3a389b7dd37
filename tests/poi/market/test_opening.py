"""What can be registered, announced and opened, and every reason why not."""

import numpy as np
import pytest
from msgspec.structs import replace

from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Matmul
from aivm.program.record import compute_program_id, encode_program
from aivm.program.types import DType
from poi.market import book, jobs, registry
from poi.market.errors import (
    AlreadyAnnounced,
    InvalidCapacity,
    InvalidProblem,
    InvalidTask,
    LacksFunds,
    LevelNotOffered,
    ListFull,
    MarketFault,
    NoCapacity,
    NotTheOwner,
    PriceAboveLimit,
    ProgramInUse,
    ProgramTaken,
    TooManyJobs,
    UnfundedJob,
    UnknownProgram,
)
from poi.market.limits import DEVNET_RULES, INFERENCE_ROWS_MAX
from poi.market.operations import (
    AnnounceCapacity,
    CancelJob,
    RegisterProgram,
    RetireProgram,
    WithdrawCapacity,
    decode_operation,
    describe_program,
    encode_operation,
)
from poi.market.problems import Packing, encode_problem
from poi.market.records import Kind, Optimisation, Task, Training, Transformation
from poi.presets import DIGITS
from tangle.core.encoding import encode
from tangle.core.errors import InvalidParameters, MalformedEncoding, OversizeEncoding
from tangle.core.types import Digest, Grains
from tests.poi.market.builders import (
    CAPACITY,
    CUSTOMER,
    DATA,
    FUNDS,
    INFERENCE,
    INPUTS,
    OTHER,
    PACKAGE,
    PROGRAM,
    REGISTER,
    SOURCES,
    WORKER,
    claim,
    make_key,
    start,
)

OWNER = make_key(9)
UNKNOWN = Digest(b"u" * 32)


def refuse_opening(fault: type[MarketFault], task: Task = INFERENCE, **changes: int) -> None:
    scene = start()
    before = scene.market.make_state()
    with pytest.raises(fault):
        scene.open(task, **changes)
    assert scene.market.make_state() == before
    assert scene.balances[CUSTOMER] == FUNDS


def test_a_program_is_registered_once_and_retired_by_its_owner_when_nobody_runs_it() -> None:
    scene = start()
    assert scene.balances[OWNER] == FUNDS - 1_000
    scene.refuse(ProgramTaken, OTHER, REGISTER)
    scene.refuse(NotTheOwner, OTHER, RetireProgram(PROGRAM))
    scene.refuse(UnknownProgram, OTHER, RetireProgram(UNKNOWN))
    job = scene.open()
    scene.refuse(ProgramInUse, OWNER, RetireProgram(PROGRAM))
    scene.apply(CUSTOMER, CancelJob(job))
    scene.apply(OWNER, RetireProgram(PROGRAM))
    assert scene.balances[OWNER] == FUNDS
    refused = replace(REGISTER, program=UNKNOWN)
    scene.balances[OTHER] = 999
    scene.refuse(LacksFunds, OTHER, refused)


def test_a_worker_announces_itself_once_with_numbers_that_make_sense() -> None:
    scene = start()
    scene.refuse(AlreadyAnnounced, WORKER, CAPACITY)
    scene.refuse(NoCapacity, OTHER, WithdrawCapacity())
    scene.refuse(InvalidCapacity, OTHER, replace(CAPACITY, bond=Grains(499)))
    scene.refuse(InvalidCapacity, OTHER, replace(CAPACITY, kinds=(Kind.TRANSFORMATION, Kind.INFERENCE)))
    scene.refuse(InvalidCapacity, OTHER, replace(CAPACITY, kinds=(Kind.OPTIMISATION,)))
    scene.refuse(LacksFunds, OTHER, replace(CAPACITY, bond=Grains(FUNDS + 1)))
    scene.apply(WORKER, WithdrawCapacity())
    assert scene.balances[WORKER] == FUNDS


def test_a_retiring_worker_cannot_announce_itself_again_yet() -> None:
    scene = start()
    claim(scene)
    scene.apply(WORKER, WithdrawCapacity())
    scene.refuse(AlreadyAnnounced, WORKER, CAPACITY)


def test_an_unfunded_job() -> None:
    refuse_opening(UnfundedJob, escrow=49)
    refuse_opening(LacksFunds, escrow=FUNDS + 1)


def test_a_price_above_the_limit() -> None:
    refuse_opening(PriceAboveLimit, price_limit=9)


def test_an_unknown_program() -> None:
    refuse_opening(UnknownProgram, replace(INFERENCE, program=UNKNOWN))


@pytest.mark.parametrize("level", [0, 1, 4, 5, 6, 7, 8])
def test_a_level_that_is_not_offered(level: int) -> None:
    refuse_opening(LevelNotOffered, replace(INFERENCE, level=level))


@pytest.mark.parametrize(
    ("deadline_ms", "result_ms"),
    [(1_010, 10), (0, 10), (2**62, 10), (2_000, 0), (2_000, 991)],
    ids=["now", "past", "too far", "no time", "more time than there is"],
)
def test_times_that_cannot_be_kept(deadline_ms: int, result_ms: int) -> None:
    refuse_opening(InvalidTask, deadline_ms=deadline_ms, result_ms=result_ms)


def test_tasks_that_cannot_be_done() -> None:
    refuse_opening(InvalidTask, replace(INFERENCE, rows=INFERENCE_ROWS_MAX + 1))
    refuse_opening(InvalidTask, Training(b"", 1, DATA), result_ms=0)
    refuse_opening(InvalidTask, Training(encode(DIGITS), 2**20, DATA), result_ms=1)
    refuse_opening(InvalidProblem, Optimisation(b"\x80"), result_ms=0)
    packing = encode_problem(Packing(5, (1, 2)))
    refuse_opening(InvalidTask, Optimisation(packing), result_ms=1)


def test_a_job_beyond_all_units() -> None:
    scene = start()
    huge = replace(REGISTER, program=UNKNOWN, macs=2**60)
    scene.apply(OTHER, huge)
    scene.confirm(UNKNOWN)
    with pytest.raises(InvalidTask):
        scene.open(Transformation(UNKNOWN, INPUTS, 2**20, 3, SOURCES))


def test_full_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = start()
    scene.open()
    monkeypatch.setattr(jobs, "JOBS_PER_CUSTOMER_MAX", 1)
    with pytest.raises(TooManyJobs):
        scene.open()
    monkeypatch.setattr(jobs, "JOBS_MAX", 1)
    with pytest.raises(ListFull):
        scene.open()
    monkeypatch.setattr(registry, "PROGRAMS_MAX", 1)
    scene.refuse(ListFull, OTHER, replace(REGISTER, program=UNKNOWN))
    monkeypatch.setattr(registry, "CAPACITIES_MAX", 1)
    scene.refuse(ListFull, OTHER, CAPACITY)


def test_the_real_limit_of_one_customer() -> None:
    scene = start()
    names = {scene.open() for _ in range(64)}
    assert len(names) == 64
    with pytest.raises(TooManyJobs):
        scene.open()


@pytest.mark.parametrize(
    ("name", "value"),
    [("price_floor", 0), ("price_floor", 10**11), ("winner_share", 10**6), ("bond_share", 0)],
)
def test_rules_under_which_no_market_runs(name: str, value: int) -> None:
    with pytest.raises(InvalidParameters):
        replace(DEVNET_RULES, **{name: value})


def test_operations_have_one_encoding() -> None:
    for operation in (REGISTER, CAPACITY, WithdrawCapacity(), CancelJob(UNKNOWN)):
        data = encode_operation(operation)
        assert decode_operation(data) == operation
        with pytest.raises(MalformedEncoding):
            decode_operation(data + b"\0")
    with pytest.raises(MalformedEncoding):
        decode_operation(encode_operation(REGISTER).replace(b"\x01", b"\x18\x01", 1))
    with pytest.raises(OversizeEncoding):
        decode_operation(bytes(3_073))
    with pytest.raises(MalformedEncoding):
        decode_operation(encode([[99, 1]]))
    slots = encode([[3, [1], 1, 1, 1, 65, 1_000]])
    with pytest.raises(MalformedEncoding, match="64"):
        decode_operation(slots)
    assert isinstance(decode_operation(slots.replace(b"\x18\x41", b"\x18\x40")), AnnounceCapacity)


def test_a_program_describes_itself() -> None:
    builder = ProgramBuilder()
    rows = builder.add_input(make_input(DType.INT8, 3, 7))
    weights = builder.add_initializer(np.ones((7, 5), np.int8))
    program = builder.build(builder.add_many(Matmul(0, 0), rows, weights)[0]).program
    moved = 21 + 35 + 4 * 15
    described = RegisterProgram(compute_program_id(program), 3 * 7 * 5, 0, moved, PACKAGE)
    assert describe_program(encode_program(program), PACKAGE) == described
    with pytest.raises(MalformedEncoding):
        describe_program(b"\x80", PACKAGE)


def test_the_books_begin_empty() -> None:
    assert book.compute_held(start(()).market.make_state(), DEVNET_RULES) == 1_000
