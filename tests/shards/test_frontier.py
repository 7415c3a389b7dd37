"""A block takes in everything that its author has accepted: what that saves, and what it costs."""

import pytest
from msgspec.structs import replace

from shards.blocks import Block, BlockReference, compute_ancestors_max, sign_block
from shards.core import CommitteeCore
from shards.frontier import OPEN_TWINS_PER_AUTHOR_MAX
from tangle.core.types import Milliseconds, TransactionId
from tests.shards.network import Network

LIAR = 3
CONFIDANT = 0


class Whispers(Network):
    """Validator 3 signs two blocks for each slot. All see the one that votes for as little as it may; only
    validator 0 sees the other one.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed, checks_tips=True, anchors_tips=True)
        self.shown: BlockReference | None = None

    def broadcast(self, sender: int, block: Block, now_ms: int) -> None:
        if sender != LIAR:
            super().broadcast(sender, block, now_ms)
            return
        shown = self.make_shown(block)
        self.shown = shown.reference
        super().broadcast(sender, shown, now_ms)
        if shown is not block:
            self.send(CONFIDANT, block, now_ms + self.max_delay_ms + 1)

    def make_shown(self, block: Block) -> Block:
        """The block without a vote for the leader before it, on the chain of those that were shown."""
        body = block.body
        leaders = self.nodes[LIAR].core.get_leaders(body.round - 1)
        first = body.ancestors[0] if self.shown is None else self.shown
        others = [a for a in body.ancestors if a.author != LIAR]
        kept = [a for a in others if (a.round, a.author) not in {(body.round - 1, each) for each in leaders}]
        authors = {a.author for a in (first, *kept) if a.round == body.round - 1}
        ancestors = (first, *(kept if len(authors) >= self.committee.quorum else others))
        if ancestors == body.ancestors:
            return block
        stamp = Milliseconds(body.timestamp_ms + 1)
        return sign_block(
            replace(body, ancestors=ancestors, tips=(), timestamp_ms=stamp), self.nodes[LIAR].key
        )


def compute_past(core: CommitteeCore, block: Block) -> set[BlockReference]:
    by_reference = {
        each.reference: each for number in range(1, core.highest_round + 1) for each in core.get_round(number)
    }
    past: set[BlockReference] = set()
    pending = [block]
    while pending:
        for reference in pending.pop().body.ancestors:
            if reference not in past and reference in by_reference:
                past.add(reference)
                pending.append(by_reference[reference])
    return past


@pytest.mark.parametrize("seed", range(20))
def test_whoever_is_shown_more_than_others_does_not_run_away_from_them(seed: int) -> None:
    """Found by review: a transaction whose anchor was executed because of a hidden twin held up the others
    for ever: they could not execute the anchor without a next block, nor have one without the transaction.
    """
    network = Whispers(seed)
    network.start()
    network.run(1_000 + 37 * seed)
    network.crash(LIAR)
    before = len(network.nodes[1].disk_commits)
    network.run(5_000)
    assert network.check_agreement(0, 1, 2) > before + 10


@pytest.mark.parametrize("seed", range(5))
def test_an_own_block_has_everything_accepted_below_it_in_its_past(seed: int) -> None:
    network = Whispers(seed)
    network.start()
    node = network.nodes[CONFIDANT]
    checked = 0
    for _ in range(100):
        network.run(20)
        own = [block for block in node.disk_blocks.values() if block.reference.author == CONFIDANT]
        if not own:
            continue
        newest = max(own, key=lambda block: block.reference)
        known_then = set(list(node.disk_blocks)[: list(node.disk_blocks).index(newest.reference.digest)])
        due = {
            block.reference
            for block in node.disk_blocks.values()
            if block.reference.digest in known_then
            and node.core.horizon < block.reference.round < newest.reference.round
        }
        assert due <= compute_past(node.core, newest)
        checked += len(due)
    assert checked > 100
    assert any(event.second.reference.author == LIAR for event in node.evidence)


def test_no_more_twins_are_taken_unasked_than_the_next_block_can_name() -> None:
    network = Network(1)
    network.start()
    network.run(500)
    network.crash(CONFIDANT)
    node = network.nodes[CONFIDANT]
    known = [block for block in node.disk_blocks.values() if block.reference.author == LIAR]
    for block in known:
        twin = network.forge_twin(LIAR, block)
        node.handle(node.core.process_block(twin, network.now_ms), network.now_ms)
    assert len(known) > len(node.evidence) == OPEN_TWINS_PER_AUTHOR_MAX


def test_tips_wait_while_a_block_cannot_take_in_everything() -> None:
    network = Network(1)
    network.start()
    network.run(500)
    node, liar = network.nodes[CONFIDANT], network.nodes[LIAR]
    network.crash(CONFIDANT)
    limit = compute_ancestors_max(network.committee)
    loners = [block for block in liar.disk_blocks.values() if block.reference.author == LIAR]
    clock = node.core.clock_round
    while len(loners) < 2 * limit:
        body = loners[-1].body
        loners.append(sign_block(replace(body, timestamp_ms=Milliseconds(body.timestamp_ms + 1)), liar.key))
    proposer = node.core._proposer
    assert proposer is not None
    for block in loners[-limit:]:
        proposer.on_accepted(block)
    tip = TransactionId(bytes(32))
    body = proposer.make_body(network.now_ms, [tip], ())
    assert (body.round, body.tips) == (clock, ())
    assert len(body.ancestors) == limit
    assert len({a.author for a in body.ancestors if a.round == clock - 1}) >= network.committee.quorum
    proposer.on_accepted(sign_block(body, node.key))
    assert proposer.make_body(network.now_ms, [tip], ()).tips == (tip,)
