"""Commits of a snapshot, decided again from its blocks.

No quorum signs commit records. But which blocks a committee has committed above the horizon of a
checkpoint's commit follows from the leaders that it committed there, and these from the blocks: the commit
rule is applied to them again, and what it says is compared. Blocks are signed by their authors, and the
checkpoint names its leader, so a false snapshot would need as many false validators as a fork.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from shards.blocks import Block, BlockReference, check_block, get_signature_claims
from shards.checkpoints import Checkpoint
from shards.commit_rule import Commit, Slot, Undecided, make_commit_rule
from shards.commits import CommitRecord, compute_commit_digest
from shards.committee import Committee
from shards.committer import Committer
from shards.dag import Dag
from tangle.core.errors import TangleError
from tangle.core.genesis import VALIDATORS_MAX
from tangle.core.parameters import Parameters
from tangle.core.signing import verify_signature
from tangle.core.types import ChainId, Digest
from tangle.node.snapshots.errors import SnapshotFalse


def check_blocks(
    blocks: Iterable[Block],
    committee: Committee,
    chain: ChainId,
    checkpoint: Checkpoint,
    parameters: Parameters,
) -> None:
    """Every block is one of this committee, with the signatures that it says.

    :raises SnapshotFalse: one is not.
    """
    for block in blocks:
        try:
            check_block(block, committee, chain, checkpoint.shard, parameters)
            for claim in get_signature_claims(block, committee):
                verify_signature(claim.purpose, chain, claim.body, claim.signature, claim.public_key)
        except TangleError as error:
            raise SnapshotFalse(f"block {block.reference.digest.hex()[:16]}", str(error)) from error


def check_commits(
    records: Sequence[CommitRecord],
    blocks: Sequence[Block],
    committee: Committee,
    checkpoint: Checkpoint,
    parameters: Parameters,
) -> None:
    """The records are those of the leaders that the blocks commit, up to that of ``checkpoint``.

    :param blocks: checked ones, in any order.
    :raises SnapshotFalse: they are not.
    """
    if checkpoint.epoch > checkpoint.committee_epoch:
        if records or blocks:
            raise SnapshotFalse("the commits", "the next committee has made none")
        return
    _check_chain(records, checkpoint)
    horizon = max(0, checkpoint.leader.round - parameters.commit_depth)
    dag = Dag(committee, horizon)
    for block in sorted(blocks, key=lambda block: block.reference):
        if block.reference.round > horizon and all(map(dag.is_present, block.body.ancestors)):
            dag.add(block)
    leaders = _decide(dag, committee, checkpoint, parameters)
    if [record.leader for record in records] != leaders:
        raise SnapshotFalse("the commits", "the blocks commit other leaders")
    named = {
        reference.digest for record in records for reference in record.blocks if reference.round > horizon
    }
    if named != _walk(dag, leaders):
        raise SnapshotFalse("the commits", "these leaders bring other blocks with them")


def _check_chain(records: Sequence[CommitRecord], checkpoint: Checkpoint) -> None:
    if not records or records[-1].leader != checkpoint.leader:
        raise SnapshotFalse("the commits", "the last one is not the checkpoint's")
    if records[-1].timestamp_ms != checkpoint.timestamp_ms:
        raise SnapshotFalse("the commits", "the last one has another time than the checkpoint")
    for before, after in pairwise(records):
        if after.index != before.index + 1 or after.previous != compute_commit_digest(before):
            raise SnapshotFalse(f"commit {after.index}", "it does not follow the one before")


def _decide(
    dag: Dag, committee: Committee, checkpoint: Checkpoint, parameters: Parameters
) -> list[BlockReference]:
    """Committed leaders above the horizon, up to that of the checkpoint."""

    def get_leaders(round_number: int) -> tuple[int, ...]:
        return committee.get_leaders(checkpoint.shard, round_number, parameters.leaders_per_round)

    rule = make_commit_rule(committee, parameters.leaders_per_round)
    committer = Committer(dag, committee, rule, get_leaders)
    leaders: list[BlockReference] = []
    for status in committer.compute_statuses(Slot(dag.horizon, VALIDATORS_MAX, 0)):
        if isinstance(status, Undecided):
            break
        if isinstance(status, Commit):
            leaders.append(status.block.reference)
            if status.block.reference == checkpoint.leader:
                return leaders
    raise SnapshotFalse("the blocks", "they do not commit the checkpoint's leader")


def _walk(dag: Dag, leaders: Iterable[BlockReference]) -> set[Digest]:
    seen: set[Digest] = set()
    pending = list(leaders)
    while pending:
        reference = pending.pop()
        if reference.round <= dag.horizon or reference.digest in seen:
            continue
        seen.add(reference.digest)
        block = dag.get_block(reference.digest)
        if block is not None:
            pending.extend(block.body.ancestors)
    return seen
