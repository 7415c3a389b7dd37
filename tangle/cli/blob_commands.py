"""``tangle blob``: content by its id, kept by a node and fetched from its peers."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, Self

import anyio
import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from tangle.api.schemas.blobs import BlobAnswer, BlobRoomAnswer, CollectedAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import BlobNotFetched, FileExists
from tangle.cli.groups import TangleGroup
from tangle.cli.texts import format_size, format_time
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, NotReached
from tangle.core.blob_id import BlobId, format_blob_id, parse_blob_id
from tangle.core.chunk_tree import PIECE_SIZE, TreeHasher

POLL_S: Final = 0.2
"""How often a fetch is looked at."""

Advance = Callable[[int, int | None], None]


class BlobIdType(click.ParamType[BlobId]):
    """A content id on the command line."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> BlobId:
        """Read it; a faulty one ends the command with its code."""
        return BlobId(value) if isinstance(value, bytes) else parse_blob_id(value)


BLOB_ID: Final = BlobIdType()

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=TangleGroup)
def blob() -> None:
    """Models, data, traces and results by content id. ID is what `tangle blob put` prints."""


@blob.command("put")
@click.argument("file", type=FILE)
@click.option(
    "--pin/--no-pin", default=True, help="Keep it until it is unpinned (usual), or while there is room."
)
@click.option("--id", "expected", type=BLOB_ID, help="The id that it must have.")
@pass_context
def put_blob(context: CommandContext, file: Path, pin: bool, expected: BlobId | None) -> None:
    """Have the node keep a file; prints its content id."""
    with TransferBar(context, file.name) as bar:
        answer = run_async(_put, context.url, file, file.stat().st_size, pin, expected, bar.show)
    context.emit(answer, lambda console: console.print(answer.id, soft_wrap=True))


@blob.command("get")
@click.argument("identity", metavar="ID", type=BLOB_ID)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write; ID when left out."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait for the node's peers.")
@pass_context
def get_blob(
    context: CommandContext, identity: BlobId, output: Path | None, force: bool, timeout: float
) -> None:
    """Write a blob to a file; the node fetches it from its peers where it does not have it.

    The content is checked here. The file appears when all of it is right.
    """
    path = output or Path(format_blob_id(identity))
    if path.exists() and not force:
        raise FileExists(path)
    with TransferBar(context, "from peers") as bar:
        run_async(_fetch, context.url, identity, False, timeout, bar.show)
    with TransferBar(context, path.name) as bar:
        size = run_async(_save, context.url, identity, path, bar.show)
    record = {"id": format_blob_id(identity), "file": str(path), "size": size}
    context.emit_fields(record, {"file": path, "size": format_size(size)})


@blob.command("fetch")
@click.argument("identity", metavar="ID", type=BLOB_ID)
@click.option("--pin", is_flag=True, help="Keep it until it is unpinned.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait.")
@pass_context
def fetch_blob(context: CommandContext, identity: BlobId, pin: bool, timeout: float) -> None:
    """Have the node fetch a blob from its peers, and wait for it."""
    with TransferBar(context, "from peers") as bar:
        answer = run_async(_fetch, context.url, identity, pin, timeout, bar.show)
    _emit_blob(context, answer)


@blob.command("list")
@pass_context
def list_blobs(context: CommandContext) -> None:
    """List what the node keeps, and how much room is left."""
    blobs, room = run_async(_list, context.url)

    def render(console: Console) -> None:
        table = Table("id", "state", "size", "pinned", "last used", box=None, pad_edge=False)
        for answer in blobs:
            table.add_row(
                answer.id,
                _describe_state(answer),
                "" if answer.size is None else format_size(answer.size),
                "yes" if answer.is_pinned else "no",
                format_time(answer.used_ms) if answer.used_ms else "",
            )
        console.print(table)
        used = f"{format_size(room.kept_bytes)} of {format_size(room.quota_bytes)} in use"
        console.print(f"{used}, {format_size(room.pinned_bytes)} pinned", soft_wrap=True)

    context.emit({"blobs": blobs, "room": room}, render)


@blob.command("status")
@click.argument("identity", metavar="ID", type=BLOB_ID)
@pass_context
def show_blob(context: CommandContext, identity: BlobId) -> None:
    """Show how far a blob is."""
    _emit_blob(context, run_async(_ask, context.url, lambda client: client.get_blob_status(identity)))


@blob.command("pin")
@click.argument("identity", metavar="ID", type=BLOB_ID)
@pass_context
def pin_blob(context: CommandContext, identity: BlobId) -> None:
    """Keep a blob until it is unpinned."""
    _emit_blob(context, run_async(_ask, context.url, lambda client: client.pin_blob(identity)))


@blob.command("unpin")
@click.argument("identity", metavar="ID", type=BLOB_ID)
@pass_context
def unpin_blob(context: CommandContext, identity: BlobId) -> None:
    """Let a blob go when its room is needed; stops fetching it."""
    _emit_blob(context, run_async(_ask, context.url, lambda client: client.release_blob(identity)))


