"""The committee core beside the happy path: what waits, what is let go, and when a proposal is due."""

import pytest
from msgspec.structs import replace

from shards.blocks import (
    Attestation,
    Block,
    BlockReference,
    BundleReference,
    compute_bundle_id,
    compute_genesis_references,
)
from shards.core import EARLY_PER_AUTHOR_MAX, CommitteeCore
from shards.errors import BrokenCommitChain, InvalidPayload, ProposalNotDue
from shards.events import (
    BlockAccepted,
    BlockDropped,
    BlockSuspended,
    CommitteeEvent,
    DropReason,
    EquivocationSeen,
    Missing,
    Pace,
    ProposalDue,
    RecoveredState,
    SubDagCommitted,
)
from shards.waiting import WaitingRoom
from tangle.core.parameters import MINIMAL
from tangle.core.types import (
    BundleId,
    CheckpointIndex,
    Digest,
    Milliseconds,
    Shard,
    Signature,
    TransactionId,
)
from tests.drawing.blocks import CHAIN, SHARD, make_body, make_committee, make_keys, make_unsigned
from tests.drawing.committee import CommitteeDrawing
from tests.shards.network import Network

COMMITTEE = make_committee(4)
PACE = Pace(Milliseconds(50), Milliseconds(250), Milliseconds(50))
NOW = 10_000
TIP = TransactionId(b"t" * 32)
FULL = "1..8: A B C D"


def make_core(
    own_index: int | None = None,
    attached: set[TransactionId] | None = None,
    pace: Pace = PACE,
    recovered: RecoveredState | None = None,
) -> CommitteeCore:
    known = set() if attached is None else attached
    return CommitteeCore(COMMITTEE, MINIMAL, CHAIN, SHARD, own_index, pace, known.__contains__, recovered)


def feed(core: CommitteeCore, blocks: list[Block], now_ms: int = NOW) -> list[CommitteeEvent]:
    return [event for block in blocks for event in core.process_block(block, now_ms)]


def with_tips(block: Block, *tips: TransactionId) -> Block:
    return make_unsigned(replace(block.body, tips=tips))


def count(events: list[CommitteeEvent], kind: type) -> int:
    return sum(isinstance(event, kind) for event in events)


def test_blocks_in_reverse_order_wait_and_are_accepted_in_causal_order() -> None:
    blocks = list(CommitteeDrawing("1: A B C D\n2: A B C D\n3: A").blocks.values())
    core = make_core()
    events = feed(core, blocks[::-1])
    accepted = [event.block for event in events if isinstance(event, BlockAccepted)]
    assert len(accepted) == len(blocks)
    placed = {reference.digest for reference in compute_genesis_references(COMMITTEE, CHAIN, SHARD)}
    for block in accepted:
        assert all(a.round == 0 or a.digest in placed for a in block.body.ancestors)
        placed.add(block.reference.digest)
    assert core.get_missing().blocks == ()


def test_a_suspended_block_says_what_is_missing() -> None:
    drawing = CommitteeDrawing("1: A B C D\n2: A")
    core = make_core()
    feed(core, [drawing.blocks["A1"], drawing.blocks["B1"]])
    (event,) = feed(core, [drawing.blocks["A2"]])
    wanted = tuple(drawing.blocks[name].reference for name in ("C1", "D1"))
    assert event == BlockSuspended(drawing.blocks["A2"].reference, wanted, (), ())
    assert core.get_missing().blocks == wanted


def test_a_block_waits_for_its_transactions() -> None:
    attached: set[TransactionId] = set()
    core = make_core(attached=attached)
    block = with_tips(CommitteeDrawing("1: A").blocks["A1"], TIP)
    assert feed(core, [block]) == [BlockSuspended(block.reference, (), (TIP,), ())]
    assert core.get_missing().tips == (TIP,)
    attached.add(TIP)
    assert core.process_attached([TIP], NOW) == (BlockAccepted(block),)
    assert core.process_attached([TIP], NOW) == ()


