"""Snapshots that were changed, by accident or on purpose, are refused with the place and what to do."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tangle.core.errors import TangleError, WrongChain
from tangle.core.genesis import Genesis
from tangle.core.types import Milliseconds
from tangle.node.snapshots.errors import SnapshotDamaged, SnapshotFalse, SnapshotUncertified
from tangle.node.snapshots.records import (
    MAGIC,
    PURPOSE,
    STATE_TABLES,
    Blocks,
    Commits,
    End,
    EpochEnds,
    Head,
    Master,
    Record,
    Rows,
    Section,
    decode_record,
    encode_record,
)
from tangle.node.snapshots.verifying import Finished, verify_snapshot
from tangle.store.framed import FrameReader, FrameWriter
from tangle.store.store import Table
from tests.node.snapshots.makers import ignore, make_snapshot
from tests.node.traffic import send_everywhere
from tests.node.twins import make_backend
from tests.node.world import network_of, wait_all_final, wait_until


async def live(path: Path) -> Genesis:
    async with network_of(4) as world:
        await wait_all_final(world.members, await send_everywhere(world, 15))
        # An epoch has ended, and the next one has checkpoints.
        await wait_until(lambda: world.members[0].node.finality.certified >= 60, timeout_s=120)
        await wait_all_final(world.members, await send_everywhere(world, 3))
        await make_snapshot(world.members[0], world.genesis, path)
        return world.genesis


@cache
def get_sound() -> tuple[Genesis, bytes]:
    """A network, and the snapshot of one of its nodes."""
    name, options = make_backend("asyncio")
    with TemporaryDirectory() as directory:
        path = Path(directory) / "snapshot"
        genesis = anyio.run(live, path, backend=name, backend_options=options)
        return genesis, path.read_bytes()


def read_records(content: bytes) -> list[Record]:
    def make_fault(place: int, reason: str) -> TangleError:
        return SnapshotDamaged(Path("a-file"), place, reason)

    frames = FrameReader(BytesIO(content), MAGIC, PURPOSE, make_fault)
    records = [decode_record(frames.read())]
    while not isinstance(records[-1], End):
        records.append(decode_record(frames.read()))
    return records


def write_records(records: list[Record]) -> bytes:
    file = BytesIO()
    writer = FrameWriter(file, MAGIC, PURPOSE)
    for record in records:
        writer.write(encode_record(record))
    return file.getvalue()


def verify(content: bytes, genesis: Genesis) -> Finished:
    *_, last = verify_snapshot(BytesIO(content), Path("a-file"), genesis, ignore)
    assert isinstance(last, Finished)
    return last


def find(records: list[Record], kind: type[Record]) -> int:
    return next(place for place, record in enumerate(records) if isinstance(record, kind))


Forge = Callable[[list[Record]], None]
"""Changes records the way somebody would who then computes all digests of frames anew."""


def swap_certificate(records: list[Record]) -> None:
    head = records[0]
    assert isinstance(head, Head)
    certificate = head.certificate
    short = replace(certificate, signatures=certificate.signatures[:2])
    records[0] = replace(head, certificate=short)


def move_certificate(records: list[Record]) -> None:
    head = records[0]
    assert isinstance(head, Head)
    certificate = head.certificate
    forged = replace(certificate.signatures[0], signature=certificate.signatures[1].signature)
    changed = replace(certificate, signatures=(forged, *certificate.signatures[1:]))
    records[0] = replace(head, certificate=changed)


def drop_epochs(records: list[Record]) -> None:
    del records[find(records, EpochEnds)]


def change_state(records: list[Record]) -> None:
    head = records[0]
    assert isinstance(head, Head)
    changed = replace(head.checkpoint, timestamp_ms=Milliseconds(head.checkpoint.timestamp_ms + 1))
    records[0] = replace(head, checkpoint=changed)


def enrich(records: list[Record]) -> None:
    place = find(records, Rows)
    rows = records[place]
    assert isinstance(rows, Rows)
    assert STATE_TABLES[rows.table] is Table.ACCOUNTS
    (key, value), *others = rows.rows
    richer = (key, (int.from_bytes(value[:8], "big") + 1).to_bytes(8, "big") + value[8:])
    records[place] = replace(rows, rows=(richer, *others))


def lose_row(records: list[Record]) -> None:
    place = find(records, Rows)
    rows = records[place]
    assert isinstance(rows, Rows)
    records[place] = replace(rows, rows=rows.rows[1:])
    end = records[-1]
    assert isinstance(end, End)
    records[-1] = replace(end, rows=end.rows - 1)


def change_weights(records: list[Record]) -> None:
    place = find(records, Master)
    master = records[place]
    assert isinstance(master, Master)
    records[place] = replace(master, master=master.master[:-1] + bytes([master.master[-1] ^ 1]))


def find_busy(records: list[Record]) -> tuple[int, Section]:
    for place, record in enumerate(records):
        if isinstance(record, Section) and len(record.transactions) > 1:
            return place, record
    raise AssertionError("some checkpoint ordered several transactions")


def swap_transactions(records: list[Record]) -> None:
    place, section = find_busy(records)
    first, second, *others = section.transactions
    records[place] = replace(section, transactions=(second, first, *others))


def drop_transaction(records: list[Record]) -> None:
    place, section = find_busy(records)
    records[place] = replace(section, transactions=section.transactions[1:], effects=section.effects[1:])


def drop_checkpoint(records: list[Record]) -> None:
    place, _ = find_busy(records)
    del records[place]


def forget_commit(records: list[Record]) -> None:
    place = find(records, Commits)
    commits = records[place]
    assert isinstance(commits, Commits)
    records[place] = Commits(commits.records[1:])


def lose_commits(records: list[Record]) -> None:
    records[find(records, Commits)] = Commits(())


def forge_block(records: list[Record]) -> None:
    place = find(records, Blocks)
    blocks = records[place]
    assert isinstance(blocks, Blocks)
    item = blocks.items[0]
    records[place] = Blocks((item[:-1] + bytes([item[-1] ^ 1]), *blocks.items[1:]))


def lose_blocks(records: list[Record]) -> None:
    del records[find(records, Blocks)]


def miscount(records: list[Record]) -> None:
    end = records[-1]
    assert isinstance(end, End)
    records[-1] = replace(end, transactions=end.transactions + 1)


def misorder(records: list[Record]) -> None:
    records.insert(-1, records[find(records, Commits)])


def test_a_sound_one_holds_and_is_written_the_same_way_again() -> None:
    genesis, content = get_sound()
    assert verify(content, genesis).transactions > 0
    assert write_records(read_records(content)) == content


@pytest.mark.parametrize("forge", [swap_certificate, move_certificate, drop_epochs])
def test_a_checkpoint_that_nobody_has_to_believe_is_refused(forge: Forge) -> None:
    genesis, content = get_sound()
    records = read_records(content)
    forge(records)
    with pytest.raises(SnapshotUncertified):
        verify(write_records(records), genesis)


@pytest.mark.parametrize(
    "forge",
    [
        change_state, enrich, lose_row, change_weights, swap_transactions, drop_transaction, drop_checkpoint,
        forget_commit, lose_commits, forge_block, lose_blocks, miscount, misorder,
    ],
)  # fmt: skip
def test_what_differs_from_the_certified_checkpoint_is_refused(forge: Forge) -> None:
    genesis, content = get_sound()
    records = read_records(content)
    forge(records)
    with pytest.raises(SnapshotFalse) as caught:
        verify(write_records(records), genesis)
    assert "get one from somebody else" in str(caught.value)


def test_a_snapshot_of_another_chain_is_refused() -> None:
    genesis, content = get_sound()
    with pytest.raises(WrongChain):
        verify(content, replace(genesis, name=b"other"))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_or_missing_byte_is_found(data: st.DataObject) -> None:
    genesis, content = get_sound()
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        bent = content[:place]
    else:
        bent = content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]
    with pytest.raises(SnapshotDamaged):
        verify(bent, genesis)


def test_nothing_follows_the_end() -> None:
    genesis, content = get_sound()
    with pytest.raises(SnapshotDamaged):
        verify(content + b"\x00", genesis)
