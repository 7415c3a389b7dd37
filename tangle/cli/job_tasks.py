"""What a job is to be: from options and files to a task, the blobs that it needs, and its price."""

from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from poi.market.limits import GENERATIONS_MAX
from poi.market.records import Inference, Optimisation, Task, Transformation
from tangle.api.schemas.market import JobKind, QuoteAnswer
from tangle.cli.errors import MissingOption
from tangle.cli.problem_files import read_problem
from tangle.cli.table_files import TableOptions, plan_task
from tangle.cli.tensor_files import Tensor, Usable, read_model, read_package, read_rows
from tangle.client.client import TangleClient
from tangle.core.blob_id import parse_blob_id
from tangle.core.types import Digest

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that is there."""


class TaskOptions(Struct, frozen=True):
    """What a person said of a job."""

    kind: JobKind
    """What it is."""

    model: Path | None
    """Model file of the program."""

    program: Digest | None
    """Id of the program, where no model file is here."""

    rows: Path | None
    """Rows for it."""

    level: int
    """Level of verification."""

    problem: Path | None
    """Problem to be solved."""

    table: TableOptions | None = None
    """Table to be learnt."""


class Order(Struct, frozen=True, eq=False):
    """A job before it is opened."""

    kind: JobKind
    """What it is."""

    task: Task
    """What is to be done."""

    tensors: tuple[Tensor, ...] = ()
    """What the node has to keep for the workers."""

    usable: Usable | None = None
    """The program, with which answers are read."""

    content: bytes = b""
    """Training data that the node has to keep for the network."""


class HexType(click.ParamType[Digest]):
    """A whole id in hex."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Digest:
        """32 bytes."""
        try:
            data = bytes.fromhex(value) if isinstance(value, str) else bytes(value)
        except ValueError:
            data = b""
        if len(data) != 32:
            self.fail(f"{str(value)[:80]!r} is no id: 64 hex digits.", param, ctx)
        return Digest(data)


def task_options(command: Any) -> Any:
    """Everything that says what a job is."""
    options = (
        click.option(
            "--kind",
            type=click.Choice([kind.value for kind in JobKind]),
            help="What it is; follows from the other options when left out.",
        ),
        click.option("--model", type=FILE, help="Model file of a registered program."),
        click.option("--program", type=HexType(), help="Id of a registered program, instead of --model."),
        click.option("--input", "rows", type=FILE, help="Rows for the program: .npy, .npz or .csv."),
        click.option(
            "--level",
            type=click.IntRange(2, 3),
            default=3,
            show_default=True,
            help="How a run is verified: 2 spot checks, 3 every large product projected.",
        ),
        click.option("--problem", type=FILE, help="Problem to be solved: TSPLIB or JSON."),
        click.option("--data", type=FILE, help="Table to be learnt: CSV with a header."),
        click.option("--label", help="Column of the table that is to be told from the others."),
        click.option("--ignore", "ignored", multiple=True, help="Column to be left out; may be repeated."),
        click.option(
            "--generations",
            type=click.IntRange(1, GENERATIONS_MAX),
            help="Generations of training; as many as are usual and --budget pays for when left out.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def find_kind(kind: str | None, problem: Path | None, data: Path | None) -> JobKind:
    """The kind that was named or is meant."""
    if kind is not None:
        return JobKind(kind)
    if data is not None:
        return JobKind.TRAINING
    return JobKind.OPTIMISATION if problem is not None else JobKind.INFERENCE


async def make_order(client: TangleClient, options: TaskOptions) -> Order:
    """The task, with everything that it needs.

    :raises MissingOption: a job of this kind needs more options.
    :raises TangleError: a file is refused, or the node has no such program.
    """
    match options.kind:
        case JobKind.INFERENCE | JobKind.TRANSFORMATION:
            return await _order_run(client, options)
        case JobKind.OPTIMISATION:
            if options.problem is None:
                raise MissingOption(options.kind, "--problem FILE")
            return Order(options.kind, Optimisation(read_problem(options.problem)[1]))
        case JobKind.TRAINING:
            if options.table is None:
                raise MissingOption(options.kind, "--data FILE and --label COLUMN")
            task, content = await plan_task(client, options.table)
            return Order(options.kind, task, content=content)


async def quote_order(client: TangleClient, order: Order) -> QuoteAnswer:
    """What an order costs now.

    :raises ApiProblem: nobody could order it.
    """
    task = order.task
    match task:
        case Inference() | Transformation():
            return await client.get_quote(order.kind, program=task.program, rows=task.rows, level=task.level)
        case Optimisation(problem=problem):
            return await client.get_quote(order.kind, problem=problem)
        case _:
            return await client.get_quote(
                order.kind, parameters=task.parameters, generations=task.generations
            )


async def load_program(client: TangleClient, model: Path | None, program: Digest | None) -> Usable:
    """A program from its model file, or from the package that the network keeps.

    :raises TangleError: neither is there, or it is refused.
    """
    if model is not None:
        return read_model(model)
    assert program is not None, "the caller has checked"
    package = (await client.get_program(program)).package
    assert package is not None, "every registered program has one"
    return read_package(await fetch_blob(client, package))


async def fetch_blob(client: TangleClient, name: str) -> bytes:
    """A blob through the node, which gets it from its peers where it must.

    :raises BlobNotFetched: nobody has it.
    """
    from tangle.cli.blob_commands import fetch_whole

    blob = parse_blob_id(name)
    await fetch_whole(client, blob, is_pinned=False, timeout_s=60.0, show=lambda _done, _total: None)
    return await client.get_blob(blob)


async def _order_run(client: TangleClient, options: TaskOptions) -> Order:
    if (options.model is None) == (options.program is None) or options.rows is None:
        raise MissingOption(options.kind, "--input FILE, and either --model FILE or --program ID")
    usable = await load_program(client, options.model, options.program)
    program, tensors = read_rows(usable, options.rows)
    make = Inference if options.kind is JobKind.INFERENCE else Transformation
    task = make(
        program.program_id,
        tuple(each.tensor for each in tensors),
        program.rows,
        options.level,
        tuple(each.root for each in tensors),
    )
    return Order(options.kind, task, tensors, usable)
