"""Cores that shuttle blocks: steady commits, crashes, late joiners, restarts, equivocators."""

from itertools import pairwise

import pytest
from msgspec.structs import replace

from shards.commits import compute_commit_digest
from shards.events import DropReason, Pace
from tangle.core.parameters import MINIMAL
from tangle.core.types import Milliseconds, TransactionId
from tests.shards.network import Network


def make_tip(number: int) -> TransactionId:
    return TransactionId(number.to_bytes(32, "big"))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_a_network_commits_steadily_and_agrees(count: int) -> None:
    network = Network(seed=count, count=count)
    network.start()
    network.run(3_000)
    first = network.check_agreement()
    network.run(3_000)
    second = network.check_agreement()
    assert first > 20
    assert second > 1.7 * first


def test_the_same_seed_gives_the_same_history() -> None:
    histories = []
    for _ in range(2):
        network = Network(seed=5)
        network.start()
        network.run(2_000)
        histories.append([list(map(compute_commit_digest, node.disk_commits)) for node in network.nodes])
    assert histories[0] == histories[1]


def test_commits_chain_times_are_monotone_and_no_block_is_ordered_twice() -> None:
    network = Network(seed=6)
    network.start()
    network.run(4_000)
    node = network.nodes[0]
    ordered = [reference for record in node.disk_commits for reference in record.blocks]
    assert len(set(ordered)) == len(ordered)
    for left, right in pairwise(node.disk_commits):
        assert right.previous == compute_commit_digest(left)
        assert right.timestamp_ms >= left.timestamp_ms
        assert right.leader in right.blocks
        assert list(right.blocks) == sorted(right.blocks)


def test_every_tip_is_ordered_exactly_once() -> None:
    network = Network(seed=7)
    tips = [make_tip(number) for number in range(40)]
    for position, tip in enumerate(tips):
        network.nodes[position % 4].tips.append(tip)
    network.start()
    network.run(4_000)
    for node in network.nodes:
        ordered = [tip for blocks in node.executed for block in blocks for tip in block.body.tips]
        assert sorted(ordered) == sorted(tips)


def test_a_leader_that_is_away_is_skipped_and_counted_by_name() -> None:
    network = Network(seed=19)
    network.start()
    network.run(1_000)
    core = network.nodes[0].core
    assert not any(not outcome.is_commit for outcome in core.slot_outcomes)
    assert core.leaders_missed == 0
    network.crash(3)
    network.run(4_000)
    skipped = {outcome.leader for outcome in core.slot_outcomes if not outcome.is_commit}
    assert skipped == {3}
    assert core.leaders_missed > 0


@pytest.mark.parametrize("crashed", range(4))
def test_three_of_four_go_on(crashed: int) -> None:
    network = Network(seed=20 + crashed)
    network.start()
    network.run(2_000)
    network.crash(crashed)
    network.run(2_000)
    survivors = [index for index in range(4) if index != crashed]
    before = network.check_agreement(*survivors)
    network.run(4_000)
    assert network.check_agreement(*survivors) > before + 40


def test_two_of_four_stop_and_resume() -> None:
    network = Network(seed=30)
    network.start()
    network.run(2_000)
    network.crash(2)
    network.crash(3)
    network.run(1_000)
    before = network.check_agreement(0, 1)
    network.run(3_000)
    assert network.check_agreement(0, 1) == before
    network.restart(2)
    network.run(3_000)
    assert network.check_agreement(0, 1, 2) > before + 15


def test_a_late_joiner_catches_up_from_the_first_round() -> None:
    parameters = replace(MINIMAL, commit_depth=10)
    network = Network(seed=31, parameters=parameters)
    network.start(0, 1, 2)
    network.run(5_000)
    ahead = network.check_agreement(0, 1, 2)
    network.start(3)
    network.run(6_000)
    assert network.check_agreement() > ahead + 20
    newest = network.nodes[0].core.get_round(network.nodes[0].core.clock_round - 3)
    assert 3 in {block.reference.author for block in newest}, "it proposes along with the others"


def test_an_observer_follows_and_never_proposes() -> None:
    network = Network(seed=32, count=4, observers=frozenset({3}))
    network.start()
    network.run(4_000)
    assert network.check_agreement() > 20
    assert not any(block.reference.author == 3 for block in network.nodes[3].disk_blocks.values())


@pytest.mark.parametrize("seed", range(40, 46))
def test_a_restart_repeats_nothing_and_signs_no_slot_twice(seed: int) -> None:
    network = Network(seed)
    network.start()
    for cycle in range(4):
        network.run(1_000 + 37 * cycle)
        victim = network.dice.below(4)
        network.crash(victim)
        network.run(network.dice.below(600))
        network.restart(victim)
    network.run(3_000)
    assert network.check_agreement() > 60
    assert not any(node.evidence for node in network.nodes)


