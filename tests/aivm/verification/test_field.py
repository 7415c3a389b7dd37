"""The field and exact projections against Python's own integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.verification import field
from aivm.verification.challenges import (
    compute_vector_count,
    draw_elements,
    draw_places,
    draw_vectors,
    select_elements,
)
from aivm.verification.errors import InvalidProduct, InvalidRequest
from aivm.verification.field import PRIME
from aivm.verification.projection import (
    BLOCK_COLUMNS,
    MAGNITUDE_BITS,
    compute_left_projection,
    compute_limb_bits,
    compute_projection,
    make_vector,
)
from tests.aivm.verification import oracles

ELEMENTS = st.integers(0, PRIME - 1) | st.sampled_from(
    [0, 1, 2, PRIME - 1, PRIME - 2, 2**31, 2**31 - 1, 2**60]
)
KINDS = {"i1": (-128, 127), "u1": (0, 255), "i2": (-(2**15), 2**15 - 1), "i4": (-(2**31), 2**31 - 1)}


def make(values: list[int]) -> field.Elements:
    return np.array(values, np.uint64)


@given(st.lists(st.tuples(ELEMENTS, ELEMENTS), min_size=1, max_size=20), st.integers(0, 60))
def test_operations_are_those_of_the_integers_modulo_p(pairs: list[tuple[int, int]], bits: int) -> None:
    left, right = make([pair[0] for pair in pairs]), make([pair[1] for pair in pairs])
    assert field.multiply(left, right).tolist() == [a * b % PRIME for a, b in pairs]
    assert field.add(left, right).tolist() == [(a + b) % PRIME for a, b in pairs]
    assert field.subtract(left, right).tolist() == [(a - b) % PRIME for a, b in pairs]
    assert field.rotate(left, bits).tolist() == [a * 2**bits % PRIME for a, _ in pairs]
    assert field.compute_inner_product(left, right) == sum(a * b for a, b in pairs) % PRIME
    assert field.add_up(left) == sum(a for a, _ in pairs) % PRIME


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1))
def test_signed_integers_become_elements(values: list[int]) -> None:
    assert field.make_elements(np.array(values, np.int64)).tolist() == [value % PRIME for value in values]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_any_word_is_reduced(values: list[int]) -> None:
    assert field.reduce(make(values)).tolist() == [value % PRIME for value in values]


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_projections_are_exact(kind: str, data: st.DataObject) -> None:
    low, high = KINDS[kind]
    rows, terms, count = (data.draw(st.integers(1, largest)) for largest in (5, 40, 3))
    seed = data.draw(st.integers(0, 2**32))
    matrix = np.random.default_rng(seed).integers(low, high + 1, (rows, terms)).astype(kind)
    vectors = draw_vectors(seed.to_bytes(8, "big"), terms, count)
    expected = [oracles.project(matrix.tolist(), vectors[:, at].tolist()) for at in range(count)]
    assert compute_projection(matrix, vectors).T.tolist() == expected
    assert compute_projection(np.asfortranarray(matrix), vectors).T.tolist() == expected
    assert compute_left_projection(vectors[:, 0], np.ascontiguousarray(matrix.T)).tolist() == expected[0]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("edge", ["lowest", "highest"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_extremes_in_rows_longer_than_a_block_do_not_overflow(kind: str, edge: str, order: str) -> None:
    value = KINDS[kind][edge == "highest"]
    terms = 2 * BLOCK_COLUMNS[kind] + 3
    matrix = np.full((2, terms), value, dtype=kind, order="C" if order == "C" else "F")
    vectors = np.full((terms, 1), PRIME - 1, np.uint64)
    assert compute_projection(matrix, vectors)[:, 0].tolist() == [value * terms * (PRIME - 1) % PRIME] * 2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_limbs_keep_every_sum_within_what_float64_holds(kind: str) -> None:
    largest = max(map(abs, KINDS[kind]))
    bits = compute_limb_bits(MAGNITUDE_BITS[kind], BLOCK_COLUMNS[kind])
    assert largest <= 2 ** MAGNITUDE_BITS[kind]
    assert largest * (2**bits - 1) * BLOCK_COLUMNS[kind] < 2**53


@pytest.mark.parametrize(
    ("matrix", "vectors"),
    [
        (np.zeros((2, 3), np.float64), np.zeros((3, 1), np.uint64)),
        (np.zeros((2, 3), np.int64), np.zeros((3, 1), np.uint64)),
        (np.zeros((2, 3), np.int8), np.zeros((2, 1), np.uint64)),
        (np.zeros(3, np.int8), np.zeros((3, 1), np.uint64)),
    ],
    ids=["floats", "64-bit", "shapes", "no matrix"],
)
def test_what_is_not_exact_is_refused(matrix: np.ndarray, vectors: np.ndarray) -> None:
    with pytest.raises(InvalidProduct):
        compute_projection(matrix, vectors)


@pytest.mark.parametrize("value", [-1, PRIME])
def test_elements_are_below_the_prime(value: int) -> None:
    with pytest.raises(InvalidProduct):
        make_vector([value])


@given(st.binary(max_size=40), st.integers(1, 300))
def test_drawn_elements_are_those_of_the_stream(seed: bytes, count: int) -> None:
    assert draw_elements(seed, count).tolist() == oracles.draw(seed, count)


@given(st.binary(max_size=40), st.integers(1, 5000), st.data())
def test_drawn_places_are_different_and_in_range(seed: bytes, size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, min(size, 64)))
    places = draw_places(seed, size, count)
    assert len(set(places)) == count
    assert list(places) == sorted(places)
    assert 0 <= places[0] <= places[-1] < size


def test_words_that_would_favour_some_elements_or_places_are_left_out() -> None:
    words = np.array([PRIME, 2**64 - 1, 5, 2**63 + 7, PRIME - 1], np.uint64)
    assert select_elements(words).tolist() == [5, 7, PRIME - 1]
    size = 3 * 2**62  # a quarter of all words lies above it
    expected = oracles.draw_places(b"seed", size, 40)
    assert list(draw_places(b"seed", size, 40)) == expected


def test_all_places_can_be_drawn() -> None:
    assert draw_places(b"", 100, 100) == tuple(range(100))


@pytest.mark.parametrize(("bits", "vectors"), [(1, 1), (60, 1), (61, 2), (120, 2), (121, 3)])
def test_vectors_for_an_error_bound(bits: int, vectors: int) -> None:
    assert compute_vector_count(bits) == vectors
    assert PRIME**vectors >= 2**bits


@pytest.mark.parametrize("bits", [0, 481])
def test_error_bounds_out_of_range_are_refused(bits: int) -> None:
    with pytest.raises(InvalidRequest):
        compute_vector_count(bits)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (3, 4), (3, 0)])
def test_more_places_than_there_are_cannot_be_drawn(size: int, count: int) -> None:
    with pytest.raises(InvalidRequest):
        draw_places(b"", size, count)
