"""A program with all its constants in one piece: what is kept as a blob, and fetched by whoever runs it.

Canonical CBOR: the program's encoded record, then the bytes of each initialiser that it names by id, each
once, in the program's order. Equal programs have equal packages, so a package has one content id.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.program.binding import BoundProgram, bind_program
from aivm.program.errors import InitializerMismatch
from aivm.program.limits import INITIALIZERS_MAX, PROGRAM_SIZE_MAX
from aivm.program.planning import Plan, plan_program
from aivm.program.record import External, compute_tensor_id, decode_program, encode_program
from aivm.program.types import TensorType
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest

VERSION: Final = 1
"""Version of this format."""

PACKAGE_SIZE_MAX: Final = 2**26
"""Longest package in bytes: every validator fetches each registered one, so 64 MiB and no more."""


class Package(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A program and its constants."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    """Version of this record."""

    program: Annotated[bytes, Meta(max_length=PROGRAM_SIZE_MAX)]
    """The encoded program."""

    tensors: Annotated[tuple[bytes, ...], Meta(max_length=INITIALIZERS_MAX)]
    """Bytes of the initialisers that the program names by id, in its order, each once."""


def encode_package(bound: BoundProgram) -> bytes:
    """Canonical bytes of a program with its constants."""
    program = bound.plan.program
    contents = {
        initializer.content.tensor_id: values.tobytes()
        for initializer, values in zip(program.initializers, bound.initializers, strict=True)
        if isinstance(initializer.content, External)
    }
    return encode(Package(VERSION, encode_program(program), tuple(contents.values())))


def decode_package(data: bytes) -> BoundProgram:
    """Read a package, plan its program and join it with its constants.

    :raises OversizeEncoding, MalformedEncoding: it is no package, or holds no program.
    :raises InvalidProgram, InitializerMismatch: the program or a constant is refused.
    """
    package = decode(Package, data, limit=PACKAGE_SIZE_MAX)
    plan = plan_program(decode_program(package.program))
    externals = _list_externals(plan)
    if len(package.tensors) != len(externals):
        raise InitializerMismatch(0, f"{len(package.tensors)} tensors are packed, not {len(externals)}")
    contents = {
        compute_tensor_id(tensor, content): content
        for tensor, content in zip(externals.values(), package.tensors, strict=True)
    }
    return bind_program(plan, contents)


def _list_externals(plan: Plan) -> dict[Digest, TensorType]:
    return {
        initializer.content.tensor_id: initializer.type
        for initializer in plan.program.initializers
        if isinstance(initializer.content, External)
    }
