"""The glance at each start: quick whatever there is, and not fooled by a bent head."""

import anyio
import pytest

from shards.blocks import decode_block
from shards.guard import LastSigned, encode_last_signed
from tangle.core.genesis import Genesis
from tangle.node.care.findings import Fault
from tangle.node.care.self_check import BLOCKS, CHECKPOINTS, SelfCheckFailed, check_start
from tangle.store.memory_store import Disk, MemoryStore
from tangle.store.store import Environment, Table, WriteBatch
from tests.node.care.homes import Bend, flip_last, live_with_guard, remove
from tests.node.twins import make_backend, make_key

KEY = make_key("validator 0").public_key


@pytest.fixture(scope="module")
def lived() -> tuple[Genesis, Disk, bytes]:
    """What a lone validator left, and the record of what it last signed."""
    name, options = make_backend("asyncio")
    return anyio.run(live_with_guard, backend=name, backend_options=options)


@pytest.fixture
def store(lived: tuple[Genesis, Disk, bytes]) -> MemoryStore:
    """A copy to be bent."""
    store = MemoryStore()
    batch = WriteBatch()
    for table, content in lived[1].items():
        for key, value in content.values.items():
            batch.put(table, key, value)
    for environment in Environment:
        store.apply(environment, batch.changes)
    return store


def bend_row(store: MemoryStore, table: Table, place: int, bend: Bend) -> None:
    content = store.disk[table]
    key = content.keys[place]
    changed = bend(key, content.values[key])
    if changed is None:
        content.delete(key)
    else:
        content.put(key, changed)


def test_a_sound_home_passes_with_few_reads(store: MemoryStore, lived: tuple[Genesis, Disk, bytes]) -> None:
    report = check_start(store, lived[2], KEY)
    assert report.is_sound
    assert 5 < report.rows_total <= CHECKPOINTS + BLOCKS + 2


def test_an_empty_home_passes() -> None:
    assert check_start(MemoryStore(), b"", None).is_sound


@pytest.mark.parametrize(
    ("table", "place", "bend"),
    [
        pytest.param(Table.CHECKPOINTS, -1, remove, id="head-gone"),
        pytest.param(Table.CHECKPOINTS, -2, remove, id="gap"),
        pytest.param(Table.CHECKPOINTS, -3, flip_last, id="checkpoint-changed"),
        pytest.param(Table.META, 3, flip_last, id="state-changed"),
        pytest.param(Table.COMMITS, -1, remove, id="commit-gone"),
    ],
)
def test_a_bent_head_is_refused(
    store: MemoryStore, lived: tuple[Genesis, Disk, bytes], table: Table, place: int, bend: Bend
) -> None:
    bend_row(store, table, place, bend)
    with pytest.raises(SelfCheckFailed, match="tangle db repair"):
        check_start(store, lived[2], KEY)


def test_an_old_record_of_the_last_signed_block_is_told_of(
    store: MemoryStore, lived: tuple[Genesis, Disk, bytes]
) -> None:
    early = read_record(store, 3)
    report = check_start(store, early, KEY)
    assert [finding.fault for finding in report.findings] == [Fault.GUARD_BEHIND]
    assert check_start(store, early, None).is_sound, "an observer signs nothing"


def read_record(store: MemoryStore, place: int) -> bytes:
    """The record after signing one of the stored blocks."""
    encoded = store.disk[Table.BLOCKS].values[store.disk[Table.BLOCKS].keys[place]]
    block = decode_block(encoded)
    reference, body = block.reference, block.body
    record = LastSigned(body.chain, body.epoch, body.shard, reference.round, reference.digest, encoded)
    return encode_last_signed(record)
