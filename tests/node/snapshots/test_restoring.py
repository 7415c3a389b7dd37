"""Restoring into a home on the real disk: all or nothing, whatever happens in between."""

from functools import partial
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from tangle.core.errors import WrongChain
from tangle.core.genesis import Genesis, encode_genesis
from tangle.core.types import Shard
from tangle.node.snapshots.errors import HomeNotEmpty, SnapshotDamaged
from tangle.node.snapshots.opening import restore_apart
from tangle.node.snapshots.restoring import read_state, restore_home
from tangle.node.snapshots.taking import take_snapshot
from tangle.store.errors import StoreUnreadable
from tangle.store.places import get_making, get_repaired
from tests.node.snapshots.makers import ignore
from tests.node.snapshots.test_faults import get_sound, verify

Sound = tuple[Genesis, bytes]


@pytest.fixture(scope="module")
def sound() -> Sound:
    return get_sound()


def restore(content: bytes, tmp_path: Path, genesis: Genesis, *, is_replacing: bool = False) -> None:
    path = tmp_path / "snapshot"
    path.write_bytes(content)
    # On the real loop: the disk is real, and has threads.
    run = partial(restore_home, is_replacing=is_replacing)
    anyio.run(run, path, tmp_path / "db", genesis, Shard(0), ignore)


def get_checkpoint(root: Path, genesis: Genesis) -> int | None:
    state = read_state(root, genesis)
    return None if state is None else state.checkpoint_index


def list_directories(path: Path) -> list[str]:
    return [child.name for child in path.iterdir() if child.is_dir()]


def test_a_restored_home_gives_the_same_snapshot_again(tmp_path: Path, sound: Sound) -> None:
    genesis, content = sound
    (tmp_path / "db").mkdir()
    restore(content, tmp_path, genesis)
    facts = take_snapshot(tmp_path / "db", encode_genesis(genesis), tmp_path / "again", ignore, ignore)
    assert facts.checkpoint == get_checkpoint(tmp_path / "db", genesis)
    assert verify((tmp_path / "again").read_bytes(), genesis) == verify(content, genesis)


def test_a_home_with_a_ledger_is_refused_unless_it_is_given_up(tmp_path: Path, sound: Sound) -> None:
    genesis, content = sound
    restore(content, tmp_path, genesis)
    with pytest.raises(HomeNotEmpty) as caught:
        restore(content, tmp_path, genesis)
    assert caught.value.checkpoint == get_checkpoint(tmp_path / "db", genesis)
    restore(content, tmp_path, genesis, is_replacing=True)
    assert list_directories(tmp_path) == ["db"]


def test_a_bad_one_leaves_the_home_as_it_was(tmp_path: Path, sound: Sound) -> None:
    genesis, content = sound
    with pytest.raises(SnapshotDamaged):
        restore(content[:-9], tmp_path, genesis)
    with pytest.raises(WrongChain):
        restore(content, tmp_path, replace(genesis, name=b"other"))
    assert get_checkpoint(tmp_path / "db", genesis) is None
    assert not get_making(tmp_path / "db").exists()


def test_a_crash_while_restoring_is_made_good_by_the_next_try(tmp_path: Path, sound: Sound) -> None:
    """Killed while rows were written, the database's place is untouched; between the two renames, whoever
    opens it next does the second.
    """
    genesis, content = sound
    root, making = tmp_path / "db", get_making(tmp_path / "db")
    (making / "live").mkdir(parents=True)
    (making / "live" / "data.mdb").write_bytes(b"half of it")
    assert get_checkpoint(root, genesis) is None
    restore(content, tmp_path, genesis)
    checkpoint = get_checkpoint(root, genesis)
    assert checkpoint
    root.rename(get_repaired(root))
    assert get_checkpoint(root, genesis) == checkpoint


def test_history_files_deleted_by_hand_are_noticed(tmp_path: Path, sound: Sound) -> None:
    genesis, content = sound
    restore(content, tmp_path, genesis)
    (tmp_path / "db" / "history-00000000" / "data.mdb").unlink()
    with pytest.raises(StoreUnreadable):
        get_checkpoint(tmp_path / "db", genesis)


def test_a_process_of_its_own_answers_why_not(tmp_path: Path, sound: Sound) -> None:
    genesis, content = sound
    path = tmp_path / "snapshot"
    path.write_bytes(content[:100])
    fault = restore_apart(path, tmp_path / "db", encode_genesis(genesis), Shard(0))
    assert fault is not None
    assert fault[0] == "snapshot-damaged"
    path.write_bytes(content)
    assert restore_apart(path, tmp_path / "db", encode_genesis(genesis), Shard(0)) is None
    assert get_checkpoint(tmp_path / "db", genesis)
