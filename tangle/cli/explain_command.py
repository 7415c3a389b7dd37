"""``tangle explain``: what happened to a transaction, job, program or checkpoint, and why; on one page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import click
from msgspec import Struct
from rich.console import Console

from tangle.api.schemas.jobs import ExplanationAnswer
from tangle.api.schemas.ledger import CheckpointAnswer
from tangle.api.schemas.market import ProgramAnswer
from tangle.api.schemas.transactions import MarketCallAnswer, StakingAnswer, TransactionAnswer, TransferAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import NothingKnown
from tangle.cli.groups import TangleCommand
from tangle.cli.job_names import find_job
from tangle.cli.program_commands import format_row_price
from tangle.cli.staking_texts import describe_staking
from tangle.cli.texts import format_time
from tangle.cli.validator_commands import describe_standing
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.core.address import PREFIXES
from tangle.node.views import TransactionStatus

ID_LENGTH: Final = 64
"""Digits of a whole id."""

CONTENTS_MAX: Final = 200
"""Most transactions of a checkpoint that are looked at for refusals."""

REFUSALS_SHOWN_MAX: Final = 10
"""Most refusals told one by one."""

ADDRESS_BEGINNINGS: Final = tuple(f"{prefix}1" for prefix in PREFIXES)
"""Of addresses; no id begins so, because an m is no hexadecimal digit."""

Answer = TypeVar("Answer")


class Story(Struct, frozen=True):
    """What is told of anything."""

    kind: str
    """``transaction``, ``job``, ``program``, ``model``, ``validator`` or ``checkpoint``."""

    title: str
    """What it is."""

    summary: str
    """How it stands."""

    lines: tuple[tuple[str, str], ...] = ()
    """When, and what happened."""

    notes: tuple[str, ...] = ()
    """Money, and what else belongs to it."""

    outlook: str | None = None
    """What comes next."""


@click.command(cls=TangleCommand)
@click.argument("identity", metavar="ID")
@pass_context
def explain(context: CommandContext, identity: str) -> None:
    """Explain what happened to something and why, on one page.

    ID is a transaction's, a job's (or its beginning), a program's or a model's id, a validator's key or the
    address that it stands for, or a checkpoint's number.
    """
    story = run_async(_explain, context.url, identity.strip())

    def render(console: Console) -> None:
        console.print(story.title, soft_wrap=True)
        console.print(story.summary, soft_wrap=True)
        for at, text in story.lines:
            console.print(f"  {at}  {text}" if at else f"  {text}", soft_wrap=True)
        for note in story.notes:
            console.print(f"- {note}", soft_wrap=True)
        if story.outlook is not None:
            console.print(f"Next: {story.outlook}", soft_wrap=True)

    context.emit(story, render)


async def _explain(url: str, text: str) -> Story:
    async with TangleClient(url) as client:
        if text.isdecimal() and len(text) < ID_LENGTH // 2:
            return await _explain_checkpoint(client, int(text))
        if text.lower().startswith(ADDRESS_BEGINNINGS):
            return await _explain_validator(client, text)
        if len(text) != ID_LENGTH:
            job = await find_job(client, text)
            return _tell_job(await client.explain_job(job.id))
        try:
            identity = bytes.fromhex(text)
        except ValueError:
            raise NothingKnown(text) from None
        for look in (_explain_transaction, _explain_job, _explain_program, _explain_model):
            story = await _ask(partial(look, client, identity))
            if story is not None:
                return story
        story = await _ask(partial(_explain_validator, client, text))
        if story is not None:
            return story
        raise NothingKnown(text)


async def _ask(ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
    try:
        return await ask()
    except ApiProblem as problem:
        if problem.code == "not-found":
            return None
        raise


async def _explain_job(client: TangleClient, identity: bytes) -> Story:
    return _tell_job(await client.explain_job(identity))


def _tell_job(answer: ExplanationAnswer) -> Story:
    return Story(
        kind="job",
        title=answer.title,
        summary=answer.summary,
        lines=tuple((format_time(line.timestamp_ms), line.text) for line in answer.lines),
        notes=answer.money,
        outlook=answer.outlook,
    )


async def _explain_transaction(client: TangleClient, identity: bytes) -> Story:
    answer = await client.get_transaction(identity)
    notes = [_describe_fee(answer), _describe_work(answer)]
    outlook = None
    operation = answer.operation
    if isinstance(operation, MarketCallAnswer) and operation.job is not None:
        job = await _ask(lambda: client.get_job(operation.job or b""))
        if job is not None:
            notes.append(f"the job is {job.phase.value} now")
            outlook = f"tangle explain {operation.job.hex()} tells the job's story"
    return Story(
        kind="transaction",
        title=f"transaction {answer.id.hex()}",
        summary=f"{answer.issuer} asked to {_describe_operation(answer)}. {_describe_status(answer)}",
        lines=_list_steps(answer),
        notes=tuple(notes),
        outlook=outlook,
    )


def _describe_operation(answer: TransactionAnswer) -> str:
    match answer.operation:
        case TransferAnswer(recipient=recipient, amount=amount):
            return f"send {format_amount(amount)} to {recipient}"
        case MarketCallAnswer(text=text):
            return text
        case StakingAnswer():
            return describe_staking(answer.operation)


def _describe_status(answer: TransactionAnswer) -> str:
    match answer.status:
        case TransactionStatus.CHECKPOINTED:
            return "It was done and is final."
        case TransactionStatus.CONFLICTING:
            sealed = "This is final." if answer.is_final else "The checkpoint awaits its certificate."
            return f"The ledger refused it ({answer.reason_code}): {answer.reason}. Nothing moved. {sealed}"
        case TransactionStatus.EXPIRED:
            return f"It was never ordered ({answer.reason_code}): {answer.reason}. Nothing moved."
        case TransactionStatus.WAITING:
            return "It waits for a parent or its anchor to arrive."
        case TransactionStatus.ATTACHED:
            return "It is verified and waits to be ordered."
        case TransactionStatus.ORDERED:
            return "It is ordered and executed; the checkpoint awaits its certificate."


def _list_steps(answer: TransactionAnswer) -> tuple[tuple[str, str], ...]:
    steps = [("", f"built on checkpoint {answer.anchor}, as number {answer.sequence} of its account")]
    if answer.checkpoint is not None:
        place = f"ordered at place {answer.ordered_index} of the shard's history"
        steps.append(("", f"{place}, by checkpoint {answer.checkpoint}"))
    if answer.is_final:
        steps.append(("", "the committee signed that checkpoint"))
    return tuple(steps)


def _describe_fee(answer: TransactionAnswer) -> str:
    limit = f"at most {format_amount(answer.max_fee)} was allowed"
    if answer.fee is None:
        return f"the fee is charged when it is ordered; {limit}"
    if not answer.fee:
        return "no fee was charged"
    return f"the fee was {format_amount(answer.fee)}; {limit}"


def _describe_work(answer: TransactionAnswer) -> str:
    counted = {
        True: "was counted and is paid when the generation closes",
        False: "was not counted",
        None: "is counted when it is ordered",
    }[answer.is_work_counted]
    return f"its AI work for generation {answer.work.generation} of {answer.work.job.hex()[:16]} {counted}"


async def _explain_program(client: TangleClient, identity: bytes) -> Story:
    events = await client.get_program_events(identity)
    program = await _ask(lambda: client.get_program(identity))
    return Story(
        kind="program",
        title=f"program {identity.hex()}",
        summary=_describe_program(program),
        lines=tuple((format_time(event.timestamp_ms), event.text) for event in events),
        notes=() if program is None else _note_program(program),
    )


def _describe_program(program: ProgramAnswer | None) -> str:
    if program is None:
        return "It is not on the list any more; no job can run it."
    if program.is_confirmed:
        return "It is confirmed; jobs may run it."
    return "It waits for validators to confirm it; no job can run it yet."


def _note_program(program: ProgramAnswer) -> tuple[str, ...]:
    return (
        f"{program.owner} registered it and has {format_amount(program.deposit)} held for it",
        f"one row takes {program.macs} multiply-accumulates and costs {format_row_price(program)} now",
        "a live job runs it" if program.is_in_use else "no live job runs it",
    )


async def _explain_model(client: TangleClient, identity: bytes) -> Story:
    model = (await client.get_model(identity, limit=1)).model
    rows = max(1, model.holdout_rows)
    score = f"{model.current.score} of {model.holdout_rows} ({model.current.score / rows:.1%})"
    return Story(
        kind="model",
        title=f"standing job {identity.hex()}",
        summary=f"{model.name}: generation {model.current.generation}, score {score}.",
        notes=(
            f"{model.counted_total} evaluations were counted since genesis",
            f"{model.counted_open} of {model.population} are there for the next generation",
        ),
        outlook=f"tangle model show {model.name} draws its learning curve",
    )


async def _explain_validator(client: TangleClient, name: str) -> Story:
    detail, election = await client.get_validator(name), await client.get_validators()
    item = detail.candidate
    free = item.stake - item.leaving
    needed = format_amount(election.stake_min)
    return Story(
        kind="validator",
        title=f"validator {item.public_key.hex()}",
        summary=f"It stands for {item.owner} since epoch {item.since}. Now: {describe_standing(item)}.",
        lines=tuple((format_time(news.timestamp_ms), news.text) for news in detail.news),
        notes=(
            f"{format_amount(item.stake)} are at stake, {format_amount(item.leaving)} of them leave",
            f"{format_amount(free)} count in elections; a candidate needs {needed}",
            f"{item.fresh} evaluations were counted this epoch, {item.work} remain of those before",
            f"{item.blocks} blocks of it were committed this epoch",
            f"it has {item.share:.2%} of the committee's weight",
        ),
        outlook=f"an election now would give it {item.next_share:.2%}; the next one is at "
        f"{format_time(election.ends_ms)}",
    )


async def _explain_checkpoint(client: TangleClient, index: int) -> Story:
    answer = await client.get_checkpoint(index=index)
    contents = await client.get_contents(index, limit=CONTENTS_MAX)
    refused = [item for item in contents if item.status is TransactionStatus.CONFLICTING]
    lines = [
        (item.id.hex()[:16], f"refused ({item.reason_code}): {item.reason}")
        for item in refused[:REFUSALS_SHOWN_MAX]
    ]
    if len(refused) > REFUSALS_SHOWN_MAX:
        lines.append(("", f"and {len(refused) - REFUSALS_SHOWN_MAX} more refusals"))
    return Story(
        kind="checkpoint",
        title=f"checkpoint {answer.index} of shard {answer.shard}",
        summary=_describe_checkpoint(answer, len(refused)),
        lines=tuple(lines),
        notes=(
            f"validator {answer.leader.author} led it in round {answer.leader.round}",
            f"a weight costs {answer.price} grains after it, and difficulty is {answer.difficulty}",
            f"{format_amount(answer.supply.escrow)} are held by the market",
            f"{format_amount(answer.supply.burned)} were burned since genesis",
            *(f"model {model.job.hex()[:16]} is at generation {model.generation}" for model in answer.models),
        ),
    )


def _describe_checkpoint(answer: CheckpointAnswer, refused: int) -> str:
    signers = "no certificate yet" if answer.certificate is None else f"{len(answer.certificate)} signatures"
    ordered = f"It ordered {answer.ordered_count} transactions, of which {refused} were refused"
    return f"Made at {format_time(answer.timestamp_ms)}, with {signers}. {ordered}."
