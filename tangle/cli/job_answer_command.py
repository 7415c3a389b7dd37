"""``tangle job answer``: take part in an optimisation job, first with a seal, then with the answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import click
import msgspec
from msgspec import Struct
from nacl.utils import random

from poi.market.contests import compute_answer_seal
from poi.market.operations import SealAnswer, ShowAnswer
from poi.market.problems import Problem, compute_value, decode_problem, encode_answer
from poi.market.solving import solve
from tangle.api.schemas.jobs import JobAnswer, ProblemTaskAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import JobNotDone, SecretMissing
from tangle.cli.job_names import find_job, get_id
from tangle.cli.job_tasks import FILE
from tangle.cli.paying import call_market, open_payer, payer_options, timeout_option
from tangle.cli.problem_files import read_answer
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.core.types import Digest
from tangle.node.market_views import JobPhase
from tangle.store.files import PRIVATE_DIRECTORY_MODE, read_private_file, write_private_file
from tangle.wallet.wallet import SigningAccount

POLL_S: Final = 0.5
"""Pause between looks at the ledger's time."""

SALT_SIZE: Final = 32
"""Bytes of a salt: nobody tries 2^256."""


class Secret(Struct, frozen=True):
    """An answer between sealing and showing: without it the bond is lost."""

    answer: bytes
    """The encoded answer."""

    salt: bytes
    """With which it is sealed."""


class Attempt(Struct, frozen=True):
    """An answer and what became of it."""

    job: JobAnswer
    """The job."""

    value: int
    """What the answer costs."""

    step: str
    """``sealed`` or ``shown``."""


@click.command("answer")
@click.argument("job_id", metavar="JOB")
@click.option(
    "--answer",
    "answer_path",
    type=FILE,
    help="JSON array of places, or a TSPLIB tour; solved here in a plain way when left out.",
)
@click.option("--no-show", is_flag=True, help="Only seal; the same command shows it later.")
@payer_options
@timeout_option
@pass_context
def answer_job(
    context: CommandContext,
    job_id: str,
    answer_path: Path | None,
    no_show: bool,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    timeout_s: float,
) -> None:
    """Answer a problem: seal the answer now, show it when sealing is over. The best is paid.

    A bond is held until the answer is shown, and burned if it is not. Run the command again to go on where it
    stopped: what was sealed is kept in the home.
    """
    payer = open_payer(context, wallet_name, network, password_file)
    directory = context.home / "answers"
    attempt = run_async(
        _answer, context.url, payer, job_id, answer_path, directory, not no_show, timeout_s, context.say
    )
    record = {"job": attempt.job, "value": attempt.value, "step": attempt.step}
    best = attempt.job.best
    fields = {
        "job": attempt.job.id.hex(),
        "value": f"{attempt.value}; less is better",
        "answer": attempt.step,
        "best so far": "-" if best is None else f"{best.value} by {best.worker}",
        "phase": attempt.job.phase.value,
        "prize": format_amount(attempt.job.price),
    }
    context.emit_fields(record, fields)


async def _answer(
    url: str,
    payer: SigningAccount,
    text: str,
    answer_path: Path | None,
    directory: Path,
    is_shown: bool,
    timeout_s: float,
    say: Callable[[str], None],
) -> Attempt:
    async with TangleClient(url) as client:
        found = await find_job(client, text)
        if not isinstance(found.task, ProblemTaskAnswer) or found.phase is not JobPhase.COLLECTING:
            raise JobNotDone(found.id, found.phase, "only an optimisation job that collects takes answers")
        problem = decode_problem(bytes(found.task.problem))
        path = directory / f"{found.id.hex()}-{payer.public_key.hex()[:16]}.json"
        secret = _read_secret(path)
        if secret is None:
            secret = _make_secret(problem, answer_path)
            value = compute_value(problem, secret.answer)
            say(f"the answer costs {value}")
            await _seal(client, payer, found, secret, path, timeout_s)
            say("sealed")
        value = compute_value(problem, secret.answer)
        if is_shown:
            await _wait_deadline(client, found, say)
            operation = ShowAnswer(get_id(found), secret.answer, Digest(secret.salt))
            await call_market(client, payer, operation, timeout_s)
            _forget_secret(path)
        return Attempt(await client.get_job(found.id), value, "shown" if is_shown else "sealed")


def _read_secret(path: Path) -> Secret | None:
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(read_private_file(path), type=Secret)
    except msgspec.DecodeError:
        raise SecretMissing(path) from None


def _forget_secret(path: Path) -> None:
    path.unlink(missing_ok=True)


def _make_secret(problem: Problem, answer_path: Path | None) -> Secret:
    answer = solve(problem) if answer_path is None else read_answer(answer_path)
    return Secret(encode_answer(answer), random(SALT_SIZE))


async def _seal(
    client: TangleClient,
    payer: SigningAccount,
    job: JobAnswer,
    secret: Secret,
    path: Path,
    timeout_s: float,
) -> None:
    seal = compute_answer_seal(get_id(job), payer.public_key, secret.answer, Digest(secret.salt))
    path.parent.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
    # Before it is sealed: a bond without its answer would be lost.
    write_private_file(path, msgspec.json.encode(secret))
    try:
        await call_market(client, payer, SealAnswer(get_id(job), seal), timeout_s)
    except ApiProblem:
        _forget_secret(path)  # nothing was sent
        raise


async def _wait_deadline(client: TangleClient, job: JobAnswer, say: Callable[[str], None]) -> None:
    """Wait until the ledger's own time says that sealing is over."""
    is_told = False
    while (left_ms := int(job.deadline_ms) - int((await client.get_market()).timestamp_ms)) >= 0:
        if not is_told:
            say(f"answers are shown in {left_ms / 1000:.0f} s")
            is_told = True
        await anyio.sleep(max(POLL_S, min(left_ms / 1000, 5.0)))
