"""Checks ``C = A B`` by random projection: ``A (B r) = C r`` modulo 2^61 - 1.

Source: Freivalds 1977; with secret vectors and stored ``B r`` as in Slalom (Tramer, Boneh, ICLR 2019). A
wrong C differs from the product in some row, also modulo p because both are smaller than p; a uniform
vector then hides the difference with probability 1/p, t independent ones with 1/p^t.

Nothing overflows: ``compute_projection`` is exact for its element types, and the product itself is kept to
``k 2^15 2^15 <= 2^53`` so that recomputing it in float64 is exact too.
"""

from math import prod
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.verification.errors import InvalidProduct, WrongProduct
from aivm.verification.field import Elements, add
from aivm.verification.projection import MAGNITUDE_BITS, Matrix, compute_projection

RECOMPUTE_MACS_MAX: Final = 256**3
"""Up to so many multiply-accumulates a product is simply computed again: drawing and reducing cost as much.
"""

TERMS_MAX: Final = 2**16
"""Longest sum (K): the bound of AIVM-Q1; int16 operands then stay within 2^46."""


class Product(Struct, frozen=True, eq=False):
    """A claim: ``result = left right + bias``, the bias added to every row."""

    left: Matrix
    """Shape ``(m, k)``, zero points subtracted."""

    right: Matrix
    """Shape ``(k, n)``, zero points subtracted."""

    result: NDArray[np.int32]
    """Shape ``(m, n)``."""

    bias: NDArray[np.int32] | None = None
    """Shape ``(n,)``."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """m, k, n."""
        return self.left.shape[0], self.left.shape[1], self.right.shape[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the product."""
        return prod(self.shape)


class Preparation(Struct, frozen=True, eq=False):
    """What a verifier keeps of one right operand: vectors and their products, made once for many checks.

    With secret vectors nobody can aim at them; they cannot convince a third party, and must be drawn anew
    after a refusal, because a refusal tells its cause one equation about them.
    """

    vectors: Elements
    """Shape ``(n, t)``."""

    products: Elements
    """``B r``, shape ``(k, t)``."""

    offsets: Elements
    """``bias r``, shape ``(1, t)``; zeros without a bias."""


def prepare(right: Matrix, vectors: Elements, bias: NDArray[np.int32] | None = None) -> Preparation:
    """Project the right operand once.

    :param right: shape ``(k, n)``. :param vectors: shape ``(n, t)``.
    :raises InvalidProduct: shapes or types do not fit.
    """
    offsets = np.zeros((1, vectors.shape[1]), np.uint64)
    if bias is not None:
        offsets = compute_projection(bias.reshape(1, -1), vectors)
    return Preparation(vectors, compute_projection(right, vectors), offsets)


def verify_prepared(left: Matrix, result: NDArray[np.int32], preparation: Preparation) -> None:
    """Check ``result = left right + bias`` against a prepared right operand: O(mk + mn).

    :param left: shape ``(m, k)``; stack the rows of many calls with the same weights.
    :raises InvalidProduct: shapes or types do not fit.
    :raises WrongProduct: with the first row that differs.
    """
    shape = (left.shape[0], len(preparation.products), len(preparation.vectors))
    if left.ndim != 2 or left.shape[1] != shape[1] or result.shape != (shape[0], shape[2]):
        raise InvalidProduct(f"shapes {left.shape} and {result.shape} for k x n = {shape[1]} x {shape[2]}")
    if result.dtype != np.int32 or shape[1] > TERMS_MAX:
        raise InvalidProduct(f"a result of type {result.dtype} from sums of {shape[1]}")
    expected = add(compute_projection(left, preparation.products), preparation.offsets)
    _refuse_difference(shape, expected, compute_projection(result, preparation.vectors))


def verify_product(product: Product, vectors: Elements) -> None:
    """Check a product: O(mk + kn + mn).

    :param vectors: shape ``(n, t)``, drawn after the result was committed to.
    :raises InvalidProduct: shapes or types do not fit.
    :raises WrongProduct: with the first row that differs.
    """
    verify_prepared(product.left, product.result, prepare(product.right, vectors, product.bias))


def verify_by_recomputing(product: Product) -> None:
    """Check a product by computing it: cheapest for small ones, and needs no randomness.

    :raises InvalidProduct: shapes or types do not fit.
    :raises WrongProduct: with the first row that differs.
    """
    found = compute_product(product.left, product.right)
    if product.result.shape != found.shape or product.result.dtype != np.int32:
        raise InvalidProduct(f"a result of shape {product.result.shape} and type {product.result.dtype}")
    if product.bias is not None:
        found = found + product.bias
    _refuse_difference(product.shape, found, product.result)


def is_small(product: Product) -> bool:
    """Whether computing a product again costs no more than projecting it."""
    return product.macs <= RECOMPUTE_MACS_MAX


def compute_product(left: Matrix, right: Matrix) -> NDArray[np.int64]:
    """The product, exactly, through float64: every sum is at most ``2^16 2^15 2^15 = 2^46``.

    :raises InvalidProduct: shapes or types do not fit, or a sum is longer than ``TERMS_MAX``.
    """
    for operand in (left, right):
        if MAGNITUDE_BITS.get(operand.dtype.str[1:], 31) > 15 or operand.ndim != 2:
            raise InvalidProduct(f"an operand of type {operand.dtype} and shape {operand.shape}")
    if left.shape[1] != right.shape[0] or left.shape[1] > TERMS_MAX:
        raise InvalidProduct(f"shapes {left.shape} and {right.shape}, sums of at most {TERMS_MAX}")
    product: NDArray[np.int64] = (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    return product


def _refuse_difference(
    shape: tuple[int, int, int], expected: NDArray[np.generic], found: NDArray[np.generic]
) -> None:
    different = (expected != found).any(axis=1)
    if bool(different.any()):
        raise WrongProduct(shape, int(np.argmax(different)))
