"""A receipt with everything that it is about, in one JSON file: whoever has the genesis can check it offline.

The file carries the program's package, the inputs, the outputs and what the worker served, so nothing has to
be fetched. None of it is believed: the package must have the claim's program id, every tensor the claim's
tensor id. Bytes are written in base64.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from aivm.program.binding import BoundProgram, Tensor
from aivm.program.package import PACKAGE_SIZE_MAX, decode_package, encode_package
from aivm.program.types import DTYPES
from aivm.verification.chain import Projecting, verify_run
from aivm.verification.challenges import ERROR_BITS_PUBLIC, compute_vector_count
from aivm.verification.errors import WrongCommitment
from aivm.verification.graph import GraphProgram
from aivm.verification.serving import decode_served
from aivm.verification.trace import Commitment, Trace, compute_commitment_id
from poi.receipts.check import Facts, Materials, ReceiptReport, verify_receipt
from poi.receipts.record import VERSION, Projected, Receipt, decode_receipt, encode_receipt
from shards.epochs import EpochEnd, follow_epochs, make_genesis_committee
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.genesis import Genesis, compute_chain_id

FILE_SIZE_MAX: Final = 4 * PACKAGE_SIZE_MAX
"""Longest file in bytes: the largest package in base64, and as much again for tensors."""

FORMAT: Final = "tangle-receipt-1"
"""Name and version of this format."""


class ReceiptFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    format: Literal["tangle-receipt-1"]
    """``FORMAT``."""

    receipt: bytes
    """The encoded receipt."""

    package: bytes
    """The program with its constants."""

    inputs: tuple[bytes, ...]
    """Elements of each input: row-major, little-endian, rows first."""

    outputs: tuple[bytes, ...]
    """Elements of each output."""

    served: bytes = b""
    """What the worker served of its run, where a level needs it."""


class CheckedReceipt(Struct, frozen=True, eq=False):
    """A receipt that holds."""

    commitment: Commitment
    """The claim."""

    report: ReceiptReport
    """How far it is verified, what that took, and how it could still be wrong."""

    outputs: tuple[Tensor, ...]
    """What the run gave."""


def encode_receipt_file(
    receipt: bytes,
    bound: BoundProgram,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    served: bytes = b"",
) -> bytes:
    """The file of a receipt."""
    made = ReceiptFile(
        format=FORMAT,
        receipt=receipt,
        package=encode_package(bound),
        inputs=tuple(tensor.tobytes() for tensor in inputs),
        outputs=tuple(tensor.tobytes() for tensor in outputs),
        served=served,
    )
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def verify_receipt_file(
    data: bytes, genesis: Genesis | None = None, ends: Sequence[EpochEnd] = ()
) -> CheckedReceipt:
    """Check a receipt from its file.

    :param genesis: of the network, from a source that the reader trusts; needed where validators signed.
    :param ends: ends of epochs from the genesis on, where validators signed that came later.
    :raises BrokenEpochChain: one of them does not hold.
    :raises OversizeEncoding, MalformedEncoding: the file is none.
    :raises WrongCommitment: the receipt is about something else than what the file holds.
    :raises TangleError: as ``verify_receipt``: the receipt does not hold.
    """
    if len(data) > FILE_SIZE_MAX:
        raise OversizeEncoding("ReceiptFile", len(data), FILE_SIZE_MAX)
    try:
        file = msgspec.json.decode(data, type=ReceiptFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedEncoding("ReceiptFile", str(error)) from None
    receipt = decode_receipt(file.receipt)
    commitment = receipt.commitment
    program = GraphProgram(decode_package(file.package), commitment.rows)
    inputs = _read_tensors("the inputs", program, program.inputs, file.inputs)
    outputs = _read_tensors("the outputs", program, program.outputs, file.outputs)
    materials = Materials(
        program=program,
        context=commitment.context,
        inputs=inputs,
        outputs=outputs,
        served=dict(decode_served(program, file.served)) if file.served else {},
        facts=_list_facts(genesis, ends),
    )
    return CheckedReceipt(commitment, verify_receipt(file.receipt, materials), outputs)


def make_job_receipt(
    bound: BoundProgram, commitment: Commitment, inputs: tuple[Tensor, ...], served: bytes
) -> tuple[bytes, tuple[Tensor, ...]]:
    """A receipt of level 3 for a run that its worker serves. It is verified here; anybody can do it again.

    :return: the encoded receipt and the outputs.
    :raises TangleError: the run is not right, or something of it is missing.
    """
    program = GraphProgram(bound, commitment.rows)
    judge = Projecting(compute_commitment_id(commitment), b"", compute_vector_count(ERROR_BITS_PUBLIC))
    tensors, _ = verify_run(program, commitment, inputs, decode_served(program, served), judge)
    shown = Trace(program, tensors, commitment.context).open_outputs()
    receipt = Receipt(VERSION, commitment, shown, Projected(b"", ERROR_BITS_PUBLIC))
    return encode_receipt(receipt), tuple(tensors[number] for number in program.outputs)


def _read_tensors(
    what: str, program: GraphProgram, numbers: tuple[int, ...], contents: tuple[bytes, ...]
) -> tuple[Tensor, ...]:
    if len(contents) != len(numbers):
        raise WrongCommitment(what, f"there are {len(contents)}, not {len(numbers)}")
    tensors = []
    for number, content in zip(numbers, contents, strict=True):
        kind = program.types[number]
        if len(content) != kind.size:
            raise WrongCommitment(what, f"one has {len(content)} bytes, not {kind.size}")
        tensors.append(np.frombuffer(content, DTYPES[kind.dtype]).reshape(kind.shape))
    return tuple(tensors)


def _list_facts(genesis: Genesis | None, ends: Sequence[EpochEnd]) -> Facts:
    if genesis is None:
        return Facts()
    chain = compute_chain_id(genesis)
    # A receipt does not say when it was made, so whoever sat on a committee counts.
    committees = follow_epochs(make_genesis_committee(genesis), ends, chain)
    members = frozenset(member.public_key for each in committees for member in each.validators)
    return Facts(chain=chain, committee=members)
