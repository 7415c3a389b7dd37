"""Why a model, its weights or its calibration data are refused. One code for each reason."""

from tangle.core.errors import TangleError


class ImportRefused(TangleError):
    """Something that cannot become a program; the subclasses say why."""

    code = "import-refused"


class LibraryMissing(ImportRefused):
    """An optional package that this needs is not installed."""

    code = "library-missing"

    def __init__(self, library: str, extra: str) -> None:
        """:param extra: name of the extra that brings it."""
        self.package = library
        self.extra = extra
        super().__init__(
            f"this needs the package {library}; install it with: pip install 'tangle-node[{extra}]'"
        )


class MalformedModel(ImportRefused):
    """Bytes that are no model of the kind they claim to be, or that contradict themselves."""

    code = "model-malformed"

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        self.reason = reason
        super().__init__(f"this is no valid {kind} model: {reason}")


class CyclicModel(ImportRefused):
    """Nodes that wait for each other: no order computes them."""

    code = "model-cyclic"

    def __init__(self, node: str, tensor: str) -> None:
        self.node = node
        self.tensor = tensor
        super().__init__(
            f"node {node} reads {tensor!r}, which nothing before it gives: the graph has a cycle"
        )


class ExternalWeights(ImportRefused):
    """A tensor whose bytes lie in another file; files that a model names are never opened."""

    code = "model-external-data"

    def __init__(self, tensor: str) -> None:
        self.tensor = tensor
        super().__init__(
            f"the bytes of tensor {tensor!r} lie outside the model; save the model as one file "
            "(onnx.save with save_as_external_data=False)"
        )


class UnsupportedNode(ImportRefused):
    """A node that no integer operator expresses."""

    code = "model-node-unsupported"

    def __init__(self, node: str, operator: str, reason: str) -> None:
        self.node = node
        self.operator = operator
        self.reason = reason
        super().__init__(f"node {node} ({operator}) cannot become part of a program: {reason}")


class CustomOperator(UnsupportedNode):
    """A node of a domain that is not known here: its meaning lies in somebody's library."""

    code = "model-operator-custom"


class OversizeModel(ImportRefused):
    """A shape, a file or a number of nodes over its limit."""

    code = "model-too-large"

    def __init__(self, quantity: str, value: int, limit: int) -> None:
        self.quantity = quantity
        self.value = value
        self.limit = limit
        super().__init__(f"{quantity} is {value}, over the limit of {limit}")


class EmptyTensor(ImportRefused):
    """A tensor without elements."""

    code = "model-size-zero"

    def __init__(self, tensor: str, shape: tuple[int, ...]) -> None:
        self.tensor = tensor
        self.shape = shape
        super().__init__(f"tensor {tensor!r} of shape {shape} has no elements")


class InvalidScale(ImportRefused):
    """A scale that is not positive and finite, or out of what a program can express."""

    code = "model-scale-invalid"

    def __init__(self, tensor: str, value: float) -> None:
        self.tensor = tensor
        self.value = value
        super().__init__(f"the scale {value!r} of {tensor!r} cannot be expressed")


class InvalidCalibration(ImportRefused):
    """Calibration data that does not fit the model, or holds values that are no numbers."""

    code = "calibration-invalid"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"calibration data {name!r}: {reason}")


class CalibrationMissing(ImportRefused):
    """A float model without calibration data."""

    code = "calibration-missing"

    def __init__(self, node: str, tensor: str) -> None:
        self.node = node
        self.tensor = tensor
        super().__init__(
            f"node {node} needs {tensor!r} as bytes and the model does not say its range; "
            "quantise it with calibration data"
        )
