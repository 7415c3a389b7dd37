"""What is asked: the transaction that pays, the job that it opens, and inputs that are those it names."""

from typing import Final

import numpy as np
from msgspec import Struct

from aivm.program.binding import BoundProgram, Tensor
from aivm.program.record import compute_tensor_id
from aivm.program.types import DTYPES, TensorType
from poi.market.jobs import compute_job_name
from poi.market.operations import OpenJob, decode_operation
from poi.market.records import Inference
from tangle.core.chunk_tree import compute_tree
from tangle.core.transactions import MarketCall, Transaction, decode_transaction
from tangle.core.types import Digest
from tangle.net.replica_messages import INLINE_MAX, INLINE_TENSORS_MAX
from tangle.node.replicas.errors import NotAJob, TooHeavy, WrongInputs

STEPS_MAX: Final = 2**28
"""Most elementary steps of a fast answer: a quarter of a second of one core."""

TRACE_BYTES_MAX: Final = 2**22
"""Longest trace of a fast answer in bytes: hashing it takes some milliseconds of the node's own loop."""


class Order(Struct, frozen=True, eq=False):
    """A job that is to be run at once."""

    transaction: Transaction
    """What opens and pays it."""

    operation: OpenJob
    """The operation in it."""

    task: Inference
    """The task in that."""

    job: Digest
    """The job's name."""

    inputs: tuple[bytes, ...]
    """What the program reads: as many as the task names, and not too long."""


def read_order(encoded: bytes, inputs: tuple[bytes, ...]) -> Order:
    """Read what somebody sent. Nothing is known yet of signature, money and program.

    :raises OversizeEncoding, MalformedEncoding: no transaction, or no operation in it.
    :raises NotAJob: it does something else.
    :raises WrongInputs: another number of inputs than the job names, or too many bytes.
    """
    transaction = decode_transaction(encoded)
    body = transaction.body
    if not isinstance(body.operation, MarketCall):
        raise NotAJob(f"a {type(body.operation).__name__.lower()}")
    operation = decode_operation(body.operation.data)
    if not isinstance(operation, OpenJob):
        raise NotAJob(type(operation).__name__)
    task = operation.task
    if not isinstance(task, Inference):
        raise NotAJob(f"a job of kind {type(task).__name__.lower()}")
    if len(inputs) != len(task.inputs) or len(inputs) != len(task.sources):
        raise WrongInputs(f"{len(inputs)} tensors, the job names {len(task.inputs)}")
    size = sum(map(len, inputs))
    if size > INLINE_MAX:
        raise WrongInputs(f"{size} bytes, over {INLINE_MAX}; send them as blobs and open an ordinary job")
    job = compute_job_name(body.issuer, body.sequence)
    return Order(transaction, operation, task, job, inputs)


def bind_inputs(order: Order, bound: BoundProgram) -> tuple[Tensor, ...]:
    """The inputs as the program reads them.

    :raises WrongInputs: they are not those that the job names.
    :raises TooHeavy: more work or data than a fast answer may take.
    """
    task, plan = order.task, bound.plan
    _check_weight(order, bound)
    if len(plan.input_types) != len(order.inputs):
        raise WrongInputs(f"{len(order.inputs)} tensors, the program reads {len(plan.input_types)}")
    tensors = []
    for place, (data, declared) in enumerate(zip(order.inputs, plan.input_types, strict=True)):
        kind = TensorType(declared.dtype, (task.rows, *declared.shape), declared.low, declared.high)
        if len(data) != kind.size:
            raise WrongInputs(f"tensor {place} has {len(data)} bytes, not {kind.size}")
        if compute_tensor_id(kind, data) != task.inputs[place]:
            raise WrongInputs(f"tensor {place} is not the one that the job names")
        if compute_tree(data).shape.root != task.sources[place]:
            raise WrongInputs(f"nobody could fetch tensor {place} by the source that the job names")
        tensors.append(np.frombuffer(data, DTYPES[kind.dtype]).reshape(kind.shape))
    return tuple(tensors)


def _check_weight(order: Order, bound: BoundProgram) -> None:
    plan, rows = bound.plan, order.task.rows
    first = len(plan.program.inputs) + len(plan.program.initializers)
    sizes = (
        ("steps", rows * (plan.cost.macs + plan.cost.steps), STEPS_MAX),
        ("bytes in its trace", rows * sum(each.size for each in plan.types[first:]), TRACE_BYTES_MAX),
        ("bytes of outputs", rows * sum(each.size for each in plan.output_types), INLINE_MAX),
        ("outputs", len(plan.output_types), INLINE_TENSORS_MAX),
    )
    for what, size, limit in sizes:
        if size > limit:
            raise TooHeavy(what, size, limit)
