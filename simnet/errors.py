"""What the simulator itself refuses; faults that it finds in the node are verdicts, not errors."""

from pathlib import Path

from tangle.core.errors import TangleError


class SwitchMissing(TangleError):
    """The event loop no longer has a private switch that seeded scheduling rests on."""

    code = "simulation-switch-missing"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"trio has no {name} any more, so runs would not repeat; find its new name in trio's run module "
            "and change simnet/scheduling.py"
        )


class ImpossiblePlan(TangleError):
    """Options that no simulation can have."""

    code = "simulation-impossible"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"this simulation cannot be: {reason}")


class InvalidRecording(TangleError):
    """A file that holds no options of an earlier run."""

    code = "recording-invalid"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class InvalidScenario(TangleError):
    """A scenario file that cannot be read as one."""

    code = "scenario-invalid"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class AnswerChanged(TangleError):
    """A function that depends on its arguments alone gave two answers to the same ones."""

    code = "simulation-answer-changed"

    def __init__(self, before: object, now: object) -> None:
        self.before = before
        self.now = now
        super().__init__(
            f"the same signature or evaluation was computed twice, with {before!r} and then with {now!r}; it "
            "rests on something beside its arguments"
        )
