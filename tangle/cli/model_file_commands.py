"""``tangle model quantize``, ``inspect`` and ``run``: models as files on this machine; no node is asked."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from aivm.importers.errors import ImportRefused, InvalidCalibration, OversizeModel
from tangle.cli.context import CommandContext, pass_context
from tangle.cli.progress import ProgressBar

if TYPE_CHECKING:
    from aivm.importers.finishing import Imported
    from aivm.importers.graph import Graph
    from aivm.importers.quantizing import Comparison

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that is there."""

ROWS_SHOWN_MAX: Final = 20
"""Rows of answers shown to people; ``--json`` and ``--output`` have all."""


@click.command("quantize")
@click.argument("file", type=FILE)
@click.option("--calibration", type=FILE, help="Typical inputs: .npz, .npy or .csv. Needed for float models.")
@click.option(
    "--evaluation", type=FILE, help="Other inputs to compare on; the calibration data when left out."
)
@click.option(
    "--prune",
    "pruned_share",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of every layer's weights, the smallest, that become 0.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Model file to write."
)
@pass_context
def quantize(
    context: CommandContext,
    file: Path,
    calibration: Path | None,
    evaluation: Path | None,
    pruned_share: float,
    output: Path,
) -> None:
    """Turn a model into a program: integers only, the same bits everywhere.

    FILE is ONNX, float or quantised, or safetensors with dense layers. A float model is measured on the
    calibration data, and its answers before and after are compared; an array or last column `labels` holds
    right answers. A quantised model keeps its own scales, and needs no data.
    """
    from aivm.importers.model_file import encode_model
    from aivm.importers.quantizing import compare, import_quantized, is_quantized, quantize_graph
    from tangle.cli.calibration_data import read_data

    graph = read_graph(file)
    comparison = None
    bar = ProgressBar(context)
    with bar:
        if is_quantized(graph):
            if calibration is not None or pruned_share:
                context.say("the model is quantised already and keeps its own scales and weights")
            imported = import_quantized(graph)
        else:
            if calibration is None:
                raise InvalidCalibration(file.name, "the model is in floats; give data with --calibration")
            imported = quantize_graph(graph, read_data(calibration).arrays, bar.show, pruned_share)
        source = evaluation or calibration
        if source is not None and not is_quantized(graph):
            data = read_data(source)
            comparison = compare(graph, imported.model, data.arrays, data.labels, bar.show)
    output.write_bytes(encode_model(imported.model))
    _tell_quantized(context, imported, comparison, output)


def _tell_quantized(
    context: CommandContext, imported: "Imported", comparison: "Comparison | None", output: Path
) -> None:
    cost = imported.plan.cost
    record = {
        "program": imported.program_id.hex(),
        "output": str(output),
        "size_bytes": output.stat().st_size,
        "nodes": len(imported.model.program.nodes),
        "macs": cost.macs,
        "steps": cost.steps,
        "comparison": comparison,
        "notes": imported.notes,
    }
    fields: dict[str, object] = {
        "program": imported.program_id.hex(),
        "written": f"{output} ({output.stat().st_size} bytes)",
        "nodes": len(imported.model.program.nodes),
        "cost of a row": f"{cost.macs} multiply-accumulates, {cost.steps} other steps",
    }
    if comparison is not None:
        rows = comparison.rows
        fields["agreement"] = _format_share(comparison.agreeing, rows)
        fields["difference"] = f"{comparison.largest_difference:.4g} at most"
        if comparison.correct_before is not None and comparison.correct_after is not None:
            fields["accuracy before"] = (
                f"{comparison.correct_before} of {rows} ({comparison.correct_before / rows:.2%})"
            )
            fields["accuracy after"] = (
                f"{comparison.correct_after} of {rows} ({comparison.correct_after / rows:.2%})"
            )
    if imported.notes:
        fields["notes"] = "\n".join(imported.notes)
    context.emit_fields(record, fields)


