"""From the state after a commit to the checkpoint that says it."""

from collections.abc import Sequence

from shards.blocks import BlockReference
from shards.checkpoints import CHECKPOINT_VERSION, Checkpoint, ModelState
from tangle.core.genesis import Validator
from tangle.core.merkle import compute_merkle_root
from tangle.core.types import ChainId, Digest, Shard
from tangle.ledger.effects import Effect
from tangle.ledger.state import LedgerState, compute_state_digest


def build_checkpoint(
    *,
    chain: ChainId,
    shard: Shard,
    committee_epoch: int,
    previous: Digest,
    leader: BlockReference,
    state: LedgerState,
    effects: Sequence[Effect],
    effects_encoded: Sequence[bytes],
    receipts_root: Digest,
    accounts_root: Digest,
    models: tuple[ModelState, ...],
    next_committee: tuple[Validator, ...],
) -> Checkpoint:
    """The checkpoint that ends in ``state``.

    :param effects_encoded: canonical bytes of ``effects``.
    """
    return Checkpoint(
        version=CHECKPOINT_VERSION,
        chain=chain,
        shard=shard,
        epoch=state.epoch,
        committee_epoch=committee_epoch,
        index=state.checkpoint_index,
        previous=previous,
        leader=leader,
        timestamp_ms=state.timestamp_ms,
        ordered_total=state.ordered_total,
        ordered_count=len(effects),
        ordered_root=compute_merkle_root([effect.transaction for effect in effects]),
        effects_root=compute_merkle_root(effects_encoded),
        receipts_root=receipts_root,
        received=state.received,
        state_digest=compute_state_digest(state),
        accounts_root=accounts_root,
        price=state.price,
        difficulty=state.difficulty,
        supply=state.supply,
        models=models,
        next_committee=next_committee,
    )
