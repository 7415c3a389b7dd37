"""``tangle model register``, ``programs`` and ``retire``: programs that jobs may run."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import click
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from poi.market.operations import RetireProgram, describe_program
from tangle.api.schemas.market import JobKind, ProgramAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import ProgramNotConfirmed
from tangle.cli.job_tasks import FILE, HexType
from tangle.cli.paying import call_market, open_payer, payer_options, timeout_option
from tangle.cli.texts import format_size
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.core.blob_id import parse_blob_id
from tangle.core.types import Digest
from tangle.wallet.wallet import SigningAccount

POLL_S: Final = 0.3
"""Pause between looks at a program that is being confirmed."""

PRICED: Final = (JobKind.INFERENCE, 3)
"""Kind and level whose price for a row is shown in lists."""


class Registered(Struct, frozen=True):
    """A program that was registered, or had been."""

    program: ProgramAnswer
    """The program."""

    transaction: TransactionAnswer | None
    """What registered it; none if it was registered already."""


@click.command("register")
@click.argument("file", type=FILE)
@payer_options
@timeout_option
@pass_context
def register(
    context: CommandContext,
    file: Path,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    timeout_s: float,
) -> None:
    """Let jobs run a model: the network keeps its program, and validators confirm it.

    FILE is a model file, as tangle model quantize wrote it. Its scales and names stay here. A deposit is held
    until the program is retired.
    """
    from aivm.program.package import encode_package
    from aivm.program.record import encode_program
    from tangle.cli.tensor_files import read_model

    bound = read_model(file).bound
    package, encoded = encode_package(bound), encode_program(bound.plan.program)
    payer = open_payer(context, wallet_name, network, password_file)
    found = run_async(_register, context.url, payer, encoded, package, timeout_s, context.say)
    fields = describe_program_answer(found.program)
    if found.transaction is None:
        context.say("it was registered already")
    else:
        fields["transaction"] = found.transaction.id.hex()
    context.emit_fields({"program": found.program, "transaction": found.transaction}, fields)


@click.command("programs")
@pass_context
def list_programs(context: CommandContext) -> None:
    """List the programs that jobs may run, and what a row costs now."""
    programs = run_async(_list, context.url)

    def render(console: Console) -> None:
        table = Table("program", "confirmed", "macs", "a row", "owner", box=None, pad_edge=False)
        for each in programs:
            table.add_row(
                each.program.hex(),
                "yes" if each.is_confirmed else "not yet",
                str(each.macs),
                format_row_price(each),
                each.owner[:20],
            )
        console.print(table)

    if programs or context.is_json:
        context.emit({"programs": programs}, render)
    else:
        context.say("no programs yet; tangle model register FILE adds one")


@click.command("retire")
@click.argument("program", type=HexType())
@payer_options
@timeout_option
@pass_context
def retire(
    context: CommandContext,
    program: Digest,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    timeout_s: float,
) -> None:
    """Take a program off the list; its deposit comes back."""
    payer = open_payer(context, wallet_name, network, password_file)
    transaction = run_async(_retire, context.url, payer, program, timeout_s)
    fields = {"program": program.hex(), "retired": "yes", "transaction": transaction.id.hex()}
    context.emit_fields({"transaction": transaction}, fields)


def describe_program_answer(program: ProgramAnswer) -> dict[str, object]:
    """A program as names and values."""
    return {
        "program": program.program.hex(),
        "confirmed": "yes" if program.is_confirmed else "not yet",
        "a row": f"{program.macs} multiply-accumulates, {program.steps} other steps",
        "price": f"{format_row_price(program)} for a row, verified at V{PRICED[1]}",
        "package": program.package or "-",
        "owner": program.owner,
        "deposit": format_amount(program.deposit),
    }


def format_row_price(program: ProgramAnswer) -> str:
    """What one row costs as a light inference."""
    prices = (row.price for row in program.row_prices if (row.kind, row.level) == PRICED)
    return next((format_amount(price) for price in prices), "-")


async def _register(
    url: str,
    payer: SigningAccount,
    encoded: bytes,
    package: bytes,
    timeout_s: float,
    say: Callable[[str], None],
) -> Registered:
    async with TangleClient(url) as client:
        blob = parse_blob_id((await client.put_blob(package)).id)
        say(f"the node keeps its package of {format_size(len(package))}")
        operation = describe_program(encoded, blob)
        transaction = None
        if await _find(client, operation.program) is None:
            transaction = await call_market(client, payer, operation, timeout_s)
            say("registered; validators fetch it and check it")
        return Registered(await _wait_confirmed(client, operation.program, timeout_s, say), transaction)


async def _wait_confirmed(
    client: TangleClient, program: Digest, timeout_s: float, say: Callable[[str], None]
) -> ProgramAnswer:
    deadline_s = anyio.current_time() + timeout_s
    told = 0
    while True:
        found = await _find(client, program)
        events = await client.get_program_events(program)
        for event in events[told:]:
            if event.name == "vote-counted":
                say(event.text)
        told = len(events)
        if found is None:
            raise ProgramNotConfirmed(program, events[-1].text if events else "it is gone")
        if found.is_confirmed:
            return found
        if anyio.current_time() > deadline_s:
            raise ProgramNotConfirmed(program, f"it is not confirmed after {timeout_s:g} s; it still may be")
        await anyio.sleep(POLL_S)


async def _find(client: TangleClient, program: Digest) -> ProgramAnswer | None:
    try:
        return await client.get_program(program)
    except ApiProblem as problem:
        if problem.code == "not-found":
            return None
        raise


async def _list(url: str) -> list[ProgramAnswer]:
    async with TangleClient(url) as client:
        return [program async for program in client.list_programs()]


async def _retire(url: str, payer: SigningAccount, program: Digest, timeout_s: float) -> TransactionAnswer:
    async with TangleClient(url) as client:
        return await call_market(client, payer, RetireProgram(program), timeout_s)
