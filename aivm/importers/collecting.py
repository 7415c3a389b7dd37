"""A builder that also gives programs with loose ends: translating makes nodes that nobody needs."""

from aivm.program.building import Handle, ProgramBuilder
from aivm.program.operators import TopK
from aivm.program.record import VERSION, Initializer, Node, Program


class Collector(ProgramBuilder):
    """Collects nodes, and writes them down without asking whether all are used."""

    def collect(self, *outputs: Handle) -> Program:
        """The program that gives these tensors, without what they do not depend on."""
        nodes = tuple(
            Node(operator, tuple(map(self._get_number, operands))) for operator, operands in self._nodes
        )
        numbers = tuple(map(self._get_number, outputs))
        return prune(Program(VERSION, tuple(self._inputs), tuple(self._initializers), nodes, numbers))


def prune(program: Program) -> Program:
    """The same program without nodes and initialisers that no output depends on, each initialiser once."""
    first = len(program.inputs)
    start = first + len(program.initializers)
    given, following = [], start
    for node in program.nodes:
        count = 2 if isinstance(node.operator, TopK) else 1
        given.append(range(following, following + count))
        following += count
    needed = set(program.outputs)
    kept_nodes = []
    for node, numbers in zip(reversed(program.nodes), reversed(given), strict=True):
        if not needed.isdisjoint(numbers):
            needed.update(node.operands)
            kept_nodes.append((node, numbers))
    renamed = {number: number for number in range(first)}
    kept: dict[Initializer, int] = {}
    for place, initializer in enumerate(program.initializers):
        if first + place in needed:
            renamed[first + place] = kept.setdefault(initializer, first + len(kept))
    nodes, following = [], first + len(kept)
    for node, numbers in reversed(kept_nodes):
        nodes.append(Node(node.operator, tuple(renamed[number] for number in node.operands)))
        for number in numbers:
            renamed[number] = following
            following += 1
    outputs = tuple(renamed[number] for number in program.outputs)
    return Program(program.version, program.inputs, tuple(kept), tuple(nodes), outputs)
