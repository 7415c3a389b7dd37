"""States and records have one encoding, up to the largest of each."""

import pytest

from aivm.verification.trace import VERSION as COMMITMENT_VERSION
from aivm.verification.trace import Commitment, Context
from poi.market.limits import SEALS_MAX, SNAPSHOT_SIZE_MAX, VERIFIERS_MAX
from poi.market.records import (
    VERSION,
    Ballot,
    Best,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Inference,
    Job,
    KindPrice,
    Learning,
    MarketState,
    Optimisation,
    Phase,
    Seal,
    Task,
    Training,
    Transformation,
    decode_market,
    encode_market,
    get_kind,
)
from tangle.core.encoding import encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds
from tests.poi.market.builders import (
    CHALLENGER,
    CUSTOMER,
    DATA,
    INPUTS,
    PACKAGE,
    PROGRAM,
    SOURCES,
    WORKER,
    make_key,
    start,
)

RUN = Inference(PROGRAM, INPUTS * 16, 1_024, 3, SOURCES * 16)
COMMITMENT = Commitment(
    COMMITMENT_VERSION, Context(PROGRAM, WORKER, 1), PROGRAM, 5, INPUTS * 16, INPUTS * 64, 3, PROGRAM
)
VOTES = tuple(Ballot(validator, 14) for validator in range(VERIFIERS_MAX))
CLAIM = Claimed(
    (WORKER,) * 2, WORKER, Grains(2**63 - 1), COMMITMENT, Milliseconds(5), VOTES, SOURCES * 64, PACKAGE
)
SEALS = tuple(Seal(make_key(number), PROGRAM, number) for number in range(SEALS_MAX))
LARGEST: list[tuple[Task, Phase]] = [
    (RUN, CLAIM),
    (RUN, Disputed(CLAIM, CHALLENGER, PROGRAM, Milliseconds(9), CheckpointIndex(7), (32, 32), VOTES)),
    (Optimisation(bytes(2_944)), Collecting(64, SEALS, (Best(WORKER, 1, 2, bytes(2_944)),))),
    (Training(bytes(1_024), 2**20, DATA), Learning(2**20)),
    (Training(bytes(1_024), 2**20, DATA), Gathering(CheckpointIndex(7), VOTES)),
]


def make_state(task: Task, phase: Phase) -> MarketState:
    job = Job(
        id=Digest(b"j" * 32),
        customer=CUSTOMER,
        order=1,
        stake=Grains(0),
        task=task,
        units=2**40,
        unit_price=Grains(10**10),
        price=Grains(2**63 - 1),
        escrow=Grains(2**63 - 1),
        deadline_ms=Milliseconds(2**62),
        result_ms=Milliseconds(2**62),
        phase=phase,
    )
    return MarketState(VERSION, 1, (KindPrice(Grains(1), Milliseconds(0), 0),) * 4, (), (), (job,))


@pytest.mark.parametrize(("task", "phase"), LARGEST, ids=lambda each: type(each).__name__)
def test_the_largest_jobs_read_back_and_a_full_list_of_them_fits(task: Task, phase: Phase) -> None:
    state = make_state(task, phase)
    data = encode_market(state)
    assert decode_market(data) == state
    assert 1_024 * len(data) < SNAPSHOT_SIZE_MAX


def test_what_is_no_state() -> None:
    data = encode_market(start().market.make_state())
    assert encode_market(decode_market(data)) == data
    for wrong in (data + b"\0", data[:-1], encode([2, 0, [], [], [], []]), b""):
        with pytest.raises(MalformedEncoding):
            decode_market(wrong)
    with pytest.raises(OversizeEncoding):
        decode_market(bytes(SNAPSHOT_SIZE_MAX + 1))


def test_kinds_are_the_tags_of_tasks() -> None:
    tasks: list[Task] = [
        RUN,
        Transformation(PROGRAM, INPUTS, 1, 2, SOURCES),
        Optimisation(b""),
        Training(b"", 1, DATA),
    ]
    assert [get_kind(task) for task in tasks] == [1, 2, 3, 4]
    assert [task.__struct_config__.tag for task in tasks] == [1, 2, 3, 4]
