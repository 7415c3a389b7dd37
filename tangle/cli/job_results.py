"""What jobs gave: outputs of programs, checked against what the worker committed to; and best answers."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from aivm.importers.quantizing import choose_classes
from aivm.program.binding import BoundProgram
from aivm.verification.errors import WrongCommitment
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import COMMITMENT_SIZE_MAX, Commitment
from tangle.api.schemas.jobs import JobAnswer, ProgramTaskAnswer
from tangle.cli.errors import JobNotDone
from tangle.cli.job_tasks import fetch_blob, load_program
from tangle.cli.tensor_files import Array, Usable, find_blob, read_tensor, show_output
from tangle.client.client import TangleClient
from tangle.core.blob_id import format_blob_id
from tangle.core.encoding import decode
from tangle.core.types import Digest

ROWS_SHOWN_MAX: Final = 20
"""Rows shown to people; ``--json`` and ``--output`` have all."""

NUMBERS_SHOWN_MAX: Final = 10
"""Numbers of a row shown to people."""


class Outputs(Struct, frozen=True, eq=False):
    """What a run gave."""

    names: tuple[str, ...]
    """Names of the outputs."""

    integers: tuple[Array, ...]
    """The program's integers, rows first."""

    values: tuple[Array, ...]
    """The same as people's numbers, where the model file says how."""

    def make_record(self) -> dict[str, Any]:
        """As ``--json`` has them."""
        return {name: values.tolist() for name, values in zip(self.names, self.values, strict=True)}


async def fetch_outputs(client: TangleClient, job: JobAnswer, usable: Usable) -> Outputs:
    """Fetch the outputs of a job that has a result, and check them.

    :raises JobNotDone: it has none.
    :raises WrongCommitment: the program is another, or the bytes are not those that were committed to.
    """
    task, claim = job.task, job.claim
    if claim is None or not isinstance(task, ProgramTaskAnswer):
        raise JobNotDone(job.id, job.phase, "there is no result yet")
    program = GraphProgram(usable.bound, task.rows)
    if program.program_id != bytes(task.program):
        raise WrongCommitment("the model file", f"the job runs program {task.program.hex()}")
    integers = []
    for number, source in zip(program.outputs, claim.outputs, strict=True):
        kind = program.types[number]
        blob = format_blob_id(find_blob(kind, Digest(bytes(source.chunk_root))))
        content = await fetch_blob(client, blob)
        integers.append(read_tensor(kind, Digest(bytes(source.tensor)), content))
    names = tuple(
        port.name.decode(errors="replace") or f"output{place}" for place, port in enumerate(usable.outputs)
    )
    values = tuple(show_output(usable, place, each) for place, each in enumerate(integers))
    return Outputs(names, tuple(integers), values)


class Run(Struct, frozen=True, eq=False):
    """A finished run with everything that it takes to check it."""

    bound: BoundProgram
    """The program with its constants."""

    commitment: Commitment
    """The worker's claim."""

    inputs: tuple[Array, ...]
    """What it read."""

    served: bytes
    """The tensors that the worker serves."""


async def fetch_run(client: TangleClient, job: JobAnswer) -> Run:
    """Fetch a run: the package, the inputs and what the worker serves.

    :raises JobNotDone: the job has no result.
    :raises TangleError: something of it cannot be had, or is not what it is said to be.
    """
    task, claim = job.task, job.claim
    if claim is None or not isinstance(task, ProgramTaskAnswer):
        raise JobNotDone(job.id, job.phase, "there is no run of a program to check")
    usable = await load_program(client, None, Digest(bytes(task.program)))
    program = GraphProgram(usable.bound, task.rows)
    inputs = []
    for number, source in zip(program.inputs, task.inputs, strict=True):
        kind = program.types[number]
        blob = format_blob_id(find_blob(kind, Digest(bytes(source.chunk_root))))
        inputs.append(read_tensor(kind, Digest(bytes(source.tensor)), await fetch_blob(client, blob)))
    served = b"" if claim.served is None else await fetch_blob(client, claim.served)
    commitment = decode(Commitment, bytes(claim.commitment), limit=COMMITMENT_SIZE_MAX)
    return Run(usable.bound, commitment, tuple(inputs), served)


def describe_outputs(outputs: Outputs) -> str:
    """The first rows, for people."""
    lines = []
    for name, values in zip(outputs.names, outputs.values, strict=True):
        lines.append(f"{name}: {len(values)} rows of shape {values.shape[1:]}")
        classes = _choose(values.reshape(len(values), -1))
        for row, (numbers, chosen) in enumerate(zip(values[:ROWS_SHOWN_MAX], classes, strict=False)):
            shown = " ".join(f"{number:.4g}" for number in np.ravel(numbers)[:NUMBERS_SHOWN_MAX])
            lines.append(f"{row:>5}  answer {np.ravel(chosen)[0]}  [{shown}]")
    return "\n".join(lines)


def _choose(values: Array) -> Array:
    """What each row says: the place of the highest number; plain integers are scores like others here."""
    if values.dtype.kind == "i" and values.shape[1] > 1:
        chosen: Array = values.argmax(axis=1)
        return chosen
    return choose_classes(values)


def save_outputs(outputs: Outputs, path: Path) -> None:
    """Write the first output."""
    np.save(path, outputs.values[0], allow_pickle=False)
