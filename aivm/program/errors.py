"""Why a program, its weights or its inputs are refused. Each names the node, counted from 0 in the record."""

from aivm.errors import InvalidTensor
from tangle.core.errors import TangleError


class InvalidProgram(TangleError):
    """A program that is refused; the subclasses say why."""

    code = "program-invalid"

    def __init__(self, node: int | None, operator: str, reason: str) -> None:
        self.node = node
        self.operator = operator
        self.reason = reason
        place = f"node {node} ({operator})" if node is not None else operator
        super().__init__(f"the program is refused at {place}: {reason}")


class UnknownOperator(InvalidProgram):
    """A node whose operator code this version does not define."""

    code = "program-operator-unknown"


class MisorderedGraph(InvalidProgram):
    """A node that reads a tensor made by itself or later, as in a cycle, or one that does not exist."""

    code = "program-order-wrong"


class UnusedTensor(InvalidProgram):
    """An input, initialiser or node that no output depends on: dead weight that could make two ids for one
    model.
    """

    code = "program-tensor-unused"


class TypeMismatch(InvalidProgram):
    """An operand of another element type than the operator takes."""

    code = "program-type-wrong"


class ShapeMismatch(InvalidProgram):
    """Operands whose shapes do not fit together or an attribute that does not fit the shape."""

    code = "program-shape-wrong"


class ZeroSize(InvalidProgram):
    """A tensor without elements, or a window, stride or divisor of zero."""

    code = "program-size-zero"


class InvalidAttribute(InvalidProgram):
    """An attribute outside its range."""

    code = "program-attribute-wrong"


class ProgramTooLarge(InvalidProgram):
    """A tensor, a sum's length or the whole program is over a limit."""

    code = "program-too-large"

    def __init__(self, node: int | None, operator: str, quantity: str, value: int, limit: int) -> None:
        self.quantity = quantity
        self.value = value
        self.limit = limit
        super().__init__(node, operator, f"{quantity} is {value}, over the limit of {limit}")


class ProgramOverflow(InvalidProgram):
    """A sum or product that could leave its accumulator for some input within the declared ranges."""

    code = "program-overflow"

    def __init__(self, node: int | None, operator: str, quantity: str, largest: int, limit: int) -> None:
        self.quantity = quantity
        self.largest = largest
        self.limit = limit
        super().__init__(node, operator, f"{quantity} can reach {largest}, over the limit of {limit}")


class IndexRange(InvalidProgram):
    """An index tensor whose declared range reaches outside what it indexes."""

    code = "program-index-range"


class InitializerMismatch(TangleError):
    """Bytes of an initialiser with another id, length or range than its program states."""

    code = "program-initializer-wrong"

    def __init__(self, place: int, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"initialiser {place} is refused: {reason}")


class InvalidInput(InvalidTensor):
    """A program's input with another shape, type or range than the program declares."""

    code = "program-input-wrong"
