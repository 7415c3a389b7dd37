"""A program with its constants in one piece."""

import numpy as np
import pytest
from msgspec.structs import replace

from aivm.program.errors import InitializerMismatch
from aivm.program.package import PACKAGE_SIZE_MAX, VERSION, Package, decode_package, encode_package
from aivm.program.record import encode_program
from tangle.core.encoding import decode, encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tests.aivm.verification.builders import make_wide_graph

BOUND = make_wide_graph()[0].bound
PACKED = encode_package(BOUND)


def unpack() -> Package:
    return decode(Package, PACKED, limit=PACKAGE_SIZE_MAX)


def test_a_package_holds_the_whole_program() -> None:
    back = decode_package(PACKED)
    assert back.plan.program_id == BOUND.plan.program_id
    assert len(back.initializers) == len(BOUND.initializers)
    for found, right in zip(back.initializers, BOUND.initializers, strict=True):
        assert np.array_equal(found, right)
    assert encode_package(back) == PACKED
    assert unpack().program == encode_program(BOUND.plan.program)


def test_constants_must_be_those_of_the_program() -> None:
    package = unpack()
    assert package.tensors, "some of its constants are too long to stand in the program"
    (*rest, last) = package.tensors
    changed = bytes([last[0] ^ 1]) + last[1:]
    for tensors in ((), tuple(rest), (*package.tensors, b""), (*rest, changed), (*rest, last[:-1])):
        with pytest.raises(InitializerMismatch):
            decode_package(encode(replace(package, tensors=tensors)))


def test_what_is_no_package_is_refused() -> None:
    package = unpack()
    for data in (b"", PACKED + b"\0", PACKED[:-1], encode(replace(package, program=b"\x80"))):
        with pytest.raises(MalformedEncoding):
            decode_package(data)
    with pytest.raises(MalformedEncoding):
        decode_package(encode([VERSION + 1, package.program, list(package.tensors)]))
    with pytest.raises(OversizeEncoding):
        decode_package(bytes(PACKAGE_SIZE_MAX + 1))
