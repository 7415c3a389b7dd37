"""Puts programs together: what importers use instead of counting tensors.

The builder collects inputs, initialisers and nodes in any order of calls and numbers them when it is done. A
``Handle`` stands for a tensor until then. Types are inferred at every call, so a node that does not fit is
refused where it is added.
"""

from typing import Final

import numpy as np
from msgspec import Struct

from aivm.program.binding import Tensor
from aivm.program.inference.rules import infer
from aivm.program.inference.site import Site
from aivm.program.limits import INLINE_SIZE_MAX
from aivm.program.operators import Operator, get_name
from aivm.program.planning import Plan, plan_program
from aivm.program.record import VERSION, External, Initializer, Inline, Node, Program, compute_tensor_id
from aivm.program.types import DTYPES, HIGHEST, LOWEST, DType, TensorType
from tangle.core.types import Digest

_CODES: Final = {dtype: code for code, dtype in DTYPES.items()}


class Handle(Struct, frozen=True):
    """A tensor of a program that is being built."""

    kind: str
    """``input``, ``initializer`` or ``node``."""

    place: int
    """Its number among its kind."""

    type: TensorType
    """Its type."""


class Mark(Struct, frozen=True):
    """A moment of building."""

    inputs: int
    """Inputs at that moment."""

    initializers: int
    """Initialisers at that moment."""

    nodes: int
    """Nodes at that moment."""

    given: int
    """Tensors that the nodes give."""


class ProgramBuilder:
    """Collects the parts of one program."""

    def __init__(self) -> None:
        """Nothing in it yet."""
        self._inputs: list[TensorType] = []
        self._initializers: list[Initializer] = []
        self._nodes: list[tuple[Operator, tuple[Handle, ...]]] = []
        self._results: list[tuple[Handle, ...]] = []
        self._given = 0
        self.contents: dict[Digest, bytes] = {}

    def add_input(self, tensor: TensorType) -> Handle:
        """Declare the next input."""
        self._inputs.append(tensor)
        return Handle("input", len(self._inputs) - 1, tensor)

    def add_initializer(self, values: Tensor) -> Handle:
        """Add a constant; its range is that of its values.

        :param values: int8, uint8 or int32. Longer ones are kept in ``contents`` under their id.
        """
        dtype = _CODES[values.dtype.newbyteorder("<")]
        data = np.ascontiguousarray(values, DTYPES[dtype]).tobytes()
        tensor = TensorType(dtype, values.shape, int(values.min()), int(values.max()))
        content: Inline | External = Inline(data)
        if len(data) > INLINE_SIZE_MAX:
            content = External(compute_tensor_id(tensor, data))
            self.contents[content.tensor_id] = data
        self._initializers.append(Initializer(tensor, content))
        return Handle("initializer", len(self._initializers) - 1, tensor)

    def add(self, operator: Operator, *operands: Handle) -> Handle:
        """Add a node that gives one tensor.

        :raises InvalidProgram: it does not fit its operands.
        """
        return self.add_many(operator, *operands)[0]

    def add_many(self, operator: Operator, *operands: Handle) -> tuple[Handle, ...]:
        """Add a node; a handle for each tensor that it gives.

        :raises InvalidProgram: it does not fit its operands.
        """
        constants = tuple(handle.kind == "initializer" for handle in operands)
        types = tuple(handle.type for handle in operands)
        results = infer(operator, Site(len(self._nodes), get_name(operator), types, constants))
        self._nodes.append((operator, operands))
        handles = tuple(Handle("node", self._given + at, tensor) for at, tensor in enumerate(results))
        self._results.append(handles)
        self._given += len(results)
        return handles

    @property
    def node_count(self) -> int:
        """Nodes added so far."""
        return len(self._nodes)

    def get_mark(self) -> Mark:
        """Where the builder stands; ``forget`` goes back there."""
        return Mark(len(self._inputs), len(self._initializers), len(self._nodes), self._given)

    def forget(self, mark: Mark) -> None:
        """Drop everything added since ``mark``; its handles are void, ``contents`` keeps all bytes."""
        del self._inputs[mark.inputs :]
        del self._initializers[mark.initializers :]
        del self._nodes[mark.nodes :]
        del self._results[mark.nodes :]
        self._given = mark.given

    def get_unread(self) -> tuple[Handle, ...]:
        """Results that no node reads, in order: the outputs of a network that was translated whole."""
        read = {handle for _, operands in self._nodes for handle in operands}
        given = (handle for handles in self._results for handle in handles)
        return tuple(handle for handle in given if handle not in read)

    def build(self, *outputs: Handle) -> Plan:
        """The program, checked.

        :raises InvalidProgram: it is refused as a whole.
        """
        nodes = tuple(
            Node(operator, tuple(map(self._get_number, operands))) for operator, operands in self._nodes
        )
        return plan_program(
            Program(
                VERSION,
                tuple(self._inputs),
                tuple(self._initializers),
                nodes,
                tuple(map(self._get_number, outputs)),
            )
        )

    def _get_number(self, handle: Handle) -> int:
        starts = {
            "input": 0,
            "initializer": len(self._inputs),
            "node": len(self._inputs) + len(self._initializers),
        }
        return starts[handle.kind] + handle.place


def make_input(dtype: DType, *shape: int, low: int | None = None, high: int | None = None) -> TensorType:
    """Type of an input, over the whole range of ``dtype`` unless it is said to be narrower."""
    return TensorType(
        dtype, shape, LOWEST[dtype] if low is None else low, HIGHEST[dtype] if high is None else high
    )
