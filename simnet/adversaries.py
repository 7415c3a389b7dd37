"""Adversaries: real nodes of which one part is bent on purpose.

Each plays one strategy for the whole simulation. Checkers do not judge what it holds or signs; they judge
what the honest nodes make of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Final

import anyio
from msgspec import Struct
from msgspec.structs import replace

from shards.blocks import Attestation, Block, BlockReference, sign_block
from shards.checkpoints import sign_attestation
from simnet.chance import Chance
from simnet.eclipse import Eclipse
from simnet.forged_chain import ForgedChain
from simnet.timeline import Timeline
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    sign_transaction,
)
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, Shard, TransactionId
from tangle.core.types import Sequence as SequenceNumber
from tangle.net.addresses import Address
from tangle.net.ledger_messages import (
    TRANSACTIONS_MAX,
    BlockItems,
    EpochEndItem,
    OrderedItems,
    OwnLatest,
    TransactionItems,
)
from tangle.net.messages import Blocks, Hello, Response, Transactions, prepare_message
from tangle.net.network import Network
from tangle.node.epochs import Instance
from tangle.node.node import Node
from tangle.node.peer import Peer
from tangle.node.service import Service

LATE_S: Final = 1.5
"""How late a late node sends its blocks: beyond the leader timeout and the idle pause."""

WHISPER_S: Final = 0.05
"""How much later the one peer sees the other block: it takes the shown one first."""

FORGE_INTERVAL_S: Final = 0.4
"""How often bad transactions are sent to everybody."""

CHAIN_LENGTH: Final = 24
"""Transactions of a chain bomb: each costs an evaluation, and a few dozen are parked at once."""

BOAST: Final = 1_000
"""How far ahead a lying server says it is, in rounds and in checkpoints."""

BACKUP_AT_S: Final = 1.5
"""When a disk is copied that is put back later."""

RESTORE_AT_S: Final = 3.0
"""When it is put back: some rounds are signed in between."""


class Strategy(Enum):
    """What an adversary does."""

    SILENT = "silent"
    """It listens, and never proposes."""

    WITHHOLDING = "withholding"
    """It sends each block to a part of its peers only."""

    LATE = "late"
    """It sends each block long after it was made."""

    EQUIVOCATING_TWO = "equivocating-two"
    """It signs two blocks for every slot and sends each to one half."""

    EQUIVOCATING_ALL = "equivocating-all"
    """It signs another block for every peer."""

    WHISPERING = "whispering"
    """It shows everybody a block that votes for as little as it may, and one of its peers another one."""

    WRONG_ATTESTATIONS = "wrong-attestations"
    """It attests checkpoints that nobody executed."""

    WRONG_STATE_ROOT = "wrong-state-root"
    """It attests a chain of checkpoints that is consistent and has another state."""

    ECLIPSE = "eclipse"
    """It surrounds one node with names of its own, and tells it nothing."""

    FORGED_WORK = "forged-work"
    """It spreads transactions whose results are made up."""

    INVALID_TIPS = "invalid-tips"
    """Its blocks name transactions that nobody has."""

    CHAIN_BOMB = "chain-bomb"
    """It spreads long chains of transactions, the last one first and the first one late."""

    SPAM = "spam"
    """It spreads as many transactions as a message holds, most of them without their work."""

    LYING_SERVER = "lying-server"
    """It says that it is far ahead, and answers what it is asked with other things."""

    OLD_BACKUP = "old-backup"
    """Its operator puts back an old disk together with the old guard."""


class Adversary(Struct, frozen=True, forbid_unknown_fields=True):
    """One node and what it does."""

    node: int
    strategy: Strategy


class Bender:
    """Plays a strategy in one node."""

    def __init__(
        self,
        strategy: Strategy,
        key: SigningKey,
        wallet: SigningKey,
        timeline: Timeline,
        chance: Chance,
        *,
        victim: Address,
        names: Sequence[Network] = (),
    ) -> None:
        """:param key: the validator's.
        :param wallet: an account with grains, for forged transactions.
        :param victim: whom it wants to surround.
        :param names: hosts that it does that from.
        """
        self.actions = 0
        """How often it did what an honest node does not."""

        self.strategy = strategy
        self._shown: BlockReference | None = None
        self._key = key
        self._wallet = wallet
        self._timeline = timeline
        self._chance = chance
        self.victim = victim
        """Whom it wants to surround, if it does."""

        self._names = names
        self._forged = ForgedChain()

    def bend(self, node: Node) -> None:
        """Change a node that does not run yet."""
        if self.strategy is Strategy.LYING_SERVER:
            hello, answer = node.make_hello, node.responder.answer
            node.make_hello = lambda: self._boast(hello())  # type: ignore[method-assign]  # what bending is
            node.responder.answer = lambda request: self._lie(answer(request))  # type: ignore[method-assign] # bending
        self._bend_instance(node, node.epochs.current)
        node.epochs.bend = lambda instance: self._bend_instance(node, instance)

    def _bend_instance(self, node: Node, instance: Instance) -> None:
        """Its part in the committee of one epoch."""
        self._shown = None
        driver = instance.driver
        hooks = driver._hooks
        broadcasts: dict[Strategy, Callable[[Node, Block], None]] = {
            Strategy.WITHHOLDING: self._withhold,
            Strategy.LATE: self._send_late,
            Strategy.EQUIVOCATING_TWO: self._send_two,
            Strategy.EQUIVOCATING_ALL: self._send_many,
            Strategy.WHISPERING: self._whisper,
            Strategy.ECLIPSE: self._leave_out,
        }
        broadcast = broadcasts.get(self.strategy)
        if broadcast is not None:
            driver._hooks = replace(hooks, broadcast=lambda block: broadcast(node, block))
        if self.strategy is Strategy.SILENT:
            driver.allow_proposing = self._stay_silent  # type: ignore[method-assign]  # what bending is
        if self.strategy is Strategy.WRONG_ATTESTATIONS:
            take = hooks.take_attestations
            driver._hooks = replace(hooks, take_attestations=lambda limit: self._attest(node, take(limit)))
        if self.strategy is Strategy.WRONG_STATE_ROOT:
            take_true = hooks.take_attestations
            driver._hooks = replace(
                hooks, take_attestations=lambda limit: self._forge_state(node, take_true(limit))
            )
            # It believes whatever is certified, and stops for no difference.
            attestations = instance.attester.attestations
            attestations.process_own = lambda *_: None  # type: ignore[method-assign]  # what bending is
        if self.strategy is Strategy.INVALID_TIPS:
            driver._hooks = replace(hooks, select_tips=self._invent_tips)

    async def run(self, node: Node, service: Service) -> None:
        """Do what needs a task of its own."""
        if self.strategy is Strategy.ECLIPSE:
            eclipse = Eclipse(self.victim, self._names, self._chance, self._count_action)
            await eclipse.run(node)
        makers: dict[Strategy, Callable[[Service], Awaitable[list[Transaction]]]] = {
            Strategy.FORGED_WORK: self._forge,
            Strategy.CHAIN_BOMB: self._make_chain,
            Strategy.SPAM: self._make_spam,
        }
        make = makers.get(self.strategy)
        while make is not None:
            await anyio.sleep(FORGE_INTERVAL_S)
            made = await make(service)
            self._tell(node.peering.get_peers(), Transactions(tuple(each.encoded for each in made)))

    def _stay_silent(self) -> None:
        self.actions += 1

    def _tell(self, peers: Sequence[Peer], message: Blocks | Transactions) -> None:
        self.actions += 1
        prepared = prepare_message(message)
        for peer in peers:
            peer.send(prepared)

    def _withhold(self, node: Node, block: Block) -> None:
        peers = [peer for peer in node.peering.get_peers() if self._chance.random() < 0.5]
        self._tell(peers, Blocks((block.encoded,)))

    def _send_late(self, node: Node, block: Block) -> None:
        peers = node.peering.get_peers
        self._timeline.add(LATE_S, lambda: self._tell(peers(), Blocks((block.encoded,))))

    def _send_two(self, node: Node, block: Block) -> None:
        peers = node.peering.get_peers()
        half = len(peers) // 2
        self._tell(peers[:half], Blocks((block.encoded,)))
        self._tell(peers[half:], Blocks((self._make_twin(node, block, 1).encoded,)))

    def _send_many(self, node: Node, block: Block) -> None:
        for number, peer in enumerate(node.peering.get_peers()):
            self._tell([peer], Blocks((self._make_twin(node, block, number).encoded,)))

    def _whisper(self, node: Node, block: Block) -> None:
        peers = node.peering.get_peers()
        shown = self._make_shown(node, block)
        self._tell(peers, Blocks((shown.encoded,)))
        if shown is not block and peers:
            confidant = min(peers, key=lambda peer: peer.public_key)
            self._timeline.add(WHISPER_S, lambda: self._tell([confidant], Blocks((block.encoded,))))

    def _make_shown(self, node: Node, block: Block) -> Block:
        """Without tips, attestations and votes for the leaders before it, on the chain of those shown."""
        core, committee, body = node.driver.core, node.committee, block.body
        if block.reference.author != node.driver.own_index:
            return block  # somebody else's, sent again
        leaders = core.get_leaders(body.round - 1)
        first = body.ancestors[0] if self._shown is None else self._shown
        others = tuple(a for a in body.ancestors if a.author != body.author)
        kept = tuple(a for a in others if a.round < body.round - 1 or a.author not in leaders)
        authors = {a.author for a in (first, *kept) if a.round == body.round - 1}
        is_enough = committee.compute_weight(authors) >= committee.quorum
        ancestors = (first, *(kept if is_enough else others))
        shown = sign_block(replace(body, ancestors=ancestors, tips=(), attestations=()), self._key)
        self._shown = shown.reference
        return block if shown.encoded == block.encoded else shown

    def _make_twin(self, node: Node, block: Block, number: int) -> Block:
        if block.reference.author != node.driver.own_index:
            return block  # somebody else's, sent again
        timestamp_ms = Milliseconds(block.body.timestamp_ms + number)
        return sign_block(replace(block.body, timestamp_ms=timestamp_ms), self._key)

    def _attest(self, node: Node, honest: Sequence[Attestation]) -> tuple[Attestation, ...]:
        self.actions += len(honest)
        return tuple(
            sign_attestation(
                Digest(self._chance.randbytes(32)),
                CheckpointIndex(each.index),
                node.shard,
                self._key,
                node.chain,
            )
            for each in honest
        )

    def _forge_state(self, node: Node, honest: Sequence[Attestation]) -> tuple[Attestation, ...]:
        self.actions += len(honest)
        digests = [self._forged.find_digest(node.archive, each.index) for each in honest]
        return tuple(
            sign_attestation(digest, CheckpointIndex(each.index), node.shard, self._key, node.chain)
            for each, digest in zip(honest, digests, strict=True)
            if digest is not None
        )

    def _leave_out(self, node: Node, block: Block) -> None:
        """Send a block to everybody but the victim."""
        host = self.victim.host.decode()
        self._tell([peer for peer in node.peering.get_peers() if peer.host != host], Blocks((block.encoded,)))

    def _count_action(self) -> None:
        self.actions += 1

    def _invent_tips(self, limit: int, _: int) -> tuple[TransactionId, ...]:
        self.actions += 1
        return tuple(TransactionId(self._chance.randbytes(32)) for _ in range(limit))

    def _boast(self, hello: Hello) -> Hello:
        self.actions += 1
        shards = tuple(
            replace(
                status,
                round=status.round + BOAST,
                checkpoint=status.checkpoint + BOAST,
                epoch=status.epoch + self._chance.choice((0, 1, BOAST)),
            )
            for status in hello.shards
        )
        return replace(hello, shards=shards)

    def _lie(self, honest: Response) -> Response:
        """Something of the right kind that is not what was asked for."""
        self.actions += 1
        match honest:
            case TransactionItems(request, items):
                return TransactionItems(request, tuple(map(self._spoil, items)))
            case BlockItems(request, items, _):
                return BlockItems(request, tuple(map(self._spoil, reversed(items))), is_last=True)
            case OrderedItems(request, first, items):
                return OrderedItems(request, first + 1, items)
            case OwnLatest():
                return replace(honest, round=0)
            case EpochEndItem(request, checkpoint, certificate):
                return EpochEndItem(request, checkpoint, self._spoil(certificate))
            case _:
                return honest

    def _spoil(self, item: bytes) -> bytes:
        place = self._chance.randrange(len(item))
        return item[:place] + bytes([item[place] ^ 1]) + item[place + 1 :]

    async def _forge(self, service: Service) -> list[Transaction]:
        body = await self._make_body(service)
        results = tuple(result + 1 for result in body.work.results)
        return [sign_transaction(replace(body, work=replace(body.work, results=results)), self._wallet)]

    async def _make_chain(self, service: Service) -> list[Transaction]:
        """Each stands on the one before; the last comes first, and the first one at times not at all."""
        body = await self._make_body(service)
        chain = [sign_transaction(body, self._wallet)]
        while len(chain) < CHAIN_LENGTH:
            body = await self._make_body(service, SequenceNumber(body.sequence + 1))
            chain.append(sign_transaction(replace(body, parents=(chain[-1].id,)), self._wallet))
        is_rootless = self._chance.random() < 0.5
        return chain[:0:-1] if is_rootless else chain[::-1]

    async def _make_spam(self, service: Service) -> list[Transaction]:
        """One that is right, and as many with its work and other numbers as a message holds."""
        body = await self._make_body(service)
        numbers = range(body.sequence, body.sequence + TRANSACTIONS_MAX)
        return [
            sign_transaction(replace(body, sequence=SequenceNumber(each)), self._wallet) for each in numbers
        ]

    async def _make_body(self, service: Service, sequence: SequenceNumber | None = None) -> TransactionBody:
        prepared = await service.prepare(self._wallet.public_key, with_work=True, sequence=sequence)
        assert prepared.work is not None, "it was asked for"
        return TransactionBody(
            version=TRANSACTION_VERSION,
            chain=prepared.chain,
            shard=Shard(prepared.shard),
            issuer=self._wallet.public_key,
            sequence=SequenceNumber(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=Transfer(self._wallet.public_key, Grains(1)),
            work=prepared.work,
            max_fee=Grains(prepared.suggested_max_fee),
        )