def test_a_block_waits_for_its_bundles_as_for_its_transactions() -> None:
    present: set[TransactionId | BundleId] = {TIP}
    core = CommitteeCore(COMMITTEE, MINIMAL, CHAIN, SHARD, None, PACE, present.__contains__, None)
    names = [BundleReference(Shard(1), CheckpointIndex(n), Digest(bytes([n]) * 32)) for n in (1, 2)]
    identities = [compute_bundle_id(name, SHARD) for name in names]
    drawn = CommitteeDrawing("1: A").blocks["A1"]
    block = make_unsigned(replace(drawn.body, tips=(TIP,), bundles=tuple(names)))
    present.add(identities[1])
    assert feed(core, [block]) == [BlockSuspended(block.reference, (), (), (names[0],))]
    assert core.get_missing() == Missing((), (), (names[0],))
    present.add(identities[0])
    assert core.process_attached([identities[0]], NOW) == (BlockAccepted(block),)
    assert core.get_missing() == Missing((), (), ())


def test_a_block_may_lack_a_transaction_and_a_bundle() -> None:
    core = make_core()
    name = BundleReference(Shard(1), CheckpointIndex(1), Digest(b"d" * 32))
    drawn = CommitteeDrawing("1: A").blocks["A1"]
    block = make_unsigned(replace(drawn.body, tips=(TIP,), bundles=(name,)))
    assert feed(core, [block]) == [BlockSuspended(block.reference, (), (TIP,), (name,))]
    assert core.process_attached([compute_bundle_id(name, SHARD)], NOW) == ()
    assert core.get_missing() == Missing((), (TIP,), ())


def test_a_proposal_names_bundles() -> None:
    sharded = replace(MINIMAL, shard_bits=1)
    core = CommitteeCore(COMMITTEE, sharded, CHAIN, SHARD, 0, PACE, lambda _identity: True, None)
    assert count(list(core.on_deadline(NOW)), ProposalDue) == 1
    name = BundleReference(Shard(1), CheckpointIndex(1), Digest(b"d" * 32))
    block, _ = core.propose(NOW, (), (), make_keys(4)[0], (), (name,))
    assert block.body.bundles == (name,)
    with pytest.raises(ProposalNotDue):
        core.propose(NOW, (), (), make_keys(4)[0], (), (name,))


def test_a_transaction_that_expired_while_ancestors_were_missing_is_waited_for_again() -> None:
    drawn = CommitteeDrawing("1: A B C D\n2: A").blocks
    first, *rest = [drawn[name] for name in ("A1", "B1", "C1", "D1")]
    block = with_tips(drawn["A2"], TIP)
    attached = {TIP}
    core = make_core(attached=attached)
    feed(core, [*rest, block])
    attached.clear()
    (suspended,) = [event for event in feed(core, [first]) if isinstance(event, BlockSuspended)]
    assert (suspended.reference, suspended.missing_tips) == (block.reference, (TIP,))
    attached.add(TIP)
    assert count(list(core.process_attached([TIP], NOW)), BlockAccepted) == 1


def test_a_block_that_is_known_says_nothing_again() -> None:
    drawing = CommitteeDrawing("1: A B C D\n2: A")
    core = make_core()
    assert len(feed(core, [drawing.blocks["A1"]] * 3)) == 1
    assert len(feed(core, [drawing.blocks["A2"]] * 3)) == 1


def test_a_block_from_the_future_waits_until_it_is_due() -> None:
    block = CommitteeDrawing("1: A").blocks["A1"]
    due_ms = block.body.timestamp_ms - MINIMAL.block_drift_ms
    core = make_core()
    assert feed(core, [block], due_ms - 1) == []
    assert core.is_known(block.reference)
    assert core.get_deadline_ms() == due_ms
    assert core.on_deadline(due_ms) == (BlockAccepted(block),)
    assert core.get_deadline_ms() is None


def test_blocks_from_the_future_have_little_room() -> None:
    block = CommitteeDrawing("1: A").blocks["A1"]
    twins = [
        make_unsigned(replace(block.body, timestamp_ms=Milliseconds(10**9 + number)))
        for number in range(EARLY_PER_AUTHOR_MAX + 3)
    ]
    events = feed(make_core(), twins, 0)
    assert [event.reason for event in events if isinstance(event, BlockDropped)] == [
        DropReason.TOO_FAR_AHEAD
    ] * 3


def test_twins_are_evidence() -> None:
    drawing = CommitteeDrawing("1: A A' B")
    events = feed(make_core(), list(drawing.blocks.values()))
    assert EquivocationSeen(drawing.blocks["A1"], drawing.blocks["A1'"]) in events


