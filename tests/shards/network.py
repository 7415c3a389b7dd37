"""Several committee cores in one process, with seeded delays, crashes, late joiners and restarts; no I/O."""

import heapq
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from shards.blocks import Block, check_block, compute_genesis_references, sign_block
from shards.commits import CommitRecord
from shards.core import CommitteeCore
from shards.events import (
    BlockAccepted,
    BlockDropped,
    CommitteeEvent,
    EquivocationSeen,
    Pace,
    ProposalDue,
    RecoveredState,
    SubDagCommitted,
)
from shards.guard import LastSigned, advance, make_last_signed
from tangle.core.hashing import SEED, compute_record_hash
from tangle.core.parameters import MINIMAL, Parameters
from tangle.core.types import Milliseconds, TransactionId
from tests.drawing.blocks import CHAIN, SHARD, make_committee, make_keys
from tests.shards.random_dags import Dice

PACE = Pace(Milliseconds(50), Milliseconds(250), Milliseconds(50))
"""No idle delay, so that every test counts rounds in the same way."""

FETCH_MS = 30
"""How often a node asks a peer for what it misses."""


class Node:
    """One validator with its disk: what survives a restart."""

    def __init__(self, network: "Network", index: int) -> None:
        self.network = network
        self.index = index
        self.key = make_keys(network.count)[index]
        self.disk_blocks: dict[bytes, Block] = {}
        self.disk_commits: list[CommitRecord] = []
        self.guard: LastSigned = make_last_signed(CHAIN, network.committee.epoch, SHARD)
        self.executed: list[tuple[Block, ...]] = []
        self.evidence: list[EquivocationSeen] = []
        self.dropped: list[BlockDropped] = []
        self.attached: set[TransactionId] = set()
        self.tips: list[TransactionId] = []
        self.is_up = False
        self.core = self._make_core(None)

    def _make_core(self, recovered: RecoveredState | None) -> CommitteeCore:
        return CommitteeCore(
            self.network.committee,
            self.network.parameters,
            CHAIN,
            SHARD,
            self.index if self.index not in self.network.observers else None,
            self.network.pace,
            self.attached.__contains__ if self.network.checks_tips else lambda _: True,
            recovered,
        )

    def recover(self) -> None:
        """Start again from the disk alone."""
        horizon = 0
        if self.disk_commits:
            horizon = max(0, self.disk_commits[-1].leader.round - self.network.parameters.commit_depth)
        blocks = tuple(block for block in self.disk_blocks.values() if block.reference.round > horizon)
        commits = tuple(record for record in self.disk_commits if record.leader.round > horizon)
        self.core = self._make_core(RecoveredState(blocks, commits, self.guard.round))

    def handle(self, events: tuple[CommitteeEvent, ...], now_ms: int) -> None:
        for event in events:
            match event:
                case BlockAccepted(block):
                    self.disk_blocks[block.reference.digest] = block
                case SubDagCommitted(record, blocks):
                    expected = self.disk_commits[-1].index + 1 if self.disk_commits else 1
                    assert record.index == expected, "a commit was left out or came twice"
                    self.disk_commits.append(record)
                    self.executed.append(blocks)
                    if self.network.anchors_tips:
                        self.anchor_tip(record.index, now_ms)
                case ProposalDue():
                    self.propose(now_ms)
                case EquivocationSeen():
                    self.evidence.append(event)
                case BlockDropped():
                    self.dropped.append(event)
                case _:
                    pass  # suspended: the fetch that runs every FETCH_MS looks at get_missing

    def anchor_tip(self, commit: int, now_ms: int) -> None:
        """What the ledger does for the core: a transaction is attached only where its anchor is executed."""
        tip = TransactionId(compute_record_hash(SEED, commit))
        self.tips.append(tip)
        self.attached.add(tip)
        self.network.at(now_ms, lambda: self.handle(self.core.process_attached([tip], now_ms), now_ms))

    def propose(self, now_ms: int) -> None:
        limit = self.network.parameters.tips_per_block
        tips, self.tips = self.tips[:limit], self.tips[limit:]
        block, events = self.core.propose(now_ms, tips, (), self.key)
        reference = block.reference
        self.guard = advance(self.guard, block.body.epoch, reference.round, reference.digest, block.encoded)
        self.disk_blocks[block.reference.digest] = block
        self.network.broadcast(self.index, block, now_ms)
        self.handle(events, now_ms)


