"""Stories of jobs: what happened, why, where the money is, and what comes next; on one page.

Everything is read off records and events of the ledger; nothing here knows more than any node.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from poi.market.limits import ATTEMPTS_MAX, MarketRules
from poi.market.outcomes import Ending, VoteCounted
from poi.market.records import (
    Assigned,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Job,
    Learning,
    Optimisation,
    Training,
    Waiting,
    get_kind,
)
from tangle.api.accounts import AccountCodec
from tangle.api.describe_events import ENDINGS, describe_job_event
from tangle.api.describe_operations import describe_task
from tangle.api.schemas.jobs import ExplanationAnswer, ExplanationLineAnswer
from tangle.api.wire import Quantity
from tangle.core.amounts import format_amount
from tangle.core.parameters import SHARE_WHOLE
from tangle.node.market_views import JobEventView, JobView

LINES_MAX: Final = 40
"""Most events told one by one; what happens oftener, votes above all, is counted."""


def explain_job(
    view: JobView, events: Sequence[JobEventView], rules: MarketRules, now_ms: int, accounts: AccountCodec
) -> ExplanationAnswer:
    """The story of a job.

    :param events: what happened to it, oldest first.
    :param now_ms: commit time of the latest executed checkpoint.
    """
    job = view.job
    kind = get_kind(job.task).name.lower()
    return ExplanationAnswer(
        title=f"{kind} job {job.id.hex()}",
        summary=f"{accounts.encode(job.customer)} opened {describe_task(job.task)}. {_summarise(view)}",
        lines=_tell(events, accounts),
        money=_account_for(view, rules),
        outlook=_look_ahead(job, rules, now_ms) if view.ending is None else None,
    )


def _summarise(view: JobView) -> str:
    if view.ending is not None:
        return f"It ended as {view.phase}: {ENDINGS[view.ending]}."
    return f"It is {view.phase}."


def _tell(events: Sequence[JobEventView], accounts: AccountCodec) -> tuple[ExplanationLineAnswer, ...]:
    told: list[ExplanationLineAnswer] = []
    for place, view in enumerate(events):
        # Votes of one checkpoint say the same more often than not: one line for all that do.
        text = describe_job_event(view.event, accounts.encode)
        if isinstance(view.event, VoteCounted) and place and _is_same_vote(events[place - 1], view):
            told[-1] = ExplanationLineAnswer(
                told[-1].timestamp_ms, told[-1].checkpoint, _join_vote(told[-1].text, view.event)
            )
            continue
        told.append(ExplanationLineAnswer(Quantity(view.timestamp_ms), Quantity(view.checkpoint), text))
    if len(told) <= LINES_MAX:
        return tuple(told)
    half = LINES_MAX // 2
    first, last = told[: half - 1], told[-half:]
    left_out = len(told) - len(first) - len(last)
    gap = ExplanationLineAnswer(
        last[0].timestamp_ms, last[0].checkpoint, f"({left_out} steps before this are left out here)"
    )
    return (*first, gap, *last)


def _is_same_vote(before: JobEventView, view: JobEventView) -> bool:
    first, second = before.event, view.event
    return (
        isinstance(first, VoteCounted)
        and isinstance(second, VoteCounted)
        and (first.topic, first.verdict) == (second.topic, second.verdict)
    )


def _join_vote(text: str, vote: VoteCounted) -> str:
    # "validator 1 on the result: right" becomes "validators 1, 2 on the result: right".
    words, _, rest = text.partition(" on ")
    numbers = sorted([int(number) for number in words.split(maxsplit=1)[1].split(", ")] + [vote.validator])
    return f"validators {', '.join(map(str, numbers))} on {rest}"


def _account_for(view: JobView, rules: MarketRules) -> tuple[str, ...]:
    job = view.job
    burned = job.price * rules.burn_share // SHARE_WHOLE
    if view.ending is None:
        lines = [f"{format_amount(job.escrow)} of the customer are held as escrow"]
        if isinstance(job.task, Optimisation):
            lines.append(f"the best answer gets {format_amount(job.price - burned)} of it")
        else:
            lines.append(f"{format_amount(job.price)} of it are the price; the rest comes back")
        return tuple(lines)
    refund = (f"{format_amount(view.refunded)} went back to the customer",) if view.refunded else ()
    if view.ending is Ending.PAID and not isinstance(job.task, Training):
        worker, paid = format_amount(job.price - burned), format_amount(job.price)
        return (f"{paid} were paid: {worker} to the worker, {format_amount(burned)} burned", *refund)
    return refund


def _look_ahead(job: Job, rules: MarketRules, now_ms: int) -> str:
    phase = job.phase
    match phase:
        case Waiting(failed=failed):
            left, last = ATTEMPTS_MAX - len(failed), _until(job.deadline_ms - job.result_ms, now_ms)
            return (
                f"A worker is drawn at each checkpoint among those who can; {left} may still try. "
                f"If none is found {last}, the escrow goes back."
            )
        case Assigned(due_ms=due_ms):
            return f"The worker's result is due {_until(due_ms, now_ms)}; after that another worker is drawn."
        case Claimed(end_ms=end_ms):
            return f"The result is paid {_until(end_ms, now_ms)} unless it is refuted or rejected by then."
        case Disputed(end_ms=end_ms):
            last = _until(end_ms, now_ms)
            return f"The dispute ends {last} at the latest; whoever is silent loses by the clock."
        case Collecting():
            if now_ms <= job.deadline_ms:
                return f"Answers may be sealed {_until(job.deadline_ms, now_ms)}, and are shown after that."
            last_ms = job.deadline_ms + rules.reveal_ms
            return f"Sealed answers may be shown {_until(last_ms, now_ms)}; then the best one is paid."
        case Learning(closed=closed):
            return f"{closed} generations are paid; more may close {_until(job.deadline_ms, now_ms)}."
        case Gathering():
            return "Validators fetch the data and check it; once a quorum has it, the training begins."
        case _:
            assert_never(phase)


def _until(moment_ms: int, now_ms: int) -> str:
    left_ms = moment_ms - now_ms
    return f"within {left_ms / 1000:.0f} s" if left_ms > 0 else "at the next checkpoint"
