"""Runs, lies about them, and games between whoever tells the truth and whoever does not."""

from typing import Final

import numpy as np
from msgspec.structs import replace

from aivm.verification.trace import Trace, compute_bound_id, make_chunk_tree, make_leaf
from aivm.verification.traced import TracedProgram
from aivm.verification.tree import MerkleTree
from poi.disputes.game import open_game
from poi.disputes.record import Game, Side, Terms
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey
from tests.aivm.verification.builders import (
    CONTEXT,
    Tensors,
    change,
    continue_wrongly,
    make_graph,
    make_layered,
)

CHALLENGER: Final = PublicKey(b"\x33" * 32)
CLOCK_MS: Final = Milliseconds(1000)
START: Final = Milliseconds(5_000_000)
BONDS: Final = (Grains(1_000_003), Grains(777))
SHARE: Final = 500_000

PROGRAMS: Final[dict[str, tuple[TracedProgram, Tensors]]] = {
    "one layer": make_layered((7, 3), 5),
    "deep": make_layered((60, 40, 40, 40, 40, 40, 40, 40, 5), 400),
    "graph": make_graph(90),
}
"""One leaf of one chunk; 15 leaves of up to 16 chunks; a convolutional network."""

HONEST: Final = {name: Trace(program, tensors, CONTEXT) for name, (program, tensors) in PROGRAMS.items()}

LIES: Final = ("one element", "consistent", "zeros", "unknown root", "unknown leaf", "another length")


def make_lie(name: str, lie: str, number: int, place: int) -> Trace:
    """The trace of somebody who lies about tensor ``first + number``."""
    program, tensors = PROGRAMS[name]
    target = program.first + number % (len(program.types) - program.first)
    place %= tensors[target].size
    if lie == "one element":
        return Trace(program, change(tensors, target, place), CONTEXT)
    if lie == "consistent":
        return Trace(program, continue_wrongly(program, tensors, target, place), CONTEXT)
    if lie == "zeros":
        zeros = [each if at < program.first else np.zeros_like(each) for at, each in enumerate(tensors)]
        return Trace(program, tuple(zeros), CONTEXT)
    trace = Trace(program, tensors, CONTEXT)
    if lie == "unknown root":
        return set_root(trace, Digest(b"\x77" * 32))
    if lie == "another length":
        # The leaf can be shown, but its chunk root is over one chunk more than the tensor has.
        trace.trees[target] = make_chunk_tree(bytes(program.types[target].size + 4096))
    ids = {
        at: compute_bound_id(program.types[at], trace.trees[at].root)
        for at in range(program.first, len(program.types))
    }
    if lie == "unknown leaf":
        ids[target] = Digest(b"\x55" * 32)
    trace.tree = MerkleTree([make_leaf(at, tensor_id) for at, tensor_id in ids.items()])
    return set_root(trace, trace.tree.root)


def set_root(trace: Trace, root: Digest) -> Trace:
    trace.commitment = replace(trace.commitment, root=root)
    return trace


def make_terms(defender: Trace, challenger: Trace) -> Terms:
    return Terms(
        defender.commitment, CHALLENGER, challenger.commitment.root, BONDS[0], BONDS[1], SHARE, CLOCK_MS
    )


def make_game(defender: Trace, challenger: Trace) -> Game:
    return open_game(defender.program, defender.commitment.inputs, make_terms(defender, challenger), START)


def get_other(side: Side) -> Side:
    return Side(1 - side)
