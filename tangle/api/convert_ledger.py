"""From the node's views of accounts and checkpoints to the API's answers."""

from shards.checkpoints import SupplyTotals
from tangle.api.accounts import AccountCodec
from tangle.api.convert_transactions import make_quantity
from tangle.api.schemas.ledger import (
    AccountAnswer,
    CheckpointAnswer,
    CheckpointLeaderAnswer,
    CheckpointModelAnswer,
    CheckpointValidatorAnswer,
    CreditAnswer,
    EarningAnswer,
    LeavingAnswer,
    SignatureAnswer,
    SupplyAnswer,
)
from tangle.api.wire import HexBytes, HexDigest, Quantity, SignedQuantity
from tangle.node.crossing.views import CreditView
from tangle.node.earning_views import EarningView
from tangle.node.validator_views import LeavingView
from tangle.node.views import AccountView, CheckpointView


def make_account_answer(view: AccountView, accounts: AccountCodec) -> AccountAnswer:
    """The answer's form of an account."""
    return AccountAnswer(
        address=accounts.encode(view.account),
        public_key=HexDigest(view.account),
        balance=Quantity(view.balance),
        sequence=Quantity(view.sequence),
        stake=Quantity(view.stake),
        pending=view.pending,
        checkpoint=Quantity(view.checkpoint),
        leaving=tuple(map(make_leaving_answer, view.leaving)),
    )


def make_leaving_answer(view: LeavingView) -> LeavingAnswer:
    """The answer's form of a part of a stake that leaves."""
    return LeavingAnswer(Quantity(view.amount), Quantity(view.release_epoch), Quantity(view.release_ms))


def _make_supply_answer(supply: SupplyTotals) -> SupplyAnswer:
    return SupplyAnswer(
        genesis=Quantity(supply.genesis),
        emitted=Quantity(supply.emitted),
        burned=Quantity(supply.burned),
        balances=Quantity(supply.balances),
        stakes=Quantity(supply.stakes),
        escrow=Quantity(supply.escrow),
        fund=Quantity(supply.fund),
        inflow=SignedQuantity(supply.inflow),
    )


def make_earning_answer(view: EarningView) -> EarningAnswer:
    """The answer's form of an earning."""
    return EarningAnswer(
        checkpoint=Quantity(view.checkpoint),
        timestamp_ms=Quantity(view.timestamp_ms),
        amount=Quantity(view.amount),
        job=None if view.job is None else HexDigest(view.job),
        generation=make_quantity(view.generation),
        purpose=None if view.purpose is None else view.purpose.name.lower(),
    )


def make_credit_answer(view: CreditView) -> CreditAnswer:
    """The answer's form of what came from another shard."""
    return CreditAnswer(
        checkpoint=Quantity(view.checkpoint),
        timestamp_ms=Quantity(view.timestamp_ms),
        source=view.source,
        sequence=Quantity(view.sequence),
        amount=Quantity(view.amount),
    )


def make_checkpoint_answer(view: CheckpointView) -> CheckpointAnswer:
    """The answer's form of a checkpoint."""
    checkpoint, leader = view.checkpoint, view.checkpoint.leader
    return CheckpointAnswer(
        shard=checkpoint.shard,
        index=Quantity(checkpoint.index),
        digest=HexDigest(view.digest),
        epoch=Quantity(checkpoint.epoch),
        committee_epoch=Quantity(checkpoint.committee_epoch),
        previous=HexDigest(checkpoint.previous),
        leader=CheckpointLeaderAnswer(Quantity(leader.round), leader.author, HexDigest(leader.digest)),
        timestamp_ms=Quantity(checkpoint.timestamp_ms),
        ordered_total=Quantity(checkpoint.ordered_total),
        ordered_count=Quantity(checkpoint.ordered_count),
        ordered_root=HexDigest(checkpoint.ordered_root),
        effects_root=HexDigest(checkpoint.effects_root),
        receipts_root=HexDigest(checkpoint.receipts_root),
        received=tuple(map(Quantity, checkpoint.received)),
        state_digest=HexDigest(checkpoint.state_digest),
        accounts_root=HexDigest(checkpoint.accounts_root),
        price=Quantity(checkpoint.price),
        difficulty=checkpoint.difficulty,
        supply=_make_supply_answer(checkpoint.supply),
        models=tuple(
            CheckpointModelAnswer(
                HexDigest(model.job),
                Quantity(model.generation),
                HexDigest(model.weights_digest),
                SignedQuantity(model.score),
                Quantity(model.budget),
            )
            for model in checkpoint.models
        ),
        next_committee=tuple(
            CheckpointValidatorAnswer(HexDigest(validator.public_key), validator.weight)
            for validator in checkpoint.next_committee
        ),
        certificate=_make_signatures(view),
    )


def _make_signatures(view: CheckpointView) -> tuple[SignatureAnswer, ...] | None:
    if view.certificate is None:
        return None
    return tuple(
        SignatureAnswer(part.author, HexBytes(part.signature)) for part in view.certificate.signatures
    )
