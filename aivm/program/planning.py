"""Checks a whole program once, from its record alone, and gives the type of every tensor.

Whatever is planned can be computed for any inputs within their declared ranges: no sum overflows, nothing is
divided by zero, no index lies outside, and nothing is larger than the limits. Backends rely on it.
"""

from functools import cached_property
from typing import Final

from msgspec import Struct

from aivm.program.costs import Cost, compute_cost
from aivm.program.errors import (
    InvalidProgram,
    MisorderedGraph,
    ProgramTooLarge,
    ShapeMismatch,
    UnusedTensor,
    ZeroSize,
)
from aivm.program.inference.rules import infer
from aivm.program.inference.site import Site
from aivm.program.limits import ELEMENTS_MAX, INLINE_SIZE_MAX, MACS_MAX, TOTAL_ELEMENTS_MAX
from aivm.program.operators import get_name
from aivm.program.record import Initializer, Inline, Program, compute_program_id
from aivm.program.types import HIGHEST, LOWEST, TensorType
from tangle.core.types import Digest

INPUT: Final = "input"
INITIALIZER: Final = "initialiser"
PROGRAM: Final = "program"


class Plan(Struct, frozen=True, dict=True):
    """A checked program."""

    program: Program
    """The program."""

    types: tuple[TensorType, ...]
    """Type of every tensor by its number."""

    results: tuple[tuple[int, ...], ...]
    """Numbers of the tensors that each node gives."""

    cost: Cost
    """Work of one row, and bytes."""

    @cached_property
    def program_id(self) -> Digest:
        """Id of the program."""
        return compute_program_id(self.program)

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        """Types of the inputs in order."""
        return self.program.inputs

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """Types of the outputs in order."""
        return tuple(self.types[number] for number in self.program.outputs)

    def is_constant(self, number: int) -> bool:
        """Whether a tensor is an initialiser and so has no rows."""
        first = len(self.program.inputs)
        return first <= number < first + len(self.program.initializers)


def plan_program(program: Program) -> Plan:
    """Check a program.

    :raises InvalidProgram: it is refused; the subclass says why and which node is to blame.
    """
    types: list[TensorType] = []
    for declared in program.inputs:
        _verify_type(declared, f"{INPUT} {len(types)}")
        types.append(declared)
    for place, initializer in enumerate(program.initializers):
        _verify_initializer(initializer, f"{INITIALIZER} {place}")
        types.append(initializer.type)
    first, last = len(program.inputs), len(types)
    results: list[tuple[int, ...]] = []
    cost = compute_cost((), (), ())
    for place, node in enumerate(program.nodes):
        name = get_name(node.operator)
        for number in node.operands:
            if number >= len(types):
                raise MisorderedGraph(
                    place, name, f"reads tensor {number}, which is not there yet: a cycle or the wrong order"
                )
        constants = tuple(first <= number < last for number in node.operands)
        if all(constants):
            raise InvalidProgram(place, name, "reads initialisers alone; write its result as an initialiser")
        site = Site(place, name, tuple(types[number] for number in node.operands), constants)
        given = infer(node.operator, site)
        for tensor in given:
            _verify_size(tensor, place, name)
        results.append(tuple(range(len(types), len(types) + len(given))))
        types += given
        cost += compute_cost((node.operator,), site.operands, given)
    plan = Plan(program, tuple(types), tuple(results), cost)
    _verify_whole(plan)
    return plan


def _verify_type(tensor: TensorType, name: str) -> None:
    _verify_size(tensor, None, name)
    if not LOWEST[tensor.dtype] <= tensor.low <= tensor.high <= HIGHEST[tensor.dtype]:
        raise ShapeMismatch(None, name, f"{tensor.low} to {tensor.high} is no range of {tensor.dtype.name}")


def _verify_size(tensor: TensorType, node: int | None, name: str) -> None:
    if tensor.elements == 0:
        raise ZeroSize(node, name, f"shape {tensor.shape} has no elements")
    if tensor.elements > ELEMENTS_MAX:
        raise ProgramTooLarge(node, name, "the number of elements", tensor.elements, ELEMENTS_MAX)


def _verify_initializer(initializer: Initializer, name: str) -> None:
    _verify_type(initializer.type, name)
    size = initializer.type.size
    if isinstance(initializer.content, Inline):
        if len(initializer.content.data) != size:
            raise ShapeMismatch(None, name, f"{len(initializer.content.data)} bytes, not {size}")
    elif size <= INLINE_SIZE_MAX:
        # One way to write it, so that a model has one id.
        raise ShapeMismatch(None, name, f"{size} bytes are written inline up to {INLINE_SIZE_MAX}")


def _verify_whole(plan: Plan) -> None:
    program = plan.program
    total = sum(tensor.elements for tensor in plan.types)
    if total > TOTAL_ELEMENTS_MAX:
        raise ProgramTooLarge(None, PROGRAM, "the number of all elements", total, TOTAL_ELEMENTS_MAX)
    for quantity, value in (("multiply-accumulates", plan.cost.macs), ("steps", plan.cost.steps)):
        if value > MACS_MAX:
            raise ProgramTooLarge(None, PROGRAM, f"the number of {quantity}", value, MACS_MAX)
    needed = set()
    for number in program.outputs:
        if number >= len(plan.types):
            raise MisorderedGraph(None, PROGRAM, f"output {number} does not exist")
        if plan.is_constant(number):
            raise InvalidProgram(None, PROGRAM, f"output {number} is an initialiser")
        needed.add(number)
    for place in reversed(range(len(program.nodes))):
        if needed.isdisjoint(plan.results[place]):
            raise UnusedTensor(place, get_name(program.nodes[place].operator), "no output depends on it")
        needed.update(program.nodes[place].operands)
    declared = len(program.inputs) + len(program.initializers)
    unused = next((number for number in range(declared) if number not in needed), None)
    if unused is not None:
        raise UnusedTensor(None, f"tensor {unused}", "no output depends on it")
