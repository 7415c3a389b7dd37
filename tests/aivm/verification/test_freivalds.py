"""Freivalds: right products pass; every wrong one is refused, also those that a ring of 2^32 would let
pass.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.oracle.graph.linear import compute_conv2d
from aivm.program.operators import Conv2d
from aivm.verification.challenges import compute_seed, draw_vectors
from aivm.verification.errors import InvalidProduct, WrongProduct
from aivm.verification.freivalds import (
    TERMS_MAX,
    Product,
    is_small,
    prepare,
    verify_by_recomputing,
    verify_prepared,
    verify_product,
)
from aivm.verification.windows import list_convolution_products
from tangle.core.types import Digest
from tests.aivm.verification.builders import make_bytes

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 40), st.integers(1, 12))


def make_product(shape: tuple[int, int, int], seed: int, *, with_bias: bool = False) -> Product:
    rows, terms, columns = shape
    left = make_bytes(seed, (rows, terms), -128)
    right = make_bytes(seed + 1, (terms, columns), -128)
    bias = (
        np.random.default_rng(seed).integers(-(2**23), 2**23, columns).astype(np.int32) if with_bias else None
    )
    result = left.astype(np.int64) @ right.astype(np.int64) + (0 if bias is None else bias)
    return Product(left, right, result.astype(np.int32), bias)


def draw(columns: int, count: int = 2, seed: bytes = b"seed") -> np.ndarray:
    return draw_vectors(seed, columns, count)


def refuse(product: Product) -> int:
    with pytest.raises(WrongProduct) as caught:
        verify_product(product, draw(product.shape[2]))
    with pytest.raises(WrongProduct) as again:
        verify_by_recomputing(product)
    assert again.value.row == caught.value.row
    return caught.value.row


@given(SHAPES, st.integers(0, 2**32), st.booleans())
def test_right_products_pass(shape: tuple[int, int, int], seed: int, with_bias: bool) -> None:  # drawn
    product = make_product(shape, seed, with_bias=with_bias)
    verify_product(product, draw(shape[2]))
    verify_by_recomputing(product)


@given(SHAPES, st.integers(0, 2**32), st.integers(1, 2**32 - 1), st.data())
def test_one_wrong_entry_is_found_in_its_row(
    shape: tuple[int, int, int], seed: int, error: int, data: st.DataObject
) -> None:
    product = make_product(shape, seed)
    row, column = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[2] - 1))
    product.result[row, column] = np.int64(int(product.result[row, column]) + error).astype(np.int32)
    assert refuse(product) == row


def test_an_entry_that_is_wrong_by_half_the_ring_is_found_under_every_vector() -> None:
    # Modulo 2^32 an even factor would hide it: half of all checks would pass.
    product = make_product((3, 20, 4), 5)
    product.result[1, 2] = np.int64(int(product.result[1, 2]) ^ -(2**31)).astype(np.int32)
    for number in range(100):
        with pytest.raises(WrongProduct):
            verify_product(product, draw(4, 1, bytes([number])))


def test_rows_in_another_order_are_found() -> None:
    product = make_product((6, 20, 4), 6)
    assert refuse(Product(product.left, product.right, product.result[::-1].copy())) == 0


def test_lazy_zeros_are_found() -> None:
    product = make_product((6, 20, 4), 7)
    refuse(Product(product.left, product.right, np.zeros_like(product.result)))


def test_errors_that_cancel_in_a_row_are_found() -> None:
    product = make_product((2, 9, 6), 8)
    product.result[1, :2] += np.array([1, -1], np.int32)
    assert refuse(product) == 1


def test_a_forgotten_bias_is_found() -> None:
    product = make_product((4, 9, 6), 9, with_bias=True)
    refuse(Product(product.left, product.right, product.result))


@pytest.mark.parametrize("value", [-128, 127])
def test_the_longest_sum_of_extremes_is_exact(value: int) -> None:
    left = np.full((1, TERMS_MAX), value, np.int8)
    right = np.full((TERMS_MAX, 2), value, np.int8)
    result = np.full((1, 2), value * value * TERMS_MAX, np.int64).astype(np.int32)
    verify_product(Product(left, right, result), draw(2))
    verify_by_recomputing(Product(left, right, result))
    refuse(Product(left, right, result + np.int32(1)))


def test_a_longer_sum_is_refused() -> None:
    product = Product(
        np.zeros((1, TERMS_MAX + 1), np.int8),
        np.zeros((TERMS_MAX + 1, 1), np.int8),
        np.zeros((1, 1), np.int32),
    )
    with pytest.raises(InvalidProduct):
        verify_product(product, draw(1))
    with pytest.raises(InvalidProduct):
        verify_by_recomputing(product)


@pytest.mark.parametrize("change", ["rows", "type", "terms"])
def test_what_does_not_fit_is_refused(change: str) -> None:
    product = make_product((3, 5, 4), 1)
    wrong = {
        "rows": Product(product.left, product.right, product.result[:2]),
        "type": Product(product.left, product.right, product.result.astype(np.int8)),
        "terms": Product(product.left[:, :4], product.right, product.result),
    }[change]
    with pytest.raises(InvalidProduct):
        verify_product(wrong, draw(4))
    with pytest.raises(InvalidProduct):
        verify_by_recomputing(wrong)


def test_one_preparation_serves_many_calls() -> None:
    product = make_product((8, 30, 5), 3, with_bias=True)
    kept = prepare(product.right, draw(5), product.bias)
    for rows in (slice(0, 1), slice(1, 4), slice(4, 8)):
        verify_prepared(product.left[rows], product.result[rows], kept)
    product.result[6, 4] += 1
    with pytest.raises(WrongProduct) as caught:
        verify_prepared(product.left[4:], product.result[4:], kept)
    assert caught.value.row == 2


def test_public_vectors_follow_the_commitment_and_the_beacon() -> None:
    first = compute_seed(Digest(bytes(32)), b"", 3, 1)
    others = [
        compute_seed(Digest(b"\x01" * 32), b"", 3, 1),
        compute_seed(Digest(bytes(32)), b"beacon", 3, 1),
        compute_seed(Digest(bytes(32)), b"", 2, 1),
        compute_seed(Digest(bytes(32)), b"", 3, 2),
    ]
    assert len({first, *others}) == 5


def test_small_products_are_computed_again() -> None:
    assert is_small(make_product((4, 4, 4), 0))
    wide = Product(
        np.zeros((257, 256), np.int8), np.zeros((256, 256), np.int8), np.zeros((257, 256), np.int32)
    )
    assert not is_small(wide)


@given(
    st.sampled_from([1, 2]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.integers(0, 2**32),
)
def test_convolutions_are_products(
    groups: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    seed: int,
) -> None:
    operator = Conv2d(strides, pads, dilations, groups, 0, 0)
    image = make_bytes(seed, (2, 2 * groups, 7, 6), -128).astype(np.int16)
    kernels = make_bytes(seed + 1, (3 * groups, 2, *kernel), -128).astype(np.int16)
    bias = np.arange(3 * groups, dtype=np.int32) * 77
    wide = compute_conv2d(
        operator, image.astype(np.int64), kernels.astype(np.int64)[None], bias.astype(np.int64)[None]
    )
    products = list_convolution_products(image, kernels, bias, operator, wide.astype(np.int32))
    assert len(products) == groups
    for product in products:
        verify_product(product, draw(product.shape[2]))
    wrong = wide.astype(np.int32)
    wrong[1, -1, 0, 0] += 1
    with pytest.raises(WrongProduct):
        verify_by_recomputing(list_convolution_products(image, kernels, bias, operator, wrong)[-1])
