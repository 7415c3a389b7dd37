"""Brings what other shards send: a ``BundleSource`` that asks neighbours first, then peers.

For every other shard one task keeps some bundles ahead of what is credited, so that own blocks can name them.
What blocks of others name is fetched when it is missed: from the neighbour's history, or from the peer that
sent the block, which has what its block names. Everything is verified before it counts as present.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from shards.blocks import Block, BundleReference, compute_bundle_id
from shards.bundles import Bundle, decode_bundle, encode_bundle, verify_bundle
from shards.committee import Committee
from shards.epochs import LEADING_SHARD
from shards.errors import InvalidBundle
from tangle.core.errors import TangleError
from tangle.core.types import BundleId, Shard
from tangle.ledger.machine import CheckpointOutcome
from tangle.net.bundle_messages import BundleItem, GetBundle
from tangle.net.errors import RequestRefused, RequestTimeout, SessionClosed
from tangle.net.messages import Refused, prepare_message
from tangle.node.crossing.neighbours import FindNeighbour, Neighbour
from tangle.node.crossing.shelf import Shelf
from tangle.node.node import Node
from tangle.node.peer import Peer

AHEAD_MAX: Final = 8
"""Bundles of one shard that are fetched ahead of what is credited: some seconds of checkpoints."""

WAIT_S: Final = 2.0
"""How long a neighbour is asked to wait; then it is asked again for what is needed by then."""

PAUSE_S: Final = 0.5
"""Pause before somebody who had nothing is asked again."""

WINDOW_PARTS: Final = 4
"""An acknowledgement without receipts is named when more than one part in this many of the window is open."""

FETCHES_MAX: Final = 64
"""Missing bundles that are fetched at a time; the driver tells again of the others."""

PEERS_ASKED_MAX: Final = 4
"""Peers that one fetch asks, one after the other."""

PEER_TIMEOUT_S: Final = 5.0
"""Longest time for a peer's answer: half a megabyte over a slow line."""

ANSWERS_MAX: Final = 32
"""Answers to peers that are in the making at a time."""

PEER_ANSWERS_MAX: Final = 4
"""Those of them for one peer."""

HONEST: Final = (RequestRefused, RequestTimeout, SessionClosed)
"""Why a peer may have nothing without having lied."""

log = structlog.get_logger("courier")


class BundleUnknown(TangleError):
    """A peer asked for a bundle that is not here and cannot be made here."""

    code = "bundle-unknown"

    def __init__(self, reference: BundleReference) -> None:
        self.reference = reference
        super().__init__(f"no bundle of checkpoint {reference.index} of shard {reference.source}")


class EpochAhead(TangleError):
    """A bundle was signed by a committee that this shard has not come to yet. It waits."""

    code = "epoch-ahead"

    def __init__(self, found: int, known: int) -> None:
        self.found = found
        self.known = known
        super().__init__(f"signed in epoch {found}, the committee here is of epoch {known}")


