"""``tangle infer``: rows through a registered model by the network's validators, answered while you wait."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand
from tangle.cli.job_results import Outputs, describe_outputs, save_outputs
from tangle.cli.job_tasks import FILE
from tangle.cli.networks import find_genesis
from tangle.cli.paying import open_payer, payer_options
from tangle.client.client import TangleClient
from tangle.wallet.wallet import SigningAccount

if TYPE_CHECKING:
    from aivm.program.binding import Tensor
    from poi.receipts.check import ReceiptReport
    from tangle.cli.tensor_files import Usable
    from tangle.client.inference import InferenceResult


@click.command("infer", cls=TangleCommand)
@click.argument("model", type=FILE)
@click.option("--input", "rows_path", type=FILE, required=True, help="Rows: .npy, .npz or .csv.")
@click.option("--budget", help="The most that it may cost, as an amount; twice the price now if left out.")
@click.option(
    "--genesis",
    "genesis_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Genesis of the network; that of the home or of its devnet when left out.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the first output as .npy."
)
@click.option(
    "--receipt",
    "receipt_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the receipt, with all that tangle verify needs.",
)
@payer_options
@pass_context
def infer(
    context: CommandContext,
    model: Path,
    rows_path: Path,
    budget: str | None,
    genesis_path: Path | None,
    output: Path | None,
    receipt_path: Path | None,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
) -> None:
    """Run a registered model on the network, and wait for the answer.

    MODEL is the model file that tangle model quantize wrote. Two validators have to give the same answer;
    their receipt is checked here, and the ledger settles the job afterwards. Up to 64 KiB of rows: for more
    there is tangle job open.
    """
    from tangle.cli.tensor_files import read_model, read_rows, read_tensor, show_output
    from tangle.client.inference import verify_inference
    from tangle.client.receipt_file import encode_receipt_file

    usable = read_model(model)
    program, tensors = read_rows(usable, rows_path)
    inputs = tuple(
        read_tensor(program.types[place], tensor.tensor, tensor.content)
        for place, tensor in enumerate(tensors)
    )
    escrow = None if budget is None else int(parse_amount(budget))
    genesis = find_genesis(context, genesis_path)
    payer = open_payer(context, wallet_name, network, password_file)
    result = run_async(_infer, context.url, payer, usable, inputs, escrow)
    report = verify_inference(result, usable.bound, inputs, genesis)
    outputs = Outputs(
        names=tuple(port.name.decode(errors="replace") for port in usable.outputs),
        integers=result.outputs,
        values=tuple(show_output(usable, place, each) for place, each in enumerate(result.outputs)),
    )
    if output is not None:
        save_outputs(outputs, output)
    if receipt_path is not None:
        encoded = encode_receipt_file(bytes(result.answer.receipt), usable.bound, inputs, result.outputs)
        receipt_path.write_bytes(encoded)
    _tell(context, result, report, outputs)


async def _infer(
    url: str, payer: SigningAccount, usable: "Usable", inputs: tuple["Tensor", ...], escrow: int | None
) -> "InferenceResult":
    async with TangleClient(url) as client:
        return await client.infer(payer.key, usable.bound.plan.program_id, inputs, escrow=escrow)


def _tell(
    context: CommandContext, result: "InferenceResult", report: "ReceiptReport", outputs: Outputs
) -> None:
    answer = result.answer
    record = {
        "job": result.job.hex(),
        "transaction": bytes(answer.transaction).hex(),
        "program": bytes(answer.program).hex(),
        "outputs": outputs.make_record(),
        "level": int(report.level),
        "agreeing": answer.agreeing,
        "assigned": answer.assigned,
        "price": str(result.price),
        "milliseconds": answer.times.total_ms,
    }
    fields = {
        "answer": describe_outputs(outputs),
        "verified": f"level {int(report.level)}: {len(answer.agreeing)} of {len(answer.assigned)} validators "
        "agree; the receipt was checked here",
        "price": f"{format_amount(result.price)}, settled by the ledger",
        "time": f"{answer.times.total_ms:.0f} ms at the node",
        "job": result.job.hex(),
    }
    context.emit_fields(record, fields)
