"""Rounds and commits of committees that are small and even enough to be worked out by hand."""

import numpy as np
import pytest
from msgspec.structs import replace

from simnet.scale.commits import find_commits
from simnet.scale.rounds import Committee, Course, compute_past_s, play_rounds, serve
from tests.simnet.scale.builders import make_committee, make_even_latencies

AWAY_S = 0.1
"""Further than the least delay between blocks, so that distance alone decides."""


def play(committee: Committee, rounds: int = 20) -> Course:
    return play_rounds(committee, rounds, np.random.default_rng(1))


def test_even_distances_give_a_round_for_each_distance() -> None:
    course = play(make_committee(make_even_latencies(4, AWAY_S)))
    expected = np.arange(20)[:, None] * AWAY_S * np.ones(4)
    assert np.allclose(course.proposed_s[1:], expected)
    assert course.interval_s == pytest.approx(AWAY_S)


def test_near_validators_keep_the_least_delay() -> None:
    course = play(make_committee(make_even_latencies(4, 0.001)))
    assert course.interval_s == pytest.approx(0.06)


def test_a_quorum_does_not_wait_for_the_one_who_is_far() -> None:
    latency_s = make_even_latencies(4, AWAY_S)
    latency_s[3, :3] = latency_s[:3, 3] = 0.2
    committee = replace(make_committee(latency_s), leaders=np.zeros((41, 1), dtype=np.int64))
    course = play(committee)
    assert np.allclose(np.diff(course.proposed_s[2:, :3], axis=0), AWAY_S)
    assert (course.accepted_s[5, 0, 3] > course.proposed_s[6, 0]).all()


def test_a_leader_who_is_far_is_waited_for_until_the_timeout() -> None:
    latency_s = make_even_latencies(4, AWAY_S)
    latency_s[:3, 3] = 10.0
    committee = replace(make_committee(latency_s), leaders=np.full((41, 1), 3, dtype=np.int64))
    course = play(committee)
    timeout_s = committee.pace.leader_timeout_ms / 1_000
    assert np.allclose(np.diff(course.proposed_s[2:10, 0]), AWAY_S + timeout_s)


def test_a_leader_is_committed_two_rounds_later_where_the_quorum_arrives() -> None:
    committee = make_committee(make_even_latencies(4, AWAY_S))
    commits = find_commits(committee, play(committee), 0.0)
    assert [commit.round for commit in commits[:5]] == [1, 2, 3, 4, 5]
    # Round r is proposed at (r - 1) distances; blocks of r + 2 arrive one distance after they are proposed.
    assert np.allclose(commits[4].known_s, (4 + 2 + 1) * AWAY_S)


def test_a_checkpoint_is_certified_a_round_after_its_first_block() -> None:
    committee = make_committee(make_even_latencies(4, AWAY_S))
    commits = find_commits(committee, play(committee), 0.01)
    # Executed just after 7 distances; the next block leaves at 8 and arrives at 9.
    assert np.allclose(commits[4].executed_s, 7 * AWAY_S + 0.01)
    assert np.allclose(commits[4].certified_s, 9 * AWAY_S)


def test_a_leader_nobody_can_vote_for_is_skipped() -> None:
    latency_s = make_even_latencies(4, AWAY_S)
    latency_s[:3, 3] = 10.0
    committee = replace(
        make_committee(latency_s), leaders=np.array([[3 if n == 4 else 0] for n in range(41)])
    )
    commits = find_commits(committee, play(committee), 0.0)
    assert [commit.round for commit in commits[:5]] == [1, 2, 3, 5, 6]


def test_one_server_takes_one_after_the_other() -> None:
    arrived_s = np.array([[3.0, 0.0, 0.5, np.inf]])
    assert serve(arrived_s, 1.0, np.array([0.0])).tolist() == [[4.0, 1.0, 2.0, np.inf]]
    assert serve(arrived_s, 1.0, np.array([5.0]))[0, :3].tolist() == [8.0, 6.0, 7.0]


def test_a_block_waits_for_what_it_builds_on() -> None:
    before_s = np.array([[1.0, 9.0], [2.0, 1.0]])
    named = np.array([[True, False], [True, True]])
    assert compute_past_s(before_s, named).tolist() == [[1.0, 9.0], [2.0, 2.0]]