class Courier:
    """Brings bundles to one shard's node."""

    def __init__(self, target: Shard, shards: int, find_neighbour: FindNeighbour) -> None:
        """:param shards: how many the network has."""
        self._target = target
        self._sources = [Shard(shard) for shard in range(shards) if shard != target]
        self._find_neighbour = find_neighbour
        self._shelf = Shelf(target)
        self._node: Node | None = None
        self._tasks: TaskGroup | None = None
        self._changed = anyio.Event()
        self._fetching: set[BundleReference] = set()
        self._answering: Counter[Peer] = Counter()
        self.named_total = 0
        """Bundles that own blocks have named."""

    def open(self, node: Node) -> None:
        """The node that it works for; from now on it knows how far that is."""
        self._node = node
        state = node.executor.machine.state
        self._shelf.on_progress(state.received, state.acknowledged, state.committee_epoch)
        node.peering.bundles = self

    async def run(self) -> None:
        """Bring bundles until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            for source in self._sources:
                neighbour = self._find_neighbour(source)
                if neighbour is not None:
                    tasks.start_soon(self._follow, source, neighbour)
                    if source == LEADING_SHARD:
                        tasks.start_soon(self._follow_epochs, neighbour)
            await anyio.sleep_forever()

    # ── what the committee and the executor ask ─────────────────────────────────────────────────────────────

    def is_present(self, identity: BundleId) -> bool:
        """Whether a bundle of this id was verified here."""
        if self._shelf.is_known(identity):
            return True
        return self._node is not None and self._node.archive.receipts.get_bundle(identity) is not None

    def on_missing(self, bundles: Sequence[BundleReference], sender: Peer | None) -> None:
        """Suspended blocks need these."""
        for reference in bundles:
            if self._tasks is None or len(self._fetching) >= FETCHES_MAX:
                return
            if reference not in self._fetching:
                self._fetching.add(reference)
                self._tasks.start_soon(self._fetch, reference, sender)

    def take(self, limit: int) -> tuple[BundleReference, ...]:
        """What to name in the next own block."""
        names = self._shelf.take(limit, anyio.current_time())
        self.named_total += len(names)
        return names

    def on_block(self, block: Block) -> None:
        """An accepted block: what it names need not be named again at once."""
        if block.body.bundles:
            self._shelf.on_named(block.body.bundles, anyio.current_time())

    async def get(self, references: Sequence[BundleReference]) -> tuple[Bundle, ...]:
        """Bundles that a commit ordered; waits for those that are not here any more."""
        while True:
            found = [self._find_here(reference) for reference in references]
            present = tuple(bundle for bundle in found if bundle is not None)
            if len(present) == len(references):
                return present
            changed = self._changed
            missing = [each for each, bundle in zip(references, found, strict=True) if bundle is None]
            self.on_missing(missing, None)
            with anyio.move_on_after(PAUSE_S):
                await changed.wait()

    def on_executed(self, outcome: CheckpointOutcome) -> None:
        """A checkpoint is on disk."""
        state = outcome.state
        self._shelf.on_progress(state.received, state.acknowledged, state.committee_epoch)
        self._wake()

    # ── ahead of what is credited ───────────────────────────────────────────────────────────────────────────

    async def _follow(self, source: Shard, neighbour: Neighbour) -> None:
        while True:
            if not self._is_naming or self._shelf.count_ahead(source) >= AHEAD_MAX:
                await self._wait_changed()
                continue
            begun_s = anyio.current_time()
            following, wanted = self._shelf.find_next(source), self._find_wanted(source)
            content = await neighbour.wait_next(self._target, following, wanted, WAIT_S)
            if content is None or not self._keep(content, None):
                await self._pause(begun_s)

    async def _follow_epochs(self, neighbour: Neighbour) -> None:
        """The leading shard's epochs end those here, one after the other."""
        while True:
            if not self._is_naming or self._shelf.has_epoch_end:
                await self._wait_changed()
                continue
            begun_s = anyio.current_time()
            content = await neighbour.wait_epoch_end(self._target, self._shelf.committee_epoch, WAIT_S)
            if content is None or not self._keep(content, None):
                await self._pause(begun_s)

    @property
    def _is_naming(self) -> bool:
        """Whether own blocks name anything; validators come and go with epochs."""
        return self._get_node().validator_key is not None

    async def _wait_changed(self) -> None:
        changed = self._changed
        with anyio.move_on_after(WAIT_S):
            await changed.wait()

    async def _pause(self, begun_s: float) -> None:
        """A neighbour that is away answers at once."""
        await anyio.sleep(max(0.0, PAUSE_S - (anyio.current_time() - begun_s)))

    def _find_wanted(self, source: Shard) -> int | None:
        """How much is acknowledged, where an acknowledgement of more is worth a bundle of its own."""
        node = self._get_node()
        told = self._shelf.find_told(source)
        still_open = node.executor.machine.state.sent[source] - told
        return told if still_open * WINDOW_PARTS > node.genesis.parameters.receipts_window else None

    # ── what is missed ──────────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, reference: BundleReference, sender: Peer | None) -> None:
        try:
            content = await self._find_at_neighbour(reference)
            if content is not None and self._keep(content, reference):
                return
            for peer in self._list_peers(sender):
                if await self._ask(peer, reference):
                    return
            await anyio.sleep(PAUSE_S)
        finally:
            self._fetching.discard(reference)

    async def _find_at_neighbour(self, reference: BundleReference) -> bytes | None:
        neighbour = self._find_neighbour(reference.source)
        return None if neighbour is None else await neighbour.find(self._target, reference)

    def _list_peers(self, sender: Peer | None) -> list[Peer]:
        peers = self._get_node().peering.get_peers()
        first = [sender] if sender is not None and sender in peers else []
        return [*first, *(peer for peer in peers if peer is not sender)][:PEERS_ASKED_MAX]

    async def _ask(self, peer: Peer, reference: BundleReference) -> bool:
        try:
            answer = await peer.request(GetBundle(0, self._target, reference), timeout_s=PEER_TIMEOUT_S)
        except HONEST:
            return False
        assert isinstance(answer, BundleItem), "the session lets nothing else through"
        try:
            self._put(answer.content, reference)
        except EpochAhead:
            return False
        except TangleError as error:
            self._get_node().peering.blame(peer, error)
            return False
        return True

    def _keep(self, content: bytes, reference: BundleReference | None) -> bool:
        """Keep what a neighbour gave; whether it was what it should be."""
        try:
            self._put(content, reference)
        except EpochAhead:
            return False
        except TangleError as error:
            log.warning("bundle-refused", code=error.code, reason=str(error))
            return False
        return True

    def _put(self, content: bytes, asked: BundleReference | None) -> None:
        """Verify and keep a bundle.

        :raises TangleError: it does not hold, or is not the one that was asked for.
        """
        node = self._get_node()
        bundle = decode_bundle(content)
        bits = node.genesis.parameters.shard_bits
        committee = self._find_committee(bundle.checkpoint.committee_epoch)
        reference = verify_bundle(bundle, committee, node.chain, self._target, bits)
        if asked is not None and reference != asked:
            raise InvalidBundle(asked.source, asked.index, "another one was asked for")
        identity = self._shelf.put(reference, bundle)
        node.driver.on_attached((identity,))
        node.driver.on_payload()
        self._wake()

    def _find_here(self, reference: BundleReference) -> Bundle | None:
        """A bundle that is in memory, or was ordered once and is in history."""
        bundle = self._shelf.get(reference)
        if bundle is not None:
            return bundle
        identity = compute_bundle_id(reference, self._target)
        return self._get_node().archive.receipts.get_bundle(identity)

    def _find_committee(self, epoch: int) -> Committee:
        """The validators of an epoch, who are the same in every shard.

        :raises EpochAhead: this shard has not come so far; it will be asked again.
        """
        node = self._get_node()
        if node.committee.epoch == epoch:
            return node.committee
        committee = node.archive.committees.get_committee(epoch)
        if committee is None:
            raise EpochAhead(epoch, node.committee.epoch)
        return committee

    # ── what peers ask ──────────────────────────────────────────────────────────────────────────────────────

    def on_request(self, request: GetBundle, peer: Peer) -> None:
        """Answer a peer in a task, or refuse at once when there are too many."""
        is_busy = self._answering[peer] >= PEER_ANSWERS_MAX or self._answering.total() >= ANSWERS_MAX
        if self._tasks is None or is_busy:
            peer.send(prepare_message(Refused(request.request, b"overloaded")))
            return
        self._answering[peer] += 1
        self._tasks.start_soon(self._answer, request, peer)

    async def _answer(self, request: GetBundle, peer: Peer) -> None:
        try:
            content = await self._find_content(request)
            answer: BundleItem | Refused = Refused(request.request, BundleUnknown.code.encode())
            if content is not None:
                answer = BundleItem(request.request, content)
            with suppress(SessionClosed):
                await peer.session.send(answer)
        finally:
            self._answering[peer] -= 1
            if not self._answering[peer]:
                del self._answering[peer]

    async def _find_content(self, request: GetBundle) -> bytes | None:
        if request.target != self._target or request.reference.source not in self._sources:
            return None
        bundle = self._find_here(request.reference)
        if bundle is not None:
            return encode_bundle(bundle)
        return await self._find_at_neighbour(request.reference)

    def _get_node(self) -> Node:
        assert self._node is not None, "it is opened with its node"
        return self._node

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