@blob.command("gc")
@click.option("--keep-bytes", type=click.IntRange(min=0), default=0, help="Stop when so much is in use.")
@pass_context
def collect_blobs(context: CommandContext, keep_bytes: int) -> None:
    """Remove what is not pinned, the blob used longest ago first."""
    answer: CollectedAnswer = run_async(_ask, context.url, lambda client: client.collect_blobs(keep_bytes))
    context.emit_fields(answer, {"removed": answer.blobs, "freed": format_size(answer.size_bytes)})


@blob.command("id")
@click.argument("file", type=FILE)
@pass_context
def compute_id(context: CommandContext, file: Path) -> None:
    """Print the content id of a file; asks no node."""
    hasher = TreeHasher()
    with file.open("rb") as source:
        while part := source.read(PIECE_SIZE):
            hasher.update(part)
    name = format_blob_id(hasher.finish().id)
    context.emit({"id": name, "size": hasher.size}, lambda console: console.print(name, soft_wrap=True))


class TransferBar:
    """A bar of bytes on a terminal's standard error; nothing elsewhere."""

    def __init__(self, context: CommandContext, name: str) -> None:
        console = context.make_talk_console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: int, total: int | None) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, total=total)


def _emit_blob(context: CommandContext, answer: BlobAnswer) -> None:
    fields = {
        "id": answer.id,
        "state": _describe_state(answer),
        "size": "not known yet" if answer.size is None else format_size(answer.size),
        "pinned": "yes" if answer.is_pinned else "no",
    }
    context.emit_fields(answer, fields)


def _describe_state(answer: BlobAnswer) -> str:
    if answer.state == "failed":
        return f"failed ({answer.reason_code})"
    if answer.state == "whole" or not answer.size:
        return answer.state
    return f"{answer.state}, {answer.held_bytes / answer.size:.0%}"


async def _ask(url: str, ask: Callable[[TangleClient], Any]) -> Any:
    async with TangleClient(url) as client:
        return await ask(client)


async def _put(
    url: str, file: Path, size: int, is_pinned: bool, expected: BlobId | None, show: Advance
) -> BlobAnswer:
    async def read() -> AsyncIterator[bytes]:
        done = 0
        async with await anyio.open_file(file, "rb") as source:
            while part := await source.read(PIECE_SIZE):
                yield part
                done += len(part)
                show(done, size)

    async with TangleClient(url) as client:
        return await client.put_blob(read(), expected=expected, size=size, is_pinned=is_pinned)


async def _fetch(url: str, blob: BlobId, is_pinned: bool, timeout_s: float, show: Advance) -> BlobAnswer:
    async with TangleClient(url) as client:
        return await fetch_whole(client, blob, is_pinned=is_pinned, timeout_s=timeout_s, show=show)


async def fetch_whole(
    client: TangleClient, blob: BlobId, *, is_pinned: bool, timeout_s: float, show: Advance
) -> BlobAnswer:
    """Have the node get a blob, and wait until it has all of it.

    :raises NotReached: it is not here in time.
    :raises BlobNotFetched: nobody gives it.
    """
    answer = await _find(client, blob)
    if answer is None or answer.state != "whole" or is_pinned:
        answer = await client.fetch_blob(blob, is_pinned=is_pinned)
    deadline_s = anyio.current_time() + timeout_s
    while answer.state == "fetching":
        show(answer.held_bytes, answer.size)
        if anyio.current_time() > deadline_s:
            raise NotReached(blob, "whole", answer.state, timeout_s)
        await anyio.sleep(POLL_S)
        answer = await client.get_blob_status(blob)
    if answer.state != "whole":
        raise BlobNotFetched(answer.id, answer.reason_code or answer.state, answer.reason or "")
    return answer


async def _find(client: TangleClient, blob: BlobId) -> BlobAnswer | None:
    try:
        return await client.get_blob_status(blob)
    except ApiProblem as problem:
        if problem.code == "blob-unknown":
            return None
        raise


async def _save(url: str, blob: BlobId, path: Path, show: Advance) -> int:
    part_path = path.with_name(f".{path.name}.part")
    done = 0
    try:
        async with TangleClient(url) as client:
            size = (await client.get_blob_status(blob)).size
            async with (
                aclosing(client.read_blob(blob)) as parts,
                await anyio.open_file(part_path, "wb") as file,
            ):
                async for part in parts:
                    await file.write(part)
                    done += len(part)
                    show(done, size)
                await file.flush()
                os.fsync(file.wrapped.fileno())
        part_path.replace(path)
    finally:
        part_path.unlink(missing_ok=True)
    return done


async def _list(url: str) -> tuple[list[BlobAnswer], BlobRoomAnswer]:
    async with TangleClient(url) as client, aclosing(client.list_blobs()) as blobs:
        return [answer async for answer in blobs], await client.get_blob_room()