@click.command("inspect")
@click.argument("file", type=FILE)
@pass_context
def inspect(context: CommandContext, file: Path) -> None:
    """Show a model file's inputs, outputs, layers, costs and bounds."""
    from aivm.importers.describing import describe_layers, describe_ports, format_shape
    from aivm.importers.model_file import decode_model, load_model

    model = decode_model(file.read_bytes())
    plan = load_model(model).plan
    layers, ports = describe_layers(plan), describe_ports(model, plan)
    weights = sum(initializer.type.size for initializer in plan.program.initializers)
    cost = plan.cost

    def render(console: Console) -> None:
        console.print(f"program  {plan.program_id.hex()}", *ports, sep="\n", soft_wrap=True)
        price = f"{cost.macs} multiply-accumulates, {cost.steps} other steps, {cost.bytes_moved} bytes moved"
        console.print(f"weights  {weights} bytes", f"a row    {price}", sep="\n", soft_wrap=True)
        columns = ("node", "operator", "reads", "shape", "type", "range", "macs", "steps")
        table = Table(*columns, box=None, pad_edge=False)
        for layer in layers:
            table.add_row(
                str(layer.node),
                layer.operator,
                " ".join(map(str, layer.reads)),
                format_shape(layer.shape),
                layer.dtype,
                f"{layer.low} to {layer.high}",
                str(layer.macs),
                str(layer.steps),
            )
        console.print(table)

    record = {
        "program": plan.program_id.hex(),
        "ports": ports,
        "weights_bytes": weights,
        "macs": cost.macs,
        "steps": cost.steps,
        "bytes_moved": cost.bytes_moved,
        "layers": layers,
    }
    context.emit(record, render)


@click.command("run")
@click.argument("file", type=FILE)
@click.option("--input", "input_path", type=FILE, required=True, help="Rows: .npy, .npz or .csv.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the first output as .npy."
)
@pass_context
def run(context: CommandContext, file: Path, input_path: Path, output: Path | None) -> None:
    """Run a model file here, with the definition of every operator; no node is asked."""
    from aivm.importers.model_file import decode_model
    from aivm.importers.quantizing import choose_classes, compute_model
    from tangle.cli.calibration_data import read_data

    model = decode_model(file.read_bytes())
    arrays = read_data(input_path).arrays
    names = [port.name.decode(errors="replace") for port in model.inputs]
    if len(names) == 1 and len(arrays) == 1:
        arrays = {names[0]: next(iter(arrays.values()))}
    for name, declared in zip(names, model.program.inputs, strict=True):
        if name not in arrays:
            raise InvalidCalibration(name, f"it is missing in {input_path.name}")
        if arrays[name].ndim == 2 and arrays[name].shape[1] == declared.elements:
            arrays[name] = arrays[name].reshape(len(arrays[name]), *declared.shape)
    bar = ProgressBar(context)
    with bar:
        answers = compute_model(model, arrays, bar.show)
    first = next(iter(answers.values()))
    if output is not None:
        np.save(output, first, allow_pickle=False)

    def render(console: Console) -> None:
        for name, values in answers.items():
            console.print(f"{name}: {len(values)} rows of shape {values.shape[1:]}")
            classes = choose_classes(values.reshape(len(values), -1)) if values.ndim > 1 else values
            for row, (numbers, chosen) in enumerate(zip(values[:ROWS_SHOWN_MAX], classes, strict=False)):
                shown = " ".join(f"{number:.4g}" for number in np.ravel(numbers)[:10])
                console.print(f"{row:>5}  answer {np.ravel(chosen)[0]}  [{shown}]", soft_wrap=True)

    context.emit({"outputs": {name: values.tolist() for name, values in answers.items()}}, render)


def read_graph(path: Path) -> "Graph":
    """A model file of another framework as a graph.

    :raises ImportRefused: it is no model, or not of a kind that is read.
    """
    from aivm.importers.graph import FILE_SIZE_MAX
    from aivm.importers.reading import read_onnx
    from aivm.importers.weights import make_dense_graph, read_safetensors

    if path.stat().st_size > FILE_SIZE_MAX:
        raise OversizeModel("the size of the file in bytes", path.stat().st_size, FILE_SIZE_MAX)
    match path.suffix.lower():
        case ".onnx":
            return read_onnx(path.read_bytes())
        case ".safetensors":
            return make_dense_graph(read_safetensors(path.read_bytes()))
        case ".pt" | ".pth" | ".pkl" | ".joblib":
            raise ImportRefused(
                f"{path.name} may be a pickle, which can run anything; export it as ONNX (see docs/models.md)"
            )
        case _:
            raise ImportRefused(f"{path.name} is neither .onnx nor .safetensors; export the model as ONNX")


def _format_share(count: int, rows: int) -> str:
    return f"{count} of {rows} ({count / rows:.2%})"