def test_an_author_fills_only_its_own_share_of_the_waiting_room() -> None:
    room = WaitingRoom(256)
    drawing = CommitteeDrawing("1: A B C D\n2: A B")
    missing = [drawing.blocks["C1"].reference]
    room.hold(drawing.blocks["B2"], missing, ())
    dropped = []
    for number in range(12):
        body = replace(drawing.blocks["A2"].body, round=2 + number)
        dropped.append(room.hold(make_unsigned(body), missing, ()))
    assert [block.reference.round for block in dropped if block] == [10, 11, 12, 13]
    assert len(room) == 9
    ready = room.process_accepted(missing[0])
    assert sorted(block.reference.round for block in ready) == [2, 2, 3, 4, 5, 6, 7, 8, 9]
    assert len(room) == 0
    assert room.get_missing(10) == ([], [])


def test_references_to_nothing_do_not_keep_others_from_being_asked_for() -> None:
    room = WaitingRoom(4)
    drawing = CommitteeDrawing("1: A B C D\n2: A B")
    for number in range(20):
        fake = [BlockReference(1, 2, Digest(bytes([number, other]) * 16)) for other in range(20)]
        room.hold(make_unsigned(replace(drawing.blocks["A2"].body, round=2 + number)), fake, ())
    wanted = drawing.blocks["D1"].reference
    room.hold(drawing.blocks["B2"], [wanted], [TIP])
    blocks, tips = room.get_missing(40)
    assert wanted in blocks
    assert len(blocks) == 11
    assert tips == [TIP]


def test_the_horizon_frees_blocks_whose_ancestors_are_below_it() -> None:
    room = WaitingRoom(4)
    drawing = CommitteeDrawing("1: A B C D\n2: A B C D\n3: A")
    room.hold(drawing.blocks["A2"], [drawing.blocks["A1"].reference], ())
    room.hold(drawing.blocks["A3"], [drawing.blocks["B2"].reference], [TIP])
    room.hold(drawing.blocks["B2"], [drawing.blocks["B1"].reference], [])
    assert room.process_horizon(1) == [drawing.blocks["A2"], drawing.blocks["B2"]]
    assert room.process_horizon(2) == []
    assert room.process_attached(TIP) == [drawing.blocks["A3"]]


def test_old_blocks_are_dropped() -> None:
    network = Network(seed=70)
    network.start()
    network.run(4_000)
    node = network.nodes[0]
    old = next(block for block in node.disk_blocks.values() if block.reference.round == 1)
    assert BlockDropped(old.reference, DropReason.BELOW_HORIZON) in node.core.process_block(
        old, network.now_ms
    )


def propose(core: CommitteeCore, now_ms: int) -> Block:
    return core.propose(now_ms, (), (), make_keys(4)[0])[0]


def test_the_first_block_is_due_at_once_and_once() -> None:
    core = make_core(own_index=0)
    assert core.get_deadline_ms() == 0
    assert core.on_deadline(NOW) == (ProposalDue(1),)
    assert core.on_deadline(NOW) == ()
    block = propose(core, NOW)
    assert block.body.ancestors == compute_genesis_references(COMMITTEE, CHAIN, SHARD)
    assert block.body.timestamp_ms == NOW


def start_round_2(present: str, pace: Pace = PACE) -> tuple[CommitteeCore, list[CommitteeEvent]]:
    core = make_core(own_index=0, pace=pace)
    core.on_deadline(NOW)
    propose(core, NOW)
    drawing = CommitteeDrawing("1: A B C D")
    return core, feed(core, [drawing.blocks[f"{letter}1"] for letter in present], NOW + 10)


LEADERS_1 = COMMITTEE.get_leaders(SHARD, 1, MINIMAL.leaders_per_round)
ABSENT = next(author for author in LEADERS_1 if author != 0)
WITHOUT_LEADER = "".join("ABCD"[author] for author in range(1, 4) if author != ABSENT)


def test_a_proposal_waits_for_the_least_delay() -> None:
    core, events = start_round_2("BCD")
    assert not count(events, ProposalDue)
    assert core.get_deadline_ms() == NOW + 50
    assert core.on_deadline(NOW + 49) == ()
    assert core.on_deadline(NOW + 50) == (ProposalDue(2),)


