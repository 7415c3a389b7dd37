"""One int8 layer in every way that this machine offers: the oracle, numpy's BLAS, onnxruntime, tinygrad.

A layer is ``rows x k`` bytes times constant ``k x n`` bytes, int32 sums out, as ``Matmul`` of a program. The
oracle and tinygrad run it as a program would; BLAS in float32, 1,024 terms at a time, and in float64, both
exact, conversions of the rows included and those of the constant weights not; onnxruntime as
``MatMulInteger``. One thread each, one after the other in one process; each figure is the median of a few
calls in processor time, and every result is compared with the oracle's, bit for bit.

``python benchmarks/bench_kernels.py [BEAM]``: with a number, tinygrad's search for kernels of that width too.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time_ns
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from aivm.backends.opening import open_program_backend
from aivm.oracle.graph.run import run_program
from aivm.program.binding import BoundProgram, bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Matmul
from aivm.program.types import DType

SHAPES: Final = ((1, 64, 32), (64, 64, 32), (1, 1024, 1024), (64, 256, 256), (64, 1024, 1024))
"""Rows, k, n: the layers of a light model, a batch of them, and what a larger one has."""

FLOAT32_TERMS: Final = 1024
"""Most terms of a sum of products of int8 that float32 holds exactly."""

OPSET: Final = 21
"""Version of ONNX's operators."""

CALL_MS: Final = 400.0
"""Time spent on each figure, at least three calls."""

Call = Callable[[], NDArray[Any]]


def measure_us(call: Call) -> float:
    """Median time of a call in microseconds, the first one left out."""
    call()
    took: list[float] = []
    while len(took) < 3 or sum(took) < CALL_MS * 1_000:
        begun = process_time_ns()
        call()
        took.append((process_time_ns() - begun) / 1_000)
    return statistics.median(took)


def make_layer(weights: NDArray[np.int8]) -> BoundProgram:
    """The layer as a program."""
    builder = ProgramBuilder()
    given = builder.add_input(make_input(DType.INT8, len(weights)))
    sums = builder.add(Matmul(0, 0), given, builder.add_initializer(weights))
    return bind_program(builder.build(sums), builder.contents)


def make_session(weights: NDArray[np.int8]) -> onnxruntime.InferenceSession:
    """The layer in onnxruntime, on one thread."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.INT8, ["rows", len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["rows", weights.shape[1]])],
        [helper.make_tensor("w", TensorProto.INT8, weights.shape, weights.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def list_ways(rows: NDArray[np.int8], weights: NDArray[np.int8], backends: dict[str, Any]) -> dict[str, Call]:
    """Every way to compute the layer."""
    single, double = weights.astype(np.float32), weights.astype(np.float64)
    session, bound = make_session(weights), make_layer(weights)

    def multiply_single() -> NDArray[Any]:
        total = np.zeros((len(rows), weights.shape[1]), np.int32)
        for start in range(0, len(weights), FLOAT32_TERMS):
            block = slice(start, start + FLOAT32_TERMS)
            total += (rows[:, block].astype(np.float32) @ single[block]).astype(np.int32)
        return total

    def run(backend: Any) -> Call:
        return lambda: np.asarray(backend.run(bound, (rows,))[0])

    return {
        "oracle": lambda: np.asarray(run_program(bound, (rows,))[0]),
        "float32 BLAS": multiply_single,
        "float64 BLAS": lambda: (rows.astype(np.float64) @ double).astype(np.int32),
        "onnxruntime": lambda: np.asarray(session.run(None, {"x": rows})[0]),
        **{name: run(backend) for name, backend in backends.items()},
    }


def main(arguments: list[str]) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as cache:
        backends: dict[str, Any] = {"tinygrad": open_program_backend("CPU", os.environ, Path(cache))}
        if arguments:
            # Only now: tinygrad reads its settings when it is imported.
            from aivm.backends.tinygrad_programs import TinygradPrograms

            backends[f"tinygrad, BEAM={arguments[0]}"] = TinygradPrograms("CPU", beam=int(arguments[0]))
        compare(backends)


def compare(backends: dict[str, Any]) -> None:
    """Time every way at every shape."""
    generator = np.random.default_rng(7)
    for count, k, n in SHAPES:
        rows = generator.integers(-128, 128, (count, k)).astype(np.int8)
        weights = generator.integers(-128, 128, (k, n)).astype(np.int8)
        ways = list_ways(rows, weights, backends)
        wanted = ways["oracle"]()
        print(f"\n{count} x {k} x {n}")
        for name, call in ways.items():
            result = call()
            if result.dtype != np.int32 or not np.array_equal(result, wanted):
                raise SystemExit(f"{name} gives other bits at {count} x {k} x {n}")
            took_us = measure_us(call)
            print(f"  {name:<18} {took_us:>11,.1f} µs   {count * k * n / took_us / 1_000:>8.3f} GMAC/s")


if __name__ == "__main__":
    main(sys.argv[1:])
