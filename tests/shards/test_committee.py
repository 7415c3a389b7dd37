"""Weights, thresholds and the leader schedule."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.types import PublicKey, Shard
from tests.drawing.blocks import make_bare_committee, make_committee

SHARD = Shard(0)


@pytest.mark.parametrize(
    ("total", "quorum", "validity"), [(1, 1, 1), (3, 3, 1), (4, 3, 2), (6, 5, 2), (7, 5, 3), (10, 7, 4)]
)
def test_thresholds(total: int, quorum: int, validity: int) -> None:
    committee = make_bare_committee(total)
    assert (committee.total_weight, committee.quorum, committee.validity) == (total, quorum, validity)


@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=6))
def test_two_quorums_share_more_than_the_faulty_weight(weights: list[int]) -> None:
    committee = make_committee(len(weights), weights)
    faulty = committee.validity - 1
    assert 3 * faulty < committee.total_weight <= 3 * (faulty + 1)
    assert 2 * committee.quorum - committee.total_weight > faulty
    assert committee.total_weight - faulty >= committee.quorum


def test_index_of_a_key() -> None:
    committee = make_committee(4)
    assert committee.index_of(committee.validators[2].public_key) == 2
    assert committee.index_of(PublicKey(bytes(32))) is None


def test_leaders_are_distinct_and_no_more_than_validators() -> None:
    committee = make_bare_committee(4)
    for round_number in range(1, 50):
        leaders = committee.get_leaders(SHARD, round_number, 9)
        assert sorted(leaders) == [0, 1, 2, 3]
        assert committee.get_leaders(SHARD, round_number, 2) == leaders[:2]


def test_the_schedule_depends_on_the_shard() -> None:
    committee = make_bare_committee(4)
    schedules = [
        [committee.get_leaders(Shard(shard), number, 4) for number in range(20)] for shard in range(2)
    ]
    assert schedules[0] != schedules[1]


def test_validators_lead_in_proportion_to_their_weight() -> None:
    committee = make_committee(4, weights=[1, 1, 2, 6])
    firsts = Counter(committee.get_leaders(SHARD, number, 1)[0] for number in range(2_000))
    assert abs(firsts[3] - 1_200) < 100
    assert abs(firsts[2] - 400) < 80
    assert min(firsts[0], firsts[1]) > 120
