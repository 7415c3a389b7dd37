"""Checks nodes against ONNX's own description of its operators: operands, attributes and their types."""

from typing import Any, Final

from aivm.importers.errors import MalformedModel, UnsupportedNode

DESCRIBED: Final = ("", "ai.onnx", "ai.onnx.ml")
"""Domains that the ``onnx`` package describes."""

ML_VERSION: Final = 3
"""Version of ai.onnx.ml that is looked at; what is read of it has not changed since."""


def verify_node(onnx: Any, proto: Any, name: str, opset: int) -> None:
    """Check that a node has the operands and attributes of its operator.

    :param name: the node's name, for messages.
    :raises UnsupportedNode: the opset has no such operator.
    :raises MalformedModel: operands or attributes are missing, too many or of another type.
    """
    if not proto.output or not proto.output[0]:
        raise MalformedModel("ONNX", f"node {name} gives nothing")
    if proto.domain not in DESCRIBED:
        return
    is_learned = proto.domain == "ai.onnx.ml"
    try:
        schema = onnx.defs.get_schema(
            proto.op_type, ML_VERSION if is_learned else opset, "ai.onnx.ml" if is_learned else ""
        )
    except onnx.defs.SchemaError:
        raise UnsupportedNode(name, proto.op_type, f"opset {opset} has no such operator") from None
    count = len(proto.input)
    if not schema.min_input <= count <= schema.max_input or not all(proto.input[: schema.min_input]):
        raise MalformedModel("ONNX", f"node {name} ({proto.op_type}) has {count} operands")
    if len(proto.output) > schema.max_output:
        raise MalformedModel("ONNX", f"node {name} ({proto.op_type}) has {len(proto.output)} results")
    given = {attribute.name: attribute.type for attribute in proto.attribute}
    for key, wanted in schema.attributes.items():
        if key not in given:
            if wanted.required:
                raise MalformedModel("ONNX", f"node {name} ({proto.op_type}) lacks its attribute {key!r}")
        elif int(given[key]) != int(wanted.type.value):
            raise MalformedModel("ONNX", f"attribute {key!r} of node {name} is of another type")
    strange = sorted(set(given) - set(schema.attributes))
    if strange:
        raise MalformedModel("ONNX", f"node {name} ({proto.op_type}) has no attribute {strange[0]!r}")