def test_a_proposal_waits_for_missing_leaders_until_the_timeout() -> None:
    core, _ = start_round_2(WITHOUT_LEADER)
    assert core.get_deadline_ms() == NOW + 10 + 250
    late = CommitteeDrawing("1: A B C D").blocks[f"{'ABCD'[ABSENT]}1"]
    assert ProposalDue(2) in core.process_block(late, NOW + 100)
    core, _ = start_round_2(WITHOUT_LEADER)
    assert core.on_deadline(NOW + 260) == (ProposalDue(2),)


def test_an_idle_proposal_waits_longer_until_payload_comes() -> None:
    idle = replace(PACE, idle_round_delay_ms=Milliseconds(1_000))
    core, _ = start_round_2("BCD", idle)
    assert core.get_deadline_ms() == NOW + 1_000
    assert core.process_payload(is_waiting=True, now_ms=NOW + 60) == (ProposalDue(2),)


def test_an_uncommitted_tip_of_another_author_ends_the_idle_delay() -> None:
    idle = replace(PACE, idle_round_delay_ms=Milliseconds(1_000))
    core = make_core(own_index=0, attached={TIP}, pace=idle)
    core.on_deadline(NOW)
    propose(core, NOW)
    drawing = CommitteeDrawing("1: A B C D")
    feed(core, [with_tips(drawing.blocks["B1"], TIP), drawing.blocks["C1"], drawing.blocks["D1"]])
    assert core.get_deadline_ms() == NOW + 50


def test_a_block_names_the_own_previous_block_first_and_nothing_twice() -> None:
    core, _ = start_round_2("BCD")
    second = propose(core, NOW + 50)
    assert [ancestor.author for ancestor in second.body.ancestors] == [0, 1, 2, 3]
    committee_blocks = {b.reference.author: b for b in core.get_round(1)}
    rest = []
    for author in (1, 2):
        ancestors = [committee_blocks[author].reference, *(committee_blocks[o].reference for o in (0, 3))]
        rest.append(make_unsigned(make_body(COMMITTEE, author, ancestors)))
    feed(core, rest, NOW + 60)
    third = propose(core, NOW + 100)
    assert [(a.round, a.author) for a in third.body.ancestors] == [(2, 0), (2, 1), (2, 2)]


def test_a_timestamp_is_never_before_an_ancestors() -> None:
    core = make_core(own_index=0)
    core.on_deadline(NOW)
    propose(core, NOW)
    drawing = CommitteeDrawing("1: A B C D")
    ahead = replace(drawing.blocks["B1"].body, timestamp_ms=Milliseconds(NOW + 400))
    feed(core, [make_unsigned(ahead), drawing.blocks["C1"], drawing.blocks["D1"]], NOW + 10)
    assert propose(core, NOW + 50).body.timestamp_ms == NOW + 400


def test_no_round_is_signed_twice() -> None:
    core = make_core(own_index=0)
    propose(core, NOW)
    with pytest.raises(ProposalNotDue):
        propose(core, NOW)
    with pytest.raises(ProposalNotDue):
        propose(make_core(), NOW)


def test_the_guard_outlives_a_lost_store() -> None:
    core = make_core(own_index=0, recovered=RecoveredState((), (), last_signed_round=2))
    assert core.on_deadline(NOW) == ()
    drawing = CommitteeDrawing(FULL)
    feed(
        core, [block for block in drawing.blocks.values() if block.reference.author and block.body.round < 2]
    )
    with pytest.raises(ProposalNotDue):
        propose(core, NOW)


def test_payload_over_a_limit_is_not_signed() -> None:
    core = make_core(own_index=0)
    attestations = [
        Attestation(CheckpointIndex(number), Digest(bytes(32)), Signature(bytes(64)))
        for number in range(MINIMAL.attestations_per_block + 1)
    ]
    with pytest.raises(InvalidPayload):
        core.propose(NOW, (), attestations, make_keys(4)[0])


def test_stored_commits_that_do_not_follow_each_other_are_refused() -> None:
    core = make_core()
    events = feed(core, list(CommitteeDrawing(FULL).blocks.values()))
    commits = [event.record for event in events if isinstance(event, SubDagCommitted)]
    assert len(commits) > 3
    with pytest.raises(BrokenCommitChain):
        make_core(recovered=RecoveredState((), (commits[0], commits[2]), 0))
    forged = replace(commits[1], previous=Digest(bytes(32)))
    with pytest.raises(BrokenCommitChain):
        make_core(recovered=RecoveredState((), (commits[0], forged), 0))