def test_all_at_once_can_be_killed() -> None:
    network = Network(seed=50)
    network.start()
    for _ in range(3):
        network.run(1_500)
        for index in range(4):
            network.crash(index)
        network.run(200)
        for index in range(4):
            network.restart(index)
    before = network.check_agreement()
    network.run(3_000)
    assert network.check_agreement() > before + 20
    assert not any(node.evidence for node in network.nodes)


def test_a_restart_re_derives_the_same_state() -> None:
    network = Network(seed=51)
    network.start()
    network.run(4_000)
    node = network.nodes[1]
    old = node.core
    node.recover()
    new = node.core
    assert (new.last_commit, new.horizon, new.clock_round, new.highest_round) == (
        old.last_commit,
        old.horizon,
        old.clock_round,
        old.highest_round,
    )
    assert new.get_missing().blocks == ()
    for number in range(new.horizon + 1, new.highest_round + 1):
        assert {b.reference for b in new.get_round(number)} == {b.reference for b in old.get_round(number)}


def test_commits_lost_with_the_last_write_are_derived_again() -> None:
    network = Network(seed=52)
    network.start()
    network.run(4_000)
    node = network.nodes[2]
    network.crash(2)
    lost = node.disk_commits[-3:]
    del node.disk_commits[-3:], node.executed[-3:]
    network.restart(2)
    network.run(1)
    assert node.disk_commits[-3:] == lost


def test_an_equivocator_stops_nobody_and_leaves_evidence() -> None:
    network = Network(seed=60)
    network.start()
    original = network.broadcast

    def broadcast(sender: int, block, now_ms: int) -> None:  # type: ignore[no-untyped-def]  # stands in below
        if sender != 3:
            original(sender, block, now_ms)
            return
        twin = network.forge_twin(3, block)
        for index in range(3):
            network.send(index, twin if index == block.reference.round % 3 else block, now_ms + 20)

    network.broadcast = broadcast  # type: ignore[method-assign]  # node 3 lies from here on
    network.run(6_000)
    assert network.check_agreement(0, 1, 2) > 40
    seen = [event for node in network.nodes[:3] for event in node.evidence]
    assert seen
    for event in seen:
        assert event.first.reference.author == event.second.reference.author == 3
        assert event.first.reference.round == event.second.reference.round
        assert event.first.reference.digest != event.second.reference.digest


def test_a_bomb_of_twins_is_not_taken_unasked() -> None:
    network = Network(seed=61)
    network.start()
    network.run(60)
    target = network.nodes[0]
    block = network.get_first_block(3)
    for number in range(50):
        twin = network.forge_twin(3, block)
        block = replace(
            twin, body=replace(twin.body, timestamp_ms=Milliseconds(twin.body.timestamp_ms + number))
        )
        network.deliver(0, network.forge_twin(3, block))
    taken = [other for other in target.core.get_round(1) if other.reference.author == 3]
    assert len(taken) <= 5
    assert any(event.reason is DropReason.TWIN for event in target.dropped)


def test_memory_is_bounded_by_the_commit_depth() -> None:
    network = Network(seed=62)
    network.start()
    network.run(8_000)
    for node in network.nodes:
        core = node.core
        assert core.highest_round > 50
        assert core.highest_round - core.horizon < MINIMAL.commit_depth + 12
        assert len(core._dag) <= 4 * (MINIMAL.commit_depth + 12)
        assert len(core._committer._decided) < 40
        assert len(core._linearizer._committed) <= MINIMAL.commit_depth + 12


def test_a_network_at_rest_is_slow_and_wakes_for_a_tip() -> None:
    pace = Pace(Milliseconds(50), Milliseconds(250), Milliseconds(1_000))
    network = Network(seed=63, pace=pace, max_delay_ms=20)
    network.start()
    network.run(10_000)
    resting = network.nodes[0].core.highest_round
    assert resting <= 12
    node = network.nodes[0]
    node.tips.append(make_tip(1))
    started_ms = network.now_ms
    node.handle(node.core.process_payload(is_waiting=True, now_ms=network.now_ms), network.now_ms)
    network.plan(0)
    while not any(block.body.tips for blocks in node.executed for block in blocks):
        network.run(10)
        assert network.now_ms - started_ms < 600
    network.run(5_000)
    assert node.core.highest_round < resting + 20


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 140))
def test_kills_of_any_number_at_any_time(seed: int) -> None:
    network = Network(seed)
    network.start()
    for _ in range(5):
        network.run(400 + network.dice.below(800))
        for index in range(4):
            if network.dice.chance(40):
                network.crash(index)
        network.run(network.dice.below(900))
        for node in network.nodes:
            if not node.is_up:
                network.restart(node.index)
    before = network.check_agreement()
    network.run(3_000)
    assert network.check_agreement() > before + 20
    assert not any(node.evidence for node in network.nodes)
