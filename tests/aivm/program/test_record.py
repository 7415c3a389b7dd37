"""One encoding for each program, one id for each encoding, and nothing else decodes."""

import cbor2
import numpy as np
import pytest

from aivm.program.building import ProgramBuilder, make_input
from aivm.program.errors import UnknownOperator
from aivm.program.limits import PROGRAM_SIZE_MAX
from aivm.program.operators import OPERATORS, Argmax, Clip, Matmul, Mode, Requantize
from aivm.program.planning import Plan, plan_program
from aivm.program.record import (
    Program,
    compute_program_id,
    compute_tensor_id,
    decode_program,
    encode_program,
)
from aivm.program.types import DType, TensorType, make_full_type
from tangle.core.chunk_tree import compute_tree
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.hashing import TENSOR, compute_record_hash


def make_plan(clip: int = 100) -> Plan:
    builder = ProgramBuilder()
    pixels = builder.add_input(make_input(DType.INT8, 4))
    weights = builder.add_initializer(np.arange(-6, 6, dtype=np.int8).reshape(4, 3))
    sums = builder.add(Matmul(0, 0), pixels, weights)
    scaled = builder.add(Requantize(Mode.RNE64, DType.INT8, 0, (2**30,), (37,), 0, 3), sums)
    return builder.build(builder.add(Argmax(0), builder.add(Clip(0, clip), scaled)))


def test_a_program_survives_its_encoding() -> None:
    program = make_plan().program
    decoded = decode_program(encode_program(program))
    assert decoded == program
    assert plan_program(decoded).types == make_plan().types
    assert compute_program_id(decoded) == make_plan().program_id


def test_an_encoding_is_what_it_was() -> None:
    # Written out once: a change of the record, of an operator's code or of a field's order shows here.
    assert encode_program(make_plan().program).hex() == (
        "85018184018104387f187f81828401820403250582014cfafbfcfdfeff0001020304058482830100"
        "00820001828805010100811a400000008118250003810282830600186481038282100081048105"
    )
    assert make_plan().program_id.hex() == "3bf205d3d4b0a2e2bcfb5c6349c2486727698fe522f080cb64eba3098dc31dc4"
    assert sorted(OPERATORS) == list(range(1, 18))


def test_every_attribute_changes_the_id() -> None:
    assert make_plan(100).program_id != make_plan(99).program_id


@pytest.mark.parametrize("code", [0, 18, 99, 2**40])
def test_an_unknown_operator_is_named(code: int) -> None:
    plain = cbor2.loads(encode_program(make_plan().program))
    plain[3][1][0][0] = code
    with pytest.raises(UnknownOperator) as caught:
        decode_program(cbor2.dumps(plain))
    assert caught.value.node == 1


def _damage(place: tuple[int, ...], value: object) -> bytes:
    plain = cbor2.loads(encode_program(make_plan().program))
    target = plain
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return cbor2.dumps(plain)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0,), 2),  # another version
        ((1,), []),  # no input
        ((1, 0, 0), 9),  # an unknown element type
        ((1, 0, 1), [1] * 7),  # too many dimensions
        ((1, 0, 1), [-4]),
        ((1, 0, 1), [2**63]),
        ((3,), []),  # no node
        ((3, 0, 1), []),  # no operand
        ((3, 0, 1), [0, -1]),
        ((3, 0, 0), [1, 0]),  # an attribute missing
        ((3, 0, 0), [1, 0, 0, 0]),  # one too many
        ((3, 0, 0), []),
        ((3, 0), 7),
        ((3, 1, 0, 1), 4),  # an unknown mode
        ((4,), []),  # no output
        ((2, 0, 1, 0), 3),  # content that is neither inline nor external
        ((2, 0, 1, 1), b"x" * 4097),
        ((2, 0, 1, 1), "text"),
        ((3, 2, 0, 1), 1.0),
    ],
)
def test_what_is_no_program_is_refused(place: tuple[int, ...], value: object) -> None:
    with pytest.raises(MalformedEncoding):
        decode_program(_damage(place, value))


def test_bytes_that_are_not_canonical_or_too_many_are_refused() -> None:
    data = encode_program(make_plan().program)
    for wrong in (data + b"\x00", data[:-1], b"", b"\xff", data.replace(b"\x18\x64", b"\x19\x00\x64")):
        with pytest.raises(MalformedEncoding) as caught:
            decode_program(wrong)
        assert caught.value.record == "Program"
    with pytest.raises(OversizeEncoding):
        decode_program(b"\x00" * (PROGRAM_SIZE_MAX + 1))


def test_a_tensors_id_binds_type_shape_length_and_every_chunk() -> None:
    data = bytes(range(256)) * 48
    base = make_full_type(DType.INT8, (96, 128))
    ids = {
        compute_tensor_id(base, data),
        compute_tensor_id(make_full_type(DType.UINT8, (96, 128)), data),
        compute_tensor_id(make_full_type(DType.INT8, (128, 96)), data),
        compute_tensor_id(make_full_type(DType.INT8, (96, 128, 1)), data),
        compute_tensor_id(base, data[:-1] + b"\x00"),
        compute_tensor_id(base, data[4096:] + data[:4096]),
        compute_tensor_id(base, data + b"\x00"),
    }
    assert len(ids) == 6  # rotating by a chunk of equal content changes nothing ...
    changed = bytearray(data)
    changed[0] = 9
    first, second = bytes(changed), bytes(changed[4096:] + changed[:4096])
    assert compute_tensor_id(base, first) != compute_tensor_id(base, second)  # ... and of other content does
    narrowed = TensorType(DType.INT8, (96, 128), -3, 3)
    assert compute_tensor_id(narrowed, data) == compute_tensor_id(base, data)


def test_programs_are_records_of_integers_bytes_and_arrays_alone() -> None:
    def visit(value: object) -> None:
        if isinstance(value, list):
            for item in value:
                visit(item)
        else:
            assert type(value) in (int, bytes)

    visit(cbor2.loads(encode_program(make_plan().program)))
    assert isinstance(make_plan().program, Program)


@pytest.mark.parametrize("size", [1, 4_096, 4_097, 70_000])
def test_a_tensor_and_the_blob_of_its_bytes_have_one_root(size: int) -> None:
    data = bytes(place * 7 % 251 for place in range(size))
    kind, root = make_full_type(DType.INT8, (size,)), compute_tree(data).shape.root
    assert compute_tensor_id(kind, data) == compute_record_hash(TENSOR, kind.dtype, kind.shape, size, root)
