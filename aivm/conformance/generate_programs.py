"""Writes ``programs.json``: ``python -m aivm.conformance.generate_programs``.

Inputs come from SHAKE-256 of each vector's name, expected values from ``plain_programs``.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from aivm.conformance.plain_programs import compute_plain_program
from aivm.conformance.program_recipes import RECIPES, Recipe, Source
from aivm.conformance.program_vectors import FORMAT, ProgramVector, ProgramVectorFile
from aivm.program.binding import Tensor, bind_program
from aivm.program.building import ProgramBuilder
from aivm.program.record import encode_program
from aivm.program.types import DTYPES, TensorType

TARGET: Final = Path(__file__).parent / "programs.json"
"""Where the vectors are written; nodes read them from there."""


def make_program_vectors() -> tuple[ProgramVector, ...]:
    """Every recipe carried out."""
    return tuple(map(_make_vector, RECIPES))


def write_program_vectors(target: Path = TARGET) -> None:
    """Write the file, one vector a line."""
    encoded = msgspec.json.encode(ProgramVectorFile(FORMAT, make_program_vectors()))
    target.write_bytes(encoded.replace(b'{"name"', b'\n{"name"') + b"\n")


def _make_vector(recipe: Recipe) -> ProgramVector:
    builder = ProgramBuilder()
    source = Source(recipe.name)
    plan = builder.build(*recipe.build(builder, source))
    bound = bind_program(plan, builder.contents)
    inputs = [_make_rows(tensor, recipe, source) for tensor in plan.input_types]
    constants = [tensor.reshape(-1).tolist() for tensor in bound.initializers]
    rows = [
        compute_plain_program(plan, constants, [tensor[row].reshape(-1).tolist() for tensor in inputs])
        for row in range(recipe.rows)
    ]
    outputs = [
        np.array([row[place] for row in rows], DTYPES[tensor.dtype])
        for place, tensor in enumerate(plan.output_types)
    ]
    return ProgramVector(
        name=recipe.name,
        is_quick=recipe.is_quick,
        program=encode_program(plan.program).hex(),
        rows=recipe.rows,
        inputs=tuple(tensor.tobytes().hex() for tensor in inputs),
        outputs=tuple(tensor.tobytes().hex() for tensor in outputs),
    )


def _make_rows(tensor: TensorType, recipe: Recipe, source: Source) -> Tensor:
    if recipe.values:
        rows = [list(recipe.values)]
    elif tensor.elements == 256:
        # Every byte once, up and down.
        rows = [list(range(tensor.low, tensor.high + 1)), list(range(tensor.high, tensor.low - 1, -1))]
    else:
        ends = [tensor.low, tensor.high]
        rows = [[end] * tensor.elements for end in ends]
        rows.append([ends[place % 2] for place in range(tensor.elements)])
    while len(rows) < recipe.rows:
        rows.append([source.take(tensor.low, tensor.high) for _ in range(tensor.elements)])
    return np.array(rows[: recipe.rows], DTYPES[tensor.dtype]).reshape(recipe.rows, *tensor.shape)


if __name__ == "__main__":
    write_program_vectors()
