"""The last-signed record: durable before it counts, never silently empty."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.store.errors import GuardDamaged, GuardExists, GuardMissing, HomeUnsafe, StorageFailed
from tangle.store.guard_file import Guard, MemoryGuard, open_guard_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "validator.state"


async def test_records_survive_a_restart(path: Path) -> None:
    guard: Guard = open_guard_file(path, create=True)
    assert guard.record == b""
    await guard.save(b"round 1")
    await guard.save(b"round 2")
    assert guard.record == b"round 2"
    assert open_guard_file(path, create=False).record == b"round 2"


def test_an_empty_start_survives_a_restart_too(path: Path) -> None:
    open_guard_file(path, create=True)
    assert open_guard_file(path, create=False).record == b""
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_missing_file_is_refused_unless_asked_for(path: Path) -> None:
    with pytest.raises(GuardMissing):
        open_guard_file(path, create=False)
    assert not path.exists()


def test_an_existing_file_is_never_started_over(path: Path) -> None:
    open_guard_file(path, create=True).save_nowait(b"signed")
    with pytest.raises(GuardExists):
        open_guard_file(path, create=True)
    assert open_guard_file(path, create=False).record == b"signed"


@given(st.binary(max_size=50), st.data())
def test_any_damage_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, record: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("guard") / "validator.state"
    open_guard_file(path, create=True).save_nowait(record)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(content))
    with pytest.raises(GuardDamaged):
        open_guard_file(path, create=False)


def test_others_may_not_read_it(path: Path) -> None:
    open_guard_file(path, create=True)
    path.chmod(0o644)
    with pytest.raises(HomeUnsafe):
        open_guard_file(path, create=False)


async def test_a_failed_save_keeps_the_old_record(path: Path) -> None:
    guard = open_guard_file(path, create=True)
    await guard.save(b"old")
    path.with_name(".validator.state.new").mkdir()
    with pytest.raises(StorageFailed):
        await guard.save(b"new")
    assert guard.record == b"old"
    assert open_guard_file(path, create=False).record == b"old"


async def test_the_simulated_one_keeps_records(path: Path) -> None:
    guard: Guard = MemoryGuard()
    await guard.save(b"x")
    assert guard.record == b"x"
