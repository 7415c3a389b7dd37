"""safetensors files: dense layers as the library writes them are read, everything else is refused."""

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from aivm.importers.errors import EmptyTensor, MalformedModel, OversizeModel
from aivm.importers.evaluating import evaluate_graph
from aivm.importers.weights import make_dense_graph, read_safetensors

SOURCE = np.random.default_rng(2)
LAYERS: dict[str, Any] = {
    "net.0.weight": SOURCE.normal(size=(6, 4)).astype(np.float32),
    "net.0.bias": SOURCE.normal(size=6).astype(np.float32),
    "net.10.weight": SOURCE.normal(size=(2, 5)).astype(np.float32),
    "net.2.weight": SOURCE.normal(size=(5, 6)).astype(np.float16),
}


def write(header: Any, body: bytes = b"") -> bytes:
    """A file with a header of one's own."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_what_the_library_writes_is_read() -> None:
    found = read_safetensors(save(LAYERS, {"format": "np"}))

    assert set(found) == set(LAYERS)
    for name, array in LAYERS.items():
        np.testing.assert_array_equal(found[name], array)


def test_layers_follow_in_the_order_of_their_numbers() -> None:
    rows = SOURCE.normal(size=(3, 4)).astype(np.float32)
    graph = make_dense_graph(read_safetensors(save(LAYERS)))

    hidden = np.maximum(rows @ LAYERS["net.0.weight"].T + LAYERS["net.0.bias"], 0)
    hidden = np.maximum(hidden @ LAYERS["net.2.weight"].T.astype(np.float32), 0)
    wanted = hidden @ LAYERS["net.10.weight"].T
    np.testing.assert_allclose(evaluate_graph(graph, {"input": rows})["output"], wanted, rtol=1e-4, atol=1e-5)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "within its header"),
        (b"\xff" * 20, "within its header"),
        (write(b"{"), "no JSON"),
        (write(b'{"a": {}, "a": {}}'), "names a tensor twice"),
        (write(b"[]"), "no object"),
        (write({"a": {}}), "no offsets"),
        (write({"a": ENTRY}), "are not where"),
        (write({"a": ENTRY}, bytes(9)), "belong to no tensor"),
        (write({"a": ENTRY | {"data_offsets": [1, 9]}}, bytes(9)), "are not where"),
        (write({"a": ENTRY | {"shape": [-2]}}, bytes(8)), "no shape"),
        (write({"a": ENTRY | {"dtype": "PICKLE"}}, bytes(8)), "elements of type"),
        (write({"a": ENTRY}, b"\xff" * 8), "no numbers"),
        (write(b"[" * 5000), "no JSON"),
    ],
)
def test_files_that_are_none(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedModel, match=reason):
        read_safetensors(data)


def test_limits() -> None:
    with pytest.raises(OversizeModel):
        read_safetensors(write({"a": ENTRY | {"shape": [2**20, 2**20]}}, bytes(8)))
    with pytest.raises(OversizeModel, match="header"):
        read_safetensors(write(b" " * (2**20 + 1)))
    with pytest.raises(EmptyTensor):
        read_safetensors(write({"a": ENTRY | {"shape": [0], "data_offsets": [0, 0]}}))


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({}, "no NAME.weight"),
        ({"0.weight": np.ones((2, 3)), "1.weight": np.ones((2, 3))}, "after 2 outputs"),
        ({"0.weight": np.ones((2, 3)), "0.bias": np.ones(3)}, "for 2 outputs"),
        ({"0.weight": np.ones((2, 3)), "norm.gamma": np.ones(3)}, "no dense layer"),
        ({"0.weight": np.ones((2, 3, 3))}, "of shape"),
    ],
)
def test_weights_that_are_no_dense_network(arrays: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedModel, match=reason):
        make_dense_graph(arrays)
