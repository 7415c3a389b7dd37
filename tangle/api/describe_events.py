"""What happened in the market, as people read it: one sentence an event."""

from collections.abc import Callable
from typing import Final, assert_never

from poi.disputes.outcomes import BothSilent, BothWrong, ChallengerWins, DefenderWins, Reason
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.disputes.record import Side
from poi.market.outcomes import (
    AnswerSealed,
    AnswerShown,
    AttemptFailed,
    DataConfirmed,
    DisputeSettled,
    Ending,
    Event,
    Fault,
    GenerationPaid,
    JobAssigned,
    JobEnded,
    JobOpened,
    MoveMade,
    ProgramConfirmed,
    ProgramRegistered,
    ProgramRemoved,
    Removal,
    ResultChallenged,
    ResultClaimed,
    Topic,
    VoteCounted,
)
from poi.market.votes import DISPUTE_RESULTS, Verdict
from tangle.api.kind_names import compute_kind_name
from tangle.core.amounts import format_amount
from tangle.core.types import PublicKey

Name = Callable[[PublicKey], str]
"""How an account is written."""

FAULTS: Final = {
    Fault.DECLINED: "gave the job back in time and loses nothing",
    Fault.LATE: "had no result when it was due; part of its bond is burned",
    Fault.REJECTED: "had its result rejected by more than a third of the validators: no pay, no slashing",
    Fault.REFUTED: "had its result refuted in a dispute and loses its bond",
}
"""What a worker did wrong."""

ENDINGS: Final = {
    Ending.PAID: "it was done and paid",
    Ending.CANCELLED: "the customer took it back",
    Ending.EXPIRED: "nobody could do it by the deadline any more",
    Ending.FAILED: "as many workers failed as may try",
}
"""How a job ends."""

REMOVALS: Final = {
    Removal.RETIRED: "its owner took it off the list",
    Removal.REJECTED: "more than a third of the validators found it not as described, or could not get it",
    Removal.UNCONFIRMED: "no quorum of validators confirmed it in time",
}
"""Why a program is gone."""

REASONS: Final = {
    Reason.RECOMPUTED: "its chunk is not what the operator gives",
    Reason.NOT_SHOWN: "it did not show in time what it had committed to",
    Reason.RESIGNED: "it gave up",
}
"""Why a party of a dispute lost."""

TOPICS: Final = {
    Topic.PROGRAM: "the program",
    Topic.CLAIM: "the result",
    Topic.DISPUTE: "the dispute",
    Topic.DATA: "the training data",
}
"""What validators vote on."""


def get_event_name(event: Event) -> str:
    """Stable name of an event's kind: ``job-opened`` and so on."""
    return compute_kind_name(event)


def describe_job_event(event: Event, name: Name) -> str:  # noqa: C901 -- one case for each event
    """An event in one sentence.

    :param name: how accounts are written.
    """
    match event:
        case JobOpened(units=units, price=price):
            return f"opened: {units} units, {format_amount(price)} if it is done"
        case JobAssigned(worker=worker):
            return f"assigned by lot to {name(worker)}"
        case ResultClaimed():
            return "the worker committed to a result; it is paid if nobody refutes it in the window"
        case VoteCounted(topic=topic, validator=validator, verdict=verdict):
            return f"validator {validator} on {TOPICS[topic]}: {describe_verdict(topic, verdict)}"
        case ResultChallenged(challenger=challenger, bond=bond):
            return f"{name(challenger)} disputes the result; {format_amount(bond)} of each party are at stake"
        case DisputeSettled(result=result):
            return f"the dispute ended: {describe_dispute(result)}"
        case AttemptFailed(worker=worker, fault=fault):
            return f"{name(worker)} {FAULTS[fault]}"
        case AnswerShown(worker=worker, value=value):
            return f"{name(worker)} showed an answer of value {value}; less is better"
        case GenerationPaid(generation=generation, paid=paid):
            return f"generation {generation} closed; its workers got {format_amount(paid)}"
        case JobEnded(ending=ending, refunded=refunded):
            back = f"; {format_amount(refunded)} went back to the customer" if refunded else ""
            return f"ended: {ENDINGS[ending]}{back}"
        case AnswerSealed(worker=worker):
            return f"{name(worker)} sealed an answer"
        case MoveMade(side=side):
            return f"the {'worker' if side is Side.DEFENDER else 'challenger'} moved in the dispute"
        case DataConfirmed():
            return "a quorum of validators has the training data; the job joins the board"
        case ProgramRegistered(owner=owner):
            return f"registered by {name(owner)}; validators fetch it now"
        case ProgramConfirmed():
            return "a quorum of validators has it and found it as described; jobs may run it"
        case ProgramRemoved(removal=removal):
            return f"removed: {REMOVALS[removal]}; the deposit went back"
        case _:
            assert_never(event)


def describe_verdict(topic: Topic, verdict: int) -> str:
    """What a validator said."""
    match topic:
        case Topic.PROGRAM | Topic.DATA:
            return "as described" if verdict == Verdict.RIGHT else "not as described, or not to be had"
        case Topic.CLAIM:
            return "right" if verdict == Verdict.RIGHT else "wrong, or not to be had"
        case Topic.DISPUTE:
            result = DISPUTE_RESULTS.get(verdict)
            return f"verdict {verdict}" if result is None else describe_dispute(result)
        case _:
            assert_never(topic)


def describe_dispute(result: DisputeResult) -> str:
    """How a dispute ended, and why."""
    match result:
        case DefenderWins(reason=reason):
            return f"the result stands; of the challenger is true: {REASONS[reason]}"
        case ChallengerWins(reason=reason):
            return f"the result is refuted; of the worker is true: {REASONS[reason]}"
        case BothWrong():
            return "the result is refuted, and the challenger's own chunk is wrong, too"
        case BothSilent():
            return "both were silent; the result stands"
        case _:
            assert_never(result)
