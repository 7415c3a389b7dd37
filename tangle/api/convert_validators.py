"""From the node's views of stakes and evidence to the API's answers."""

from typing import Final

from shards.evidence import encode_twin_proof
from tangle.api.accounts import AccountCodec
from tangle.api.convert_transactions import make_quantity
from tangle.api.schemas.validators import (
    CandidateAnswer,
    ElectionAnswer,
    EvidenceAnswer,
    StakeNewsAnswer,
)
from tangle.api.wire import HexBytes, HexDigest, Quantity
from tangle.core.amounts import format_amount
from tangle.ledger.staking.events import Elected, Rewarded, SlashCause, Slashed
from tangle.node.validator_views import CandidateView, ElectionView, EvidenceView, StakeNews

CAUSES: Final = {
    SlashCause.TWIN: "it signed two blocks for one round",
    SlashCause.REFUTED: "a dispute refuted its result as a worker",
}
"""Why a stake is burned, in words."""

SHOWN: Final = 16
"""Digits of a key in a sentence."""


def make_election_answer(view: ElectionView, accounts: AccountCodec) -> ElectionAnswer:
    """The answer's form of all candidates."""
    return ElectionAnswer(
        checkpoint=Quantity(view.checkpoint),
        timestamp_ms=Quantity(view.timestamp_ms),
        epoch=Quantity(view.epoch),
        committee_epoch=Quantity(view.committee_epoch),
        ends_ms=Quantity(view.ends_ms),
        total_weight=view.total_weight,
        next_total_weight=view.next_total_weight,
        stake_min=Quantity(view.stake_min),
        unbonding_epochs=view.unbonding_epochs,
        pool=Quantity(view.pool),
        candidates=tuple(make_candidate_answer(each, view, accounts) for each in view.candidates),
    )


def make_candidate_answer(
    view: CandidateView, election: ElectionView, accounts: AccountCodec
) -> CandidateAnswer:
    """The answer's form of a candidate."""
    return CandidateAnswer(
        public_key=HexDigest(view.validator),
        owner=accounts.encode(view.owner),
        stake=Quantity(view.stake),
        leaving=Quantity(view.leaving),
        weight=view.weight,
        share=view.weight / max(1, election.total_weight),
        next_weight=view.next_weight,
        next_share=view.next_weight / max(1, election.next_total_weight),
        work=Quantity(view.work),
        fresh=Quantity(view.fresh),
        blocks=Quantity(view.blocks),
        since=Quantity(view.since),
        retired=make_quantity(view.retired),
        jailed_until=make_quantity(view.jailed_until),
        is_self=view.is_self,
    )


def make_news_answer(view: StakeNews, accounts: AccountCodec) -> StakeNewsAnswer:
    """The answer's form of something that happened."""
    checkpoint, timestamp_ms, event = Quantity(view.checkpoint), Quantity(view.timestamp_ms), view.event
    match event:
        case Slashed():
            lost = f"{event.validator.hex()[:SHOWN]} lost {format_amount(event.burned)} of its stake"
            return StakeNewsAnswer(
                checkpoint,
                timestamp_ms,
                "slashed",
                f"{lost}: {CAUSES[event.cause]}",
                HexDigest(event.validator),
                accounts.encode(event.owner),
                Quantity(event.burned),
                None,
            )
        case Rewarded():
            paid = f"{event.validator.hex()[:SHOWN]} was paid {format_amount(event.amount)}"
            return StakeNewsAnswer(
                checkpoint,
                timestamp_ms,
                "rewarded",
                f"{paid} for an epoch with {event.blocks} blocks of it committed",
                HexDigest(event.validator),
                accounts.encode(event.owner),
                Quantity(event.amount),
                None,
            )
        case Elected():
            weights = {member.public_key.hex(): member.weight for member in event.members}
            who = f"{len(weights)} validators were elected" if weights else "the same validators go on"
            text = f"epoch {event.epoch} begins: {who}"
            return StakeNewsAnswer(checkpoint, timestamp_ms, "elected", text, None, None, None, weights)


def make_evidence_answer(view: EvidenceView) -> EvidenceAnswer:
    """The answer's form of evidence."""
    first, second = view.digests
    return EvidenceAnswer(
        shard=view.shard,
        epoch=Quantity(view.epoch),
        round=Quantity(view.round),
        author=view.author,
        public_key=None if view.public_key is None else HexDigest(view.public_key),
        digests=(HexDigest(first), HexDigest(second)),
        proof=HexBytes(encode_twin_proof(view.first, view.second)),
    )
