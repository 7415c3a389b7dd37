"""A network trained in PyTorch becomes a program: export to ONNX, quantise, compare.

Needs the extra: ``pip install 'tangle-node[torch]'``. Run: ``python -m examples.import_torch FILE.cbor``.
"""

import io
import sys
from pathlib import Path
from typing import Any

from aivm.importers.quantizing import Comparison
from examples.digits import convert, read_training

EPOCHS = 8
"""Passes over the training rows: a few seconds."""


def main(output: Path) -> Comparison:
    """Train on the digits that come with the node, and write the model file."""
    try:
        import torch
    except ImportError:
        sys.exit("this example needs PyTorch; install it with: pip install 'tangle-node[torch]'")
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 16, 3, padding=1),
        torch.nn.GELU(),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 4 * 4, 10),
    )
    train(torch, network)
    return convert(export(torch, network), (1, 8, 8), output)


def train(torch: Any, network: Any) -> None:
    """Adam on cross entropy, in batches of 32."""
    rows, labels = read_training()
    images, answers = torch.from_numpy(rows.reshape(-1, 1, 8, 8)), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images[batch]), answers[batch]).backward()
            optimizer.step()


def export(torch: Any, network: Any) -> bytes:
    """ONNX bytes, for any number of rows."""
    stream = io.BytesIO()
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, 1, 8, 8),),
        stream,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "rows"}},
        dynamo=False,
    )
    return stream.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits-torch.cbor"))
