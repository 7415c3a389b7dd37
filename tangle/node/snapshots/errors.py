"""What can be wrong with a snapshot, or stand in its way."""

from pathlib import Path

from tangle.core.errors import TangleError


class SnapshotFault(TangleError):
    """Root of the faults of this package."""

    code = "snapshot-fault"


class SnapshotDamaged(SnapshotFault):
    """A file that is no snapshot, or not as it was written."""

    code = "snapshot-damaged"

    def __init__(self, path: Path, place: int, reason: str) -> None:
        self.path = path
        self.place = place
        self.reason = reason
        super().__init__(
            f"{path} is no sound snapshot: {reason} (byte {place}); nothing was restored, get it again"
        )


class SnapshotFalse(SnapshotFault):
    """A snapshot that says something else than its certified checkpoint: whoever made it changed it."""

    code = "snapshot-false"

    def __init__(self, part: str, reason: str) -> None:
        self.part = part
        self.reason = reason
        super().__init__(
            f"the snapshot is false at {part}: {reason}; nothing was restored, get one from somebody else"
        )


class SnapshotUncertified(SnapshotFault):
    """No quorum that follows from the genesis signed the snapshot's checkpoint."""

    code = "snapshot-uncertified"

    def __init__(self, checkpoint: int, reason: str) -> None:
        self.checkpoint = checkpoint
        self.reason = reason
        super().__init__(f"checkpoint {checkpoint} of the snapshot is not certified: {reason}; do not use it")


class SnapshotUnready(SnapshotFault):
    """There is nothing certified here that a snapshot could be made of."""

    code = "snapshot-unready"

    def __init__(self, checkpoint: int, reason: str) -> None:
        self.checkpoint = checkpoint
        self.reason = reason
        super().__init__(
            f"no snapshot can be made at checkpoint {checkpoint}: {reason}; "
            "let the node run with its peers for a while and try again"
        )


class HomeNotEmpty(SnapshotFault):
    """A home that has a ledger already."""

    code = "home-not-empty"

    def __init__(self, path: Path, checkpoint: int) -> None:
        self.path = path
        self.checkpoint = checkpoint
        super().__init__(
            f"{path} holds a ledger at checkpoint {checkpoint}; move it away, or restore into another home"
        )


class HistoryPruned(SnapshotFault):
    """Asked for what this node has let go, or never had."""

    code = "history-pruned"

    def __init__(self, what: str, first: int) -> None:
        self.what = what
        self.first = first
        super().__init__(
            f"{what} is older than what this node keeps: its history begins after checkpoint {first}; "
            "ask an archive node, one that keeps all (history_keep_epochs and history_max_bytes are 0)"
        )
