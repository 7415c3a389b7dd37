"""Single onnxruntime operators beside the programs that mean the same."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from aivm.program.binding import BoundProgram, bind_program
from aivm.program.building import Handle, ProgramBuilder
from aivm.program.operators import Mode, Requantize
from aivm.program.quantizing import split_scale
from aivm.program.types import DType

Array = NDArray[Any]
KINDS = {
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.float32): TensorProto.FLOAT,
}


def run_node(
    kind: str, inputs: dict[str, Array], fixed: dict[str, Array], output: type[Any], **attributes: Any
) -> Array:
    """One operator's answer; the operands stand in the order inputs and fixed are written in ``names``."""
    names = attributes.pop("names")
    domain = attributes.pop("domain", "")
    node = helper.make_node(kind, names, ["y"], domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, KINDS[each.dtype], each.shape) for name, each in inputs.items()],
        [helper.make_tensor_value_info("y", KINDS[np.dtype(output)], None)],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in fixed.items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (answer,) = session.run(None, inputs)
    found: Array = answer
    return found


def compute_output_scales(x: Array, w: Array, y: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What onnxruntime multiplies sums with: ``float32(float32(sx sw) / sy)``, per channel."""
    scales = np.atleast_1d((np.float32(x) * np.asarray(w, np.float32)) / np.float32(y)).astype(np.float32)
    multipliers, shifts = zip(*(split_scale(float(scale), Mode.ORT_F32) for scale in scales), strict=True)
    return multipliers, shifts


def requantize(
    builder: ProgramBuilder,
    sums: Handle,
    scales: tuple[tuple[int, ...], tuple[int, ...]],
    dtype: DType,
    zero: int,
    axis: int,
) -> BoundProgram:
    """A program that ends in a requantisation as onnxruntime does it."""
    place = axis if len(scales[0]) > 1 else 0
    scaled = builder.add(Requantize(Mode.ORT_F32, dtype, place, *scales, 0, zero), sums)
    return bind_program(builder.build(scaled), builder.contents)
