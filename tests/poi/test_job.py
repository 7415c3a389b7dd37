"""What a job is, what it cannot be, and that its id binds every number."""

import pytest
from msgspec.structs import replace

from aivm.doctor import SPEED_SHAPE
from poi.errors import InvalidDataset, InvalidJob, UnknownDataset
from poi.evolution import open_job
from poi.job import JOB_SIZE_MAX, StandingJob, compute_job_id, decode_job
from poi.presets import DIGITS
from tangle.core.encoding import encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.types import Digest, Milliseconds

CHANGES: list[dict[str, object]] = [
    {"sizes": (64, 31, 10)},
    {"shifts": (7,)},
    {"fixed_point_bits": 7},
    {"sigma": 5},
    {"step": 9},
    {"population": 49},
    {"rows": 65},
    {"margin_low": 1},
    {"margin_high": 1},
    {"dataset": DIGITS.holdout},
    {"holdout": DIGITS.dataset},
    {"init_seed": Digest(b"\x01" * 32)},
    {"generation_interval_ms": Milliseconds(1)},
    {"staleness": 5},
    {"work_window": 65},
]


def _change(change: dict[str, object]) -> StandingJob:
    return replace(DIGITS, **change)


def test_every_field_is_bound_by_the_id() -> None:
    ids = {compute_job_id(_change(change)) for change in CHANGES}
    assert len(ids | {compute_job_id(DIGITS)}) == len(CHANGES) + 1
    assert len(CHANGES) == len(StandingJob.__struct_fields__)


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": (64,)},
        {"sizes": (64, 32, 1)},
        {"shifts": ()},
        {"shifts": (32,)},
        {"fixed_point_bits": 17},
        {"sigma": 0},
        {"sigma": 128},
        {"step": 0},
        {"step": 2**16 + 1},
        {"population": 0},
        {"rows": 0},
        {"rows": 4097},
        {"margin_low": 2**31},
        {"margin_low": 0, "margin_high": 0},
        {"staleness": 65},
        {"work_window": 1025},
        {"sizes": (65_536, 2), "shifts": ()},
    ],
)
def test_impossible_jobs_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidJob):
        _change(change)


def test_jobs_travel_as_canonical_bytes() -> None:
    data = encode(DIGITS)
    assert decode_job(data) == DIGITS
    with pytest.raises(MalformedEncoding):
        decode_job(data + b"\x00")
    with pytest.raises(OversizeEncoding):
        decode_job(bytes(JOB_SIZE_MAX + 1))


def test_an_impossible_job_cannot_be_decoded() -> None:
    fields = [getattr(DIGITS, name) for name in StandingJob.__struct_fields__]
    fields[StandingJob.__struct_fields__.index("sigma")] = 0
    with pytest.raises(MalformedEncoding):
        decode_job(encode(fields))


def test_jobs_need_data_that_are_here_and_fit() -> None:
    with pytest.raises(UnknownDataset):
        open_job(_change({"dataset": Digest(bytes(32))}))
    with pytest.raises(InvalidDataset):
        open_job(_change({"sizes": (63, 32, 10)}))
    with pytest.raises(InvalidDataset):
        open_job(_change({"sizes": (64, 32, 9)}))


def test_cost_of_an_evaluation() -> None:
    weights, signs = 64 * 32 + 32 * 10, 64 + 32 + 32 + 10
    assert replace(DIGITS, rows=32).make_shape().multiply_accumulates == 2 * 32 * (weights + signs)


def test_speeds_are_told_for_this_job() -> None:
    assert DIGITS.make_shape() == SPEED_SHAPE
