"""The explorer's half of the node in memory: a committee of one, whose blocks are really signed."""

from typing import Final, Protocol

from msgspec.structs import replace

from shards.blocks import Block, BlockBody, compute_genesis_references, sign_block
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import compute_checkpoint_digest, sign_attestation
from shards.committee import Committee
from shards.epochs import EpochEnd, make_next_committee
from tangle.core.genesis import Genesis
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import ChainId, Milliseconds, PublicKey, Shard, TransactionId
from tangle.node.explorer import LATEST_ROUNDS, EpochView
from tangle.node.views import CheckpointView, NotFound, TransactionView

ROUNDS: Final = 40
"""Rounds of the committee of one."""


class Explored(Protocol):
    """What the double reads of the node that it belongs to."""

    chain: ChainId
    genesis: Genesis
    checkpoints: list[CheckpointView]
    ordered: list[TransactionId]

    def get_transaction(self, identity: TransactionId) -> TransactionView: ...


class ExplorerDouble:
    """Explores a node in memory."""

    def __init__(self, node: Explored, key: SigningKey, shard: Shard) -> None:
        self._node = node
        self._key = key
        self._shard = shard

    def get_blocks(
        self, shard: int, first_round: int | None, limit: int, epoch: int | None = None
    ) -> tuple[Block, ...]:
        self._check_shard(shard)
        if epoch:
            return ()
        first = ROUNDS - LATEST_ROUNDS + 1 if first_round is None else first_round
        return tuple(block for block in self._make_blocks() if block.reference.round >= first)[:limit]

    def get_slot(
        self, shard: int, round_number: int, author: int, epoch: int | None = None
    ) -> tuple[Block, ...]:
        self._check_shard(shard)
        wanted = (round_number, author)
        blocks = self._make_blocks()
        found = [block for block in blocks if (block.reference.round, block.reference.author) == wanted]
        if epoch or not found:
            raise NotFound("block", f"{round_number}/{author}")
        return tuple(found)

    def get_epochs(self, shard: int, first: int, limit: int) -> tuple[EpochView, ...]:
        """An epoch that ended, and the present one."""
        self._check_shard(shard)
        node = self._node
        committee, last = Committee(0, node.genesis.validators), node.checkpoints[0]
        checkpoint = replace(last.checkpoint, epoch=2)
        digest = compute_checkpoint_digest(checkpoint)
        signed = sign_attestation(digest, checkpoint.index, self._shard, self._key, node.chain)
        certificate = Certificate(checkpoint.index, digest, (AuthorSignature(0, signed.signature),))
        views = (
            EpochView(committee, 0, EpochEnd(checkpoint, certificate)),
            EpochView(make_next_committee(committee, checkpoint), checkpoint.index, None),
        )
        return tuple(view for view in views if view.committee.epoch >= first)[:limit]

    def get_checkpoints(self, shard: int, before: int | None, limit: int) -> tuple[CheckpointView, ...]:
        self._check_shard(shard)
        return tuple(self._node.checkpoints[:before][::-1][:limit])

    def get_contents(self, shard: int, index: int, first: int, limit: int) -> tuple[TransactionView, ...]:
        self._check_shard(shard)
        if index >= len(self._node.checkpoints):
            raise NotFound("checkpoint", str(index))
        checkpoint = self._node.checkpoints[index].checkpoint
        begin = checkpoint.ordered_total - checkpoint.ordered_count
        held = self._node.ordered[begin : checkpoint.ordered_total]
        return tuple(map(self._node.get_transaction, held[first:][:limit]))

    def _make_blocks(self) -> list[Block]:
        node = self._node
        committee = Committee(0, node.genesis.validators)
        ancestors = compute_genesis_references(committee, node.chain, self._shard)
        attested = node.checkpoints[0]
        said = sign_attestation(
            attested.digest, attested.checkpoint.index, self._shard, self._key, node.chain
        )
        blocks = []
        for number in range(1, ROUNDS + 1):
            time_ms = Milliseconds(node.genesis.timestamp_ms + number)
            tips = tuple(node.ordered[number - 1 : number])
            attestations = (said,) if number == 1 else ()
            body = BlockBody(
                1, node.chain, 0, self._shard, number, 0, time_ms, ancestors, tips, attestations, (), ()
            )
            blocks.append(sign_block(body, self._key))
            ancestors = (blocks[-1].reference,)
        return blocks

    def _check_shard(self, shard: int) -> None:
        if shard != self._shard:
            raise NotFound("shard", str(shard))


def get_accounts(view: TransactionView) -> tuple[PublicKey, ...]:
    """Whom a transaction concerns."""
    body = view.transaction.body
    operation = body.operation
    return (body.issuer, operation.recipient) if isinstance(operation, Transfer) else (body.issuer,)
