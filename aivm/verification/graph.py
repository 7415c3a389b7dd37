"""Runs of graph programs (AIVM-Q1): the oracle is what a tensor must be.

Tensors have the program's own numbers. Products of constants with rows, and convolutions, are checked by
projection when they are large; everything else is computed again.
"""

from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.oracle.graph.run import compute_node
from aivm.program.binding import ROWS_MAX, BoundProgram, Tensor, verify_inputs
from aivm.program.costs import compute_cost
from aivm.program.errors import InvalidInput
from aivm.program.operators import Conv2d, Matmul
from aivm.program.types import DTYPES, TensorType
from aivm.verification.errors import InvalidRequest
from aivm.verification.freivalds import Product, compute_product
from aivm.verification.windows import Centered, list_convolution_products
from tangle.core.types import Digest


class GraphProgram(Struct, frozen=True, dict=True, eq=False):
    """A bound program for runs of so many rows. It is a ``TracedProgram``.

    :raises InvalidRequest: no rows, or more than a run may have.
    """

    bound: BoundProgram
    """The program and its constants."""

    rows: int
    """Rows of a run."""

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= ROWS_MAX:
            raise InvalidRequest(f"a run of {self.rows} rows, not 1 to {ROWS_MAX}")

    @property
    def program_id(self) -> Digest:
        """Id of the program."""
        return self.bound.plan.program_id

    @cached_property
    def types(self) -> tuple[TensorType, ...]:
        """Types of all tensors, with the rows where there are some."""
        return tuple(
            each
            if self.is_constant(number)
            else TensorType(each.dtype, (self.rows, *each.shape), each.low, each.high)
            for number, each in enumerate(self.bound.plan.types)
        )

    @property
    def inputs(self) -> tuple[int, ...]:
        """Numbers of the inputs."""
        return tuple(range(len(self.bound.plan.program.inputs)))

    @property
    def first(self) -> int:
        """Number of the first node's first result."""
        return len(self.inputs) + len(self.bound.initializers)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Numbers of the outputs."""
        return self.bound.plan.program.outputs

    def is_constant(self, number: int) -> bool:
        """Whether a tensor is an initialiser."""
        return self.bound.plan.is_constant(number)

    def get_constant(self, number: int) -> Tensor:
        """An initialiser."""
        return self.bound.initializers[number - len(self.inputs)]

    def get_operands(self, number: int) -> tuple[int, ...]:
        """Operands of the node that gives a tensor."""
        return self.bound.plan.program.nodes[self._places[number][0]].operands

    def compute_tensor(self, number: int, operands: tuple[Tensor, ...]) -> Tensor:
        """What the oracle says; products with constants through BLAS, which gives the same and is faster."""
        if self.count_macs(number):
            return self._compute_products(number, operands)
        place, result = self._places[number]
        node = self.bound.plan.program.nodes[place]
        rows = next(
            len(tensor)
            for tensor, operand in zip(operands, node.operands, strict=True)
            if not self.is_constant(operand)
        )
        wide = tuple(
            tensor.astype(np.int64)[None] if self.is_constant(operand) else tensor.astype(np.int64)
            for tensor, operand in zip(operands, node.operands, strict=True)
        )
        given = compute_node(node.operator, wide, self.types[node.operands[0]].dtype, rows)
        return given[result].astype(DTYPES[self.types[number].dtype])

    def verify_inputs(self, inputs: tuple[Tensor, ...]) -> None:
        """Check inputs against the program.

        :raises InvalidInput: they do not fit.
        """
        rows = verify_inputs(self.bound.plan, inputs)
        if rows != self.rows:
            raise InvalidInput("inputs", f"{rows} rows for a run of {self.rows}")

    def count_macs(self, number: int) -> int:
        """Of a matmul by a constant, or a convolution with constant kernels; otherwise 0."""
        place, _ = self._places[number]
        node, types = self.bound.plan.program.nodes[place], self.bound.plan.types
        match node.operator:
            case Matmul() | Conv2d():
                if not all(map(self.is_constant, node.operands[1:])) or self.is_constant(node.operands[0]):
                    return 0
                if isinstance(node.operator, Matmul) and types[node.operands[1]].rank != 2:
                    return 0
                operands = tuple(types[operand] for operand in node.operands)
                return self.rows * compute_cost((node.operator,), operands, (types[number],)).macs
            case _:
                return 0

    def list_products(self, number: int, operands: tuple[Tensor, ...], claimed: Tensor) -> list[Product]:
        """The product of a matmul by a constant, or those of a convolution; otherwise none."""
        if self.count_macs(number) == 0:
            return []
        operator = self.bound.plan.program.nodes[self._places[number][0]].operator
        bias = operands[2] if len(operands) > 2 else None
        match operator:
            case Matmul():
                terms, columns = operands[1].shape
                left = _center(operands[0], operator.left_zero).reshape(-1, terms)
                right = _center(operands[1], operator.right_zero)
                return [Product(left, right, claimed.reshape(-1, columns), bias)]
            case Conv2d():
                image = _center(operands[0], operator.left_zero)
                kernels = _center(operands[1], operator.right_zero)
                return list_convolution_products(image, kernels, bias, operator, claimed)
            case _:
                return []

    def _compute_products(self, number: int, operands: tuple[Tensor, ...]) -> Tensor:
        result: Tensor = np.empty((len(operands[0]), *self.types[number].shape[1:]), np.int32)
        sums = []
        for product in self.list_products(number, operands, result):
            found = compute_product(product.left, product.right)
            sums.append(found if product.bias is None else found + product.bias)
        operator = self.bound.plan.program.nodes[self._places[number][0]].operator
        if isinstance(operator, Conv2d):
            rows, outputs, height, width = result.shape
            joined = np.concatenate(sums, axis=1)
            result[:] = joined.reshape(rows, height, width, outputs).transpose(0, 3, 1, 2)
        else:
            result[:] = sums[0].reshape(result.shape)
        return result

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        return {
            number: (place, result)
            for place, numbers in enumerate(self.bound.plan.results)
            for result, number in enumerate(numbers)
        }


def _center(tensor: Tensor, zero: int) -> Centered:
    # Bytes are projected with fewer limbs than 16 bits, which a byte minus a byte may need.
    if zero == 0:
        return tensor
    centered: NDArray[np.int16] = tensor.astype(np.int16) - np.int16(zero)
    return centered
