"""Adversaries: real nodes of which one part is bent on purpose.

Each plays one strategy for the whole simulation. Checkers do not judge what it holds or signs; they judge
what the honest nodes make of it.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

import anyio
from msgspec import Struct
from msgspec.structs import replace

from shards.blocks import Attestation, Block, sign_block
from shards.checkpoints import sign_attestation
from simnet.chance import Chance
from simnet.timeline import Timeline
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    TransactionBody,
    Transfer,
    sign_transaction,
)
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds
from tangle.core.types import Sequence as SequenceNumber
from tangle.net.messages import Blocks, Transactions, prepare_message
from tangle.node.node import SHARD, Node
from tangle.node.peer import Peer
from tangle.node.service import Service

LATE_S: Final = 1.5
"""How late a late node sends its blocks: beyond the leader timeout and the idle pause."""

FORGE_INTERVAL_S: Final = 0.4
"""How often forged work is sent to everybody."""


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

    WRONG_ATTESTATIONS = "wrong-attestations"
    """It attests checkpoints that nobody executed."""

    FORGED_WORK = "forged-work"
    """It spreads transactions whose results are made up."""


class Adversary(Struct, frozen=True, forbid_unknown_fields=True):
    """One node and what it does."""

    node: int
    strategy: Strategy


class Bender:
    """Plays a strategy in one node."""

    def __init__(
        self, strategy: Strategy, key: SigningKey, wallet: SigningKey, timeline: Timeline, chance: Chance
    ) -> None:
        """:param key: the validator's.
        :param wallet: an account with grains, for forged transactions.
        """
        self.actions = 0
        """How often it did what an honest node does not."""

        self.strategy = strategy
        self._key = key
        self._wallet = wallet
        self._timeline = timeline
        self._chance = chance

    def bend(self, node: Node) -> None:
        """Change a node that does not run yet."""
        driver = node.driver
        hooks = driver._hooks
        broadcasts: dict[Strategy, Callable[[Node, Block], None]] = {
            Strategy.WITHHOLDING: self._withhold,
            Strategy.LATE: self._send_late,
            Strategy.EQUIVOCATING_TWO: self._send_two,
            Strategy.EQUIVOCATING_ALL: self._send_many,
        }
        broadcast = broadcasts.get(self.strategy)
        if broadcast is not None:
            driver._hooks = replace(hooks, broadcast=lambda block: broadcast(node, block))
        if self.strategy is Strategy.SILENT:
            driver.allow_proposing = self._stay_silent  # type: ignore[method-assign]  # what bending is
        if self.strategy is Strategy.WRONG_ATTESTATIONS:
            take = hooks.take_attestations
            driver._hooks = replace(hooks, take_attestations=lambda limit: self._attest(node, take(limit)))

    async def run(self, node: Node, service: Service) -> None:
        """Do what needs a task of its own."""
        while self.strategy is Strategy.FORGED_WORK:
            await anyio.sleep(FORGE_INTERVAL_S)
            forged = await self._forge(service)
            self._tell(node.peering.get_peers(), Transactions((forged,)))

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

    def _make_twin(self, node: Node, block: Block, number: int) -> Block:
        if block.reference.author != node.driver.own_index:
            return block  # somebody else's, sent again
        timestamp_ms = Milliseconds(block.body.timestamp_ms + number)
        return sign_block(replace(block.body, timestamp_ms=timestamp_ms), self._key)

    def _attest(self, node: Node, honest: Sequence[Attestation]) -> tuple[Attestation, ...]:
        self.actions += len(honest)
        return tuple(
            sign_attestation(
                Digest(self._chance.randbytes(32)), CheckpointIndex(each.index), SHARD, self._key, node.chain
            )
            for each in honest
        )

    async def _forge(self, service: Service) -> bytes:
        prepared = await service.prepare(self._wallet.public_key, with_work=True)
        assert prepared.work is not None, "it was asked for"
        results = tuple(result + 1 for result in prepared.work.results)
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=prepared.chain,
            shard=SHARD,
            issuer=self._wallet.public_key,
            sequence=SequenceNumber(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=Transfer(self._wallet.public_key, Grains(1)),
            work=replace(prepared.work, results=results),
            max_fee=Grains(prepared.suggested_max_fee),
        )
        return sign_transaction(body, self._wallet).encoded
