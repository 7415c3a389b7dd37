"""Everything drawn by hash, against a second reading of the rules in plain Python."""

from hashlib import shake_256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.layered import EvaluationShape, LayeredShape
from poi.assignment import BoardJob, draw_job
from poi.errors import EmptyBoard
from poi.events import Assignment
from poi.seeds import (
    compute_batch_places,
    compute_evaluation_seed,
    compute_initial_weights,
    compute_signs,
)
from tangle.core.hashing import BATCH, INIT, SEED, compute_record_hash
from tangle.core.types import INTEGER_MAX, JobId, PublicKey, Sequence
from tests.poi.builders import make_issuer

JOB = JobId(b"\x2a" * 32)
SHAPE = EvaluationShape(LayeredShape((5, 3, 4), (2,)), 1, 1, 1, 1)
assignments = st.lists(
    st.builds(
        Assignment,
        st.binary(min_size=32, max_size=32).map(PublicKey),
        st.integers(0, INTEGER_MAX).map(Sequence),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=6,
)


def _read_bits(stream: bytes) -> list[int]:
    return [1 if byte >> place & 1 else -1 for byte in stream for place in range(8)]


@given(st.integers(0, INTEGER_MAX), assignments)
def test_signs_follow_the_written_rule(generation: int, drawn: list[Assignment]) -> None:
    left, right = compute_signs(SHAPE, JOB, generation, drawn)
    row = 0
    for assignment in drawn:
        seed = compute_record_hash(SEED, JOB, generation, assignment.issuer, assignment.sequence)
        assert compute_evaluation_seed(JOB, generation, assignment) == seed
        stream = shake_256(seed).digest(2 * assignment.evaluations)  # 15 signs fill two bytes
        for index in range(assignment.evaluations):
            bits = _read_bits(stream[2 * index : 2 * index + 2])
            expected = [bits[0:5], bits[5:8], bits[8:11], bits[11:15]]
            found = [
                left[0][row].tolist(),
                right[0][row].tolist(),
                left[1][row].tolist(),
                right[1][row].tolist(),
            ]
            assert found == expected
            row += 1
    assert len(left[0]) == row


def test_another_generation_issuer_sequence_or_job_draws_other_signs() -> None:
    shape = EvaluationShape(LayeredShape((64, 10), ()), 1, 1, 1, 1)
    base = Assignment(make_issuer(1), Sequence(5), 1)
    draws = [
        compute_signs(shape, JOB, 3, [base]),
        compute_signs(shape, JOB, 4, [base]),
        compute_signs(shape, JOB, 3, [Assignment(make_issuer(2), Sequence(5), 1)]),
        compute_signs(shape, JOB, 3, [Assignment(make_issuer(1), Sequence(6), 1)]),
        compute_signs(shape, JobId(bytes(32)), 3, [base]),
    ]
    assert len({left[0].tobytes() + right[0].tobytes() for left, right in draws}) == len(draws)


@given(st.integers(0, INTEGER_MAX), st.integers(1, 40), st.integers(1, 2000))
def test_batches_follow_the_written_rule(generation: int, rows: int, dataset_rows: int) -> None:
    stream = shake_256(compute_record_hash(BATCH, JOB, generation)).digest(4 * rows)
    expected = [int.from_bytes(stream[4 * j : 4 * j + 4], "little") % dataset_rows for j in range(rows)]
    assert compute_batch_places(JOB, generation, rows, dataset_rows).tolist() == expected


def test_initial_weights_follow_the_written_rule() -> None:
    layers = LayeredShape((3, 2, 2), (1,))
    stream = shake_256(compute_record_hash(INIT, JOB)).digest(10)
    values = [byte % 32 - 16 for byte in stream]
    first, second = compute_initial_weights(layers, JOB)
    assert first.tolist() == [values[0:2], values[2:4], values[4:6]]
    assert second.tolist() == [values[6:8], values[8:10]]


def test_jobs_are_drawn_in_proportion_to_their_budgets() -> None:
    board = [BoardJob(JobId(bytes([number]) * 32), budget) for number, budget in enumerate((1, 0, 3))]
    draws = [draw_job(board, make_issuer(1), sequence) for sequence in range(4000)]
    counts = [draws.count(entry.job) for entry in board]
    assert counts[1] == 0
    assert abs(counts[0] - 1000) < 120  # more than four standard deviations
    assert draws == [draw_job(board, make_issuer(1), sequence) for sequence in range(4000)]
    with pytest.raises(EmptyBoard):
        draw_job([], make_issuer(1), 0)
    with pytest.raises(EmptyBoard):
        draw_job(board[1:2], make_issuer(1), 0)
