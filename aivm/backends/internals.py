"""The only module that touches tinygrad's internals; written for exactly version 0.14.0.

A tinygrad call through its public interface costs a hundred times the arithmetic of a small model. Here
inputs are written into fixed buffers and, on the CPU, the compiled kernels are called by address. Whoever
uses this compares its bits with the numpy twin before trusting it, and goes back to tinygrad's own replay
when anything differs.
"""

import ctypes
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from tinygrad import Device, Tensor, TinyJit
from tinygrad.engine.realize import get_call_arg_uops, get_runtime
from tinygrad.helpers import Context
from tinygrad.uop.ops import Ops

from aivm.errors import UnsupportedCapture

CAPTURING: Final = 1
"""State of a TinyJit whose next call is captured; a trial run before it would schedule everything twice."""

VERSION: Final = "0.14.0"
"""The version whose internals are known here; with any other, kernels are not called by address."""

Run = Callable[[], None]

Output = TypeVar("Output", Tensor, list[Tensor])


class Resident:
    """A tensor that stays on the device and is overwritten and read in place."""

    __slots__ = ("_buffer", "_view", "tensor")

    def __init__(self, values: NDArray[Any], device: str) -> None:
        """Copy ``values`` to ``device``; shape and type stay those of ``values``."""
        self.tensor = Tensor(np.ascontiguousarray(values), device=device).contiguous().realize()
        self._buffer: Any = self.tensor.uop.base.buffer
        self._view = _get_view(self._buffer)

    def write(self, values: NDArray[Any]) -> None:
        """Overwrite the whole tensor."""
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        if self._view is not None:
            self._view[:] = data
        else:
            self._buffer.allocator._copyin(self._buffer._buf, data.copy().data)


def read_tensor(tensor: Tensor, dtype: type[np.generic]) -> NDArray[Any]:
    """A copy of a realised tensor's values, flat; waits for the device."""
    buffer: Any = tensor.uop.base.buffer
    values = np.empty(buffer.nbytes, np.uint8)
    view = _get_view(buffer)
    if view is not None:
        values[:] = view
    else:
        buffer.allocator._copyout(values.data, buffer._buf)
    return values.view(dtype)


def _get_view(buffer: Any) -> NDArray[np.uint8] | None:
    # Only the CPU's memory is ours to look at without a copy.
    if buffer.device != "CPU":
        return None
    return np.frombuffer(buffer.as_memoryview(force_zero_copy=True), np.uint8)


def capture(build: Callable[[], Output], *, beam: int = 0, is_plain: bool = False) -> tuple[Any, Output]:
    """Compile ``build`` into a replayable program over resident tensors; gives the program and its output.

    :param beam: width of tinygrad's search for fast kernels; 0 is none.
    :param is_plain: whether kernels stay loops as written: slow, and without its optimiser's errors.
    """
    # One thread and no compile pool: the worker process that calls this owns one core and has no children.
    with Context(JIT=2, PARALLEL=0, NUM_CPU_THREADS=1, BEAM=beam, NOOPT=int(is_plain)):
        program = TinyJit(build)
        program.cnt = CAPTURING
        return program, program()


def get_renderer(device: str) -> str:
    """Name of what writes kernels for a device, such as ``ClangRenderer``."""
    return type(Device[device].renderer).__name__


def get_direct_run(program: Any) -> Run:
    """The captured kernels as calls by address, in order. CPU only.

    :raises UnsupportedCapture: another version, or something else than plain single-threaded CPU kernels.
    """
    if version("tinygrad") != VERSION:
        raise UnsupportedCapture(f"tinygrad is {version('tinygrad')}, not {VERSION}")
    calls = []
    for call in program.captured.linear.src:
        kernel = call.src[0]
        if kernel.op is not Ops.PROGRAM or kernel.arg.vars or tuple(kernel.arg.global_size) != (1, 1, 1):
            raise UnsupportedCapture(str(kernel.op))
        buffers = [place.buffer for place in get_call_arg_uops(call)]
        if any(buffer.device != "CPU" for buffer in buffers):
            raise UnsupportedCapture("a buffer outside the CPU")
        runtime: Any = get_runtime("CPU", kernel)
        if runtime.runtimevars or runtime.lvp:
            raise UnsupportedCapture("a kernel with run-time variables")
        pointers = [
            ctypes.c_uint64(buffers[place].ensure_allocated()._buf.va_addr) for place in kernel.arg.globals
        ]
        calls.append((runtime.fxn, pointers))

    def run() -> None:
        for function, pointers in calls:
            function(*pointers)

    # The captured program keeps kernels and buffers alive; the closure must keep the captured program alive.
    run.__dict__["program"] = program
    return run
