"""Attributes of sliding windows: kernels, strides, pads."""

from aivm.importers.errors import UnsupportedNode
from aivm.importers.graph import GraphNode

Quad = tuple[int, int, int, int]
"""Top, left, bottom, right."""


def get_pair(node: GraphNode, name: str, default: int) -> tuple[int, int]:
    """An attribute of one or two lengths; an image of one dimension has width 1."""
    values = tuple(int(value) for value in node.attributes.get(name, (default, default)))
    return (values[0], default) if len(values) == 1 else (values[0], values[1])


def get_pads(
    node: GraphNode,
    lengths: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> Quad:
    """Border of a window's image. Source: ONNX Conv, ``pads`` and ``auto_pad``.

    :raises UnsupportedNode: a border is negative, or the way to choose it is not known.
    """
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "", "VALID"):
        pads = tuple(node.attributes.get("pads", ())) if automatic != "VALID" else ()
        if len(pads) == 2:
            pads = (pads[0], 0, pads[1], 0)
        pads = pads or (0, 0, 0, 0)
        if len(pads) != 4 or min(pads) < 0:
            raise UnsupportedNode(node.name, node.operator, f"pads {pads}")
        return pads[0], pads[1], pads[2], pads[3]
    if automatic not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedNode(node.name, node.operator, f"auto_pad {automatic}")
    befores, afters = [], []
    for place in (0, 1):
        if strides[place] < 1:
            raise UnsupportedNode(node.name, node.operator, "a stride of 0")
        count = -(-lengths[place] // strides[place])
        reach = (kernel[place] - 1) * dilations[place] + 1
        total = max(0, (count - 1) * strides[place] + reach - lengths[place])
        small, large = total // 2, total - total // 2
        befores.append(small if automatic == "SAME_UPPER" else large)
        afters.append(large if automatic == "SAME_UPPER" else small)
    return befores[0], befores[1], afters[0], afters[1]
