"""The fold against its formula in unbounded integers."""

from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from poi.errors import InvalidJob, InvalidWeights
from poi.events import CountedWork
from poi.evolution import open_job
from poi.folding import compute_direction, compute_fold, make_zero_direction
from poi.seeds import compute_signs
from poi.weights import (
    compute_effective,
    compute_initial_master,
    compute_weights_digest,
    decode_effective,
    decode_master,
    encode_effective,
    encode_matrices,
    get_master_limit,
)
from tests.poi.builders import SMALL, make_assignments

OPENED = open_job(SMALL)
LAYERS = OPENED.shape.layers
MASTER = compute_initial_master(SMALL, OPENED.id)


def test_a_direction_is_the_sum_of_signed_outer_products() -> None:
    generator = np.random.default_rng(5)
    works, expected = [], [np.zeros(shape, np.int64) for shape in LAYERS.matrix_shapes]
    for generation in (3, 4):
        assignments = make_assignments(20, evaluations=2, first=100 * generation)
        left, right = compute_signs(OPENED.shape, OPENED.id, generation, assignments)
        for place, assignment in enumerate(assignments):
            results = tuple(generator.integers(-1, 2, 2).tolist())
            works.append(CountedWork(generation, assignment.issuer, assignment.sequence, results))
            for index, result in enumerate(results):
                for layer, total in enumerate(expected):
                    row = 2 * place + index
                    total += np.sign(result) * np.outer(left[layer][row].astype(np.int64), right[layer][row])
    direction = compute_direction(SMALL, OPENED.id, works)
    assert all(np.array_equal(found, total) for found, total in zip(direction, expected, strict=True))
    assert all(not matrix.any() for matrix in compute_direction(SMALL, OPENED.id, []))


def test_only_the_sign_of_a_result_counts_and_zero_moves_nothing() -> None:
    (assignment,) = make_assignments(1)
    directions = [
        compute_direction(
            SMALL, OPENED.id, [CountedWork(0, assignment.issuer, assignment.sequence, (result,))]
        )[0]
        for result in (1, 2**62, -1, 0)
    ]
    assert np.array_equal(directions[0], directions[1])
    assert np.array_equal(directions[0], -directions[2])
    assert not directions[3].any()


@given(
    st.integers(1, 2**16),
    st.integers(0, 16),
    st.integers(1, 5000),
    st.integers(0, 2**20),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.integers(-(127 << 16), 127 << 16),
)
def test_a_fold_follows_the_written_formula(
    step: int, bits: int, population: int, excess: int, total: int, weight: int
) -> None:
    job = replace(SMALL, step=step, fixed_point_bits=bits, population=population)
    limit, counted = 127 << bits, population + excess
    weight = max(-limit, min(limit, weight))
    master = tuple(np.full(shape, weight, np.int32) for shape in LAYERS.matrix_shapes)
    direction = tuple(np.full(shape, total, np.int32) for shape in LAYERS.matrix_shapes)
    moved = weight + ((step * isqrt((population << 16) // counted) * total) >> 8)
    expected = max(-limit, min(limit, moved))
    for matrix in compute_fold(job, master, direction, counted):
        assert matrix.dtype == np.int32
        assert set(np.unique(matrix).tolist()) == {expected}


def test_a_fold_shifts_to_the_floor() -> None:
    job = replace(SMALL, step=1, population=4)
    direction = tuple(np.full(shape, -1, np.int32) for shape in LAYERS.matrix_shapes)
    # The scale at n = 8 is isqrt(4 * 65536 // 8) = 181, so -181 >> 8 is -1, where truncation would give 0.
    folded = compute_fold(job, make_zero_direction(LAYERS), direction, 8)
    assert all(set(np.unique(matrix).tolist()) == {-1} for matrix in folded)


def test_a_fold_of_too_few_is_refused() -> None:
    with pytest.raises(InvalidJob):
        compute_fold(SMALL, MASTER, make_zero_direction(LAYERS), SMALL.population - 1)


def test_effective_weights_are_floored_and_never_leave_their_range() -> None:
    limit = get_master_limit(SMALL)
    master = tuple(np.full(shape, -1, np.int32) for shape in LAYERS.matrix_shapes)
    assert all(set(np.unique(matrix).tolist()) == {-1} for matrix in compute_effective(SMALL, master))
    for extreme, expected in ((limit, 127), (-limit, -127)):
        master = tuple(np.full(shape, extreme, np.int32) for shape in LAYERS.matrix_shapes)
        assert all(
            set(np.unique(matrix).tolist()) == {expected} for matrix in compute_effective(SMALL, master)
        )


def test_weights_travel_as_bytes() -> None:
    data = encode_matrices(MASTER)
    assert all(np.array_equal(a, b) for a, b in zip(decode_master(SMALL, data), MASTER, strict=True))
    effective = compute_effective(SMALL, MASTER)
    decoded = decode_effective(LAYERS, encode_effective(effective))
    assert all(np.array_equal(a, b) for a, b in zip(decoded, effective, strict=True))
    for bad in (
        data[:-4],
        data + bytes(4),
        b"",
        (get_master_limit(SMALL) + 1).to_bytes(4, "little") + data[4:],
    ):
        with pytest.raises(InvalidWeights):
            decode_master(SMALL, bad)


def test_a_digest_binds_job_generation_shape_and_every_weight() -> None:
    changed = (MASTER[0].copy(), MASTER[1])
    changed[0][-1, -1] += 1
    reshaped = replace(SMALL, sizes=(32, 64, 10))
    digests = {
        compute_weights_digest(SMALL, OPENED.id, 1, MASTER),
        compute_weights_digest(SMALL, OPENED.id, 2, MASTER),
        compute_weights_digest(SMALL, OPENED.id, 1, changed),
        compute_weights_digest(reshaped, OPENED.id, 1, MASTER),
        compute_weights_digest(SMALL, open_job(replace(SMALL, rows=9)).id, 1, MASTER),
    }
    assert len(digests) == 5
