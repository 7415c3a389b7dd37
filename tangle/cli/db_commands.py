"""``tangle db``: looks after what a node has on disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import click
from rich.console import Console

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.errors import DatabaseUnsound, DatabaseWanted
from tangle.cli.failures import ExitStatus
from tangle.cli.groups import TangleCommand, TangleGroup
from tangle.cli.progress import ProgressBar
from tangle.core.genesis import Genesis, compute_chain_id, decode_genesis
from tangle.core.types import Shard
from tangle.node.care.checking import check_tables
from tangle.node.care.findings import Fault, Finding, OnProgress, Report
from tangle.store.copies import compact as compact_database
from tangle.store.copies import copy_database
from tangle.store.errors import CopyExists, CopyFailed, HomeInUse, StoreUnreadable
from tangle.store.files import PRIVATE_DIRECTORY_MODE, read_private_file, write_private_file
from tangle.store.home import Home, hold_home, open_home
from tangle.store.pages import PageFile
from tangle.store.places import DATA_NAME, finish_swap, get_making, list_directories
from tangle.store.portable import ExportReader, import_rows
from tangle.store.portable import export as export_rows
from tangle.store.snapshot import open_snapshot


@click.group(cls=TangleGroup)
def db() -> None:
    """Check, repair, copy and move what a node has on disk."""


@db.command(cls=TangleCommand)
@click.option("--deep", is_flag=True, help="Also verify signatures of certificates and compute every root.")
@pass_context
def check(context: CommandContext, deep: bool) -> None:
    """Read everything and follow every reference; exit status 1 when something is wrong.

    Nothing is written. A node may run meanwhile: what is checked is the database of one moment. Where none
    runs, the pages of the files are read first.
    """
    home, genesis = _open(context)
    with _telling(context) as on_progress:
        reports = [_check_part(part, genesis, deep, on_progress) for part in home.list_parts()]
    found = [finding for report in reports for finding in report.findings]
    total = sum(report.findings_total for report in reports)
    record = {
        "home": str(home.path),
        "is_sound": not total,
        "rows": sum(report.rows_total for report in reports),
        "findings_total": total,
        "findings": [_describe(finding) for finding in found],
    }

    def render(console: Console) -> None:
        for finding in found:
            console.print(finding.describe(), soft_wrap=True)
        if total > len(found):
            console.print(f"and {total - len(found)} more")
        verdict = "sound" if not total else f"{total} findings"
        console.print(f"{record['rows']} rows read: {verdict}")

    context.emit(record, render)
    if total:
        raise SystemExit(ExitStatus.FAILED)


def _describe(finding: Finding) -> dict[str, object]:
    return {
        "fault": finding.fault.value,
        "table": None if finding.table is None else finding.table.title,
        "place": finding.place,
        "detail": finding.detail,
    }


def _check_part(part: Home, genesis: Genesis, is_deep: bool, on_progress: OnProgress) -> Report:
    report = Report()
    with suppress(HomeInUse), hold_home(part):
        # Nobody writes: the pages stand still. LMDB follows damaged ones to wherever they lead.
        finish_swap(part.database)
        _check_pages(part, report, on_progress)
    if not report.is_sound:
        return report
    with open_snapshot(part.database, compute_chain_id(genesis)) as snapshot:
        return check_tables(snapshot, genesis, is_deep=is_deep, on_progress=on_progress)


def _check_pages(part: Home, report: Report, on_progress: OnProgress) -> None:
    try:
        directories = list_directories(part.database)
    except StoreUnreadable as error:
        report.add(Fault.FILE_UNREADABLE, None, str(error.path), str(error))
        return
    for place, directory in enumerate(directories, 1):
        data = directory / DATA_NAME
        try:
            with PageFile(data) as file:
                file.check()
                for fault in file.faults:
                    report.add(Fault.PAGE_DAMAGED, None, f"{data} page {fault.page}", fault.reason)
        except StoreUnreadable as error:
            report.add(Fault.FILE_UNREADABLE, None, str(data), str(error))
        on_progress("pages", place, len(directories))


@db.command(cls=TangleCommand)
@pass_context
def repair(context: CommandContext) -> None:
    """Make a sound database out of a damaged one; the old one is kept beside it as db.damaged-N.

    Indexes and the live state are made again from history. What cannot be read, the node asks its peers for
    when it starts again.
    """
    from aivm.backends.numpy_backend import NumpyBackend
    from tangle.node.care.repairing import Repair

    home, genesis = _open(context)
    done = []
    with _telling(context) as on_progress:
        for part in home.list_parts():
            with hold_home(part):
                shard = part.shard or Shard(0)
                work = Repair(part.database, genesis, shard, NumpyBackend(), on_progress)
                done.append(anyio.run(work.run))
    record = {
        "repaired": [
            {
                "kept": str(each.kept),
                "rows_saved": each.rows_saved,
                "rows_lost": each.rows_lost,
                "pages_damaged": each.pages_damaged,
                "way": each.way,
                "checkpoint": str(each.checkpoint),
                "missing": each.missing,
            }
            for each in done
        ]
    }

    def render(console: Console) -> None:
        for each in done:
            console.print(f"{each.rows_saved} rows saved, {each.rows_lost} lost; done: {each.way}")
            console.print(f"the new database is at checkpoint {each.checkpoint}")
            console.print(f"the old one is kept: {each.kept}", soft_wrap=True)
            if each.missing is not None:
                console.print(f"peers must bring {each.missing}", soft_wrap=True)

    context.emit(record, render)


@db.command(cls=TangleCommand)
@pass_context
def compact(context: CommandContext) -> None:
    """Write the databases anew without free pages; the node must be stopped."""
    home, _ = _open(context)
    done = []
    with _telling(context) as on_progress:
        for part in home.list_parts():
            with hold_home(part):
                done += compact_database(part.database, on_progress)
    record = {
        "compacted": [
            {"name": each.name, "before_bytes": each.before_bytes, "after_bytes": each.after_bytes}
            for each in done
        ]
    }
    fields = {each.name: f"{each.before_bytes} bytes before, {each.after_bytes} now" for each in done}
    context.emit_fields(record, fields)


@db.command(cls=TangleCommand)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Check the copy with its signatures and roots.")
@pass_context
def backup(context: CommandContext, target: Path, deep: bool) -> None:
    """Copy the databases to a new directory while the node runs, and check the copy.

    TARGET becomes a home without keys: genesis and databases. The record of what a validator last signed is
    left out on purpose: an old one must never come back.
    """
    home, genesis = _open(context)
    if target.exists():
        raise CopyExists(target)
    making = Home(get_making(target))
    rows = copied = 0
    with _telling(context) as on_progress:
        try:
            making.path.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True)
            write_private_file(making.genesis, read_private_file(home.genesis, is_secret=False))
            for part in home.list_parts():
                copy = making if part.shard is None else making.get_part(part.shard)
                copied += copy_database(part.database, copy.database, on_progress)
                report = _check_part(copy, genesis, deep, on_progress)
                if not report.is_sound:
                    raise DatabaseUnsound(copy.database, report.findings[0].describe())
                copy.lock.unlink(missing_ok=True)
                rows += report.rows_total
            making.path.rename(target)
        except OSError as error:
            raise CopyFailed(target, error.strerror or str(error)) from error
    record = {"target": str(target), "bytes": copied, "rows": rows}
    context.emit_fields(record, {"backup": target, "size": f"{copied} bytes", "checked": f"{rows} rows"})


@db.command("export", cls=TangleCommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_context
def export_command(context: CommandContext, file: Path) -> None:
    """Write the database to one portable file with digests; the node may run."""
    home, genesis = _open(context)
    chain = compute_chain_id(genesis)
    with _telling(context) as on_progress, open_snapshot(_get_only_part(home).database, chain) as snapshot:
        rows = export_rows(snapshot, chain, file, on_progress)
    size = file.stat().st_size
    record = {"file": str(file), "rows": rows, "bytes": size}
    context.emit_fields(record, {"file": file, "rows": rows, "size": f"{size} bytes"})


@db.command("import", cls=TangleCommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_context
def import_command(context: CommandContext, file: Path) -> None:
    """Read such a file into a home that has no database yet, and check it."""
    home, genesis = _open(context)
    part = _get_only_part(home)
    with _telling(context) as on_progress, hold_home(part):
        finish_swap(part.database)
        if any(path.is_dir() for path in part.database.glob("*")):
            raise CopyExists(part.database)
        rows = anyio.run(_import, file, part, genesis, on_progress)
    context.emit_fields({"file": str(file), "rows": rows}, {"imported": file, "rows": rows})


async def _import(file: Path, part: Home, genesis: Genesis, on_progress: OnProgress) -> int:
    import shutil

    from tangle.store.lmdb_store import open_lmdb_store

    chain, making = compute_chain_id(genesis), get_making(part.database)
    shutil.rmtree(making, ignore_errors=True)
    with file.open("rb") as stream:
        reader = ExportReader(stream, file)
        reader.check(chain)
        store = open_lmdb_store(making, chain)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            fault: Exception | None = None
            rows = 0
            try:
                rows = await import_rows(reader, store, on_progress)
            except Exception as error:
                fault = error
            store.stop()
        store.close()
    if fault is not None:
        shutil.rmtree(making, ignore_errors=True)
        raise fault
    with open_snapshot(making, chain) as snapshot:
        report = check_tables(snapshot, genesis, on_progress=on_progress)
    if not report.is_sound:
        shutil.rmtree(making, ignore_errors=True)
        raise DatabaseUnsound(file, report.findings[0].describe())
    if part.database.exists():
        part.database.rmdir()
    making.rename(part.database)
    return rows


def _open(context: CommandContext) -> tuple[Home, Genesis]:
    home = open_home(context.home)
    return home, decode_genesis(read_private_file(home.genesis, is_secret=False))


def _get_only_part(home: Home) -> Home:
    parts = home.list_parts()
    if len(parts) > 1:
        raise DatabaseWanted(home.path, len(parts))
    return parts[0]


@contextmanager
def _telling(context: CommandContext) -> Iterator[Callable[[str, int, int], None]]:
    bar = ProgressBar(context)
    with bar:
        yield bar.show