class Network:
    """Cores, a clock and a heap of things to happen."""

    def __init__(
        self,
        seed: int,
        count: int = 4,
        *,
        pace: Pace = PACE,
        parameters: Parameters = MINIMAL,
        observers: frozenset[int] = frozenset(),
        checks_tips: bool = False,
        anchors_tips: bool = False,
        max_delay_ms: int = 80,
    ) -> None:
        self.dice = Dice(seed)
        self.count = count
        self.committee = make_committee(count)
        self.pace = pace
        self.parameters = parameters
        self.observers = observers
        self.checks_tips = checks_tips
        self.anchors_tips = anchors_tips
        self.max_delay_ms = max_delay_ms
        self.now_ms = 1_000_000
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.nodes = [Node(self, index) for index in range(count)]

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (time_ms, self._order, action))

    def start(self, *indices: int) -> None:
        for index in indices or range(self.count):
            self.nodes[index].is_up = True
            self.at(self.now_ms, partial(self.wake, index))
            self.at(self.now_ms + FETCH_MS, partial(self.fetch, index))
            for other in self.nodes:
                if other.is_up and other.index != index:  # what peers do when they connect
                    self.greet(other, index)
                    self.greet(self.nodes[index], other.index)

    def crash(self, index: int) -> None:
        self.nodes[index].is_up = False

    def restart(self, index: int) -> None:
        self.nodes[index].recover()
        self.start(index)

    def run(self, duration_ms: int) -> None:
        end_ms = self.now_ms + duration_ms
        while self._heap and self._heap[0][0] <= end_ms:
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
        self.now_ms = end_ms

    def wake(self, index: int) -> None:
        node = self.nodes[index]
        if node.is_up:
            node.handle(node.core.on_deadline(self.now_ms), self.now_ms)
            self.plan(index)

    def plan(self, index: int) -> None:
        deadline_ms = self.nodes[index].core.get_deadline_ms()
        if deadline_ms is not None:
            self.at(max(self.now_ms, deadline_ms), lambda: self.wake_if_due(index))

    def wake_if_due(self, index: int) -> None:
        deadline_ms = self.nodes[index].core.get_deadline_ms()
        if deadline_ms is not None and deadline_ms <= self.now_ms:
            self.wake(index)

    def broadcast(self, sender: int, block: Block, now_ms: int) -> None:
        for index in range(self.count):
            if index != sender:
                self.send(index, block, now_ms + 1 + self.dice.below(self.max_delay_ms))

    def greet(self, sender: Node, index: int) -> None:
        for block in sender.core.get_latest_blocks():
            self.send(index, block, self.now_ms + 1 + self.dice.below(self.max_delay_ms))

    def send(self, index: int, block: Block, time_ms: int) -> None:
        self.at(time_ms, lambda: self.deliver(index, block))

    def deliver(self, index: int, block: Block) -> None:
        node = self.nodes[index]
        if node.is_up:
            check_block(block, self.committee, CHAIN, SHARD, self.parameters)
            node.handle(node.core.process_block(block, self.now_ms), self.now_ms)
            self.plan(index)

    def fetch(self, index: int) -> None:
        node = self.nodes[index]
        if not node.is_up:
            return
        missing = node.core.get_missing()
        others = [other for other in self.nodes if other.is_up and other.index != index]
        for reference in missing.blocks:
            for other in others:
                block = other.disk_blocks.get(reference.digest)
                if block is not None:
                    self.send(index, block, self.now_ms + 1 + self.dice.below(self.max_delay_ms))
                    break
        self.at(self.now_ms + FETCH_MS, lambda: self.fetch(index))

    def forge_twin(self, index: int, block: Block) -> Block:
        """A second block of ``index`` for the slot of ``block``."""
        body = replace(block.body, timestamp_ms=Milliseconds(block.body.timestamp_ms + 1))
        return sign_block(body, self.nodes[index].key)

    def get_first_block(self, index: int) -> Block:
        """A signed block of round 1."""
        body = replace(
            next(iter(self.nodes[index].disk_blocks.values())).body,
            author=index,
            round=1,
            ancestors=(
                compute_genesis_references(self.committee, CHAIN, SHARD)[index],
                *(r for r in compute_genesis_references(self.committee, CHAIN, SHARD) if r.author != index),
            ),
        )
        return sign_block(body, self.nodes[index].key)

    def check_agreement(self, *indices: int) -> int:
        """All commit sequences are prefixes of the longest. Returns the length of the shortest."""
        histories = [self.nodes[index].disk_commits for index in indices or range(self.count)]
        longest = max(histories, key=len)
        for history in histories:
            assert history == longest[: len(history)]
        return min(map(len, histories))
