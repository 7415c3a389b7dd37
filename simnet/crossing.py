"""Receipts between shards: each is credited once, with what it says, and in the end none is on its way.

Sent and credited receipts are read off the disks, as the one history of each shard grows.
"""

from collections import defaultdict
from collections.abc import Callable

import anyio

from shards.checkpoints import Checkpoint
from shards.receipts import Receipt
from simnet.verdicts import Finding, Invariant, Violated
from tangle.core.types import CheckpointIndex, Shard
from tangle.node.receipt_archive import ReceiptArchive


class ReceiptChecker:
    """Follows every receipt of all shards."""

    def __init__(self, report: Callable[[Finding], None]) -> None:
        """:param report: told of what must not be."""
        self._report = report
        self._sent: dict[tuple[int, int], list[tuple[Receipt, float]]] = defaultdict(list)
        self._credited: dict[tuple[int, int], int] = defaultdict(int)
        self.crossing_ms: list[float] = []
        """From a receipt on a disk of its source to its credit on a disk of its target."""

    @property
    def credited(self) -> int:
        """Receipts that were credited."""
        return sum(self._credited.values())

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way."""
        return all(len(sent) == self._credited[pair] for pair, sent in self._sent.items())

    def count_grains(self) -> int:
        """Grains on their way."""
        return sum(
            receipt.amount for pair, sent in self._sent.items() for receipt, _ in sent[self._credited[pair] :]
        )

    def on_checkpoint(self, name: str, checkpoint: Checkpoint, archive: ReceiptArchive) -> None:
        """A shard's one history has a new checkpoint, on the disk of node ``name``."""
        self._add_sent(name, checkpoint, archive)
        for source, received in enumerate(checkpoint.received):
            pair = (source, int(checkpoint.shard))
            for sequence in range(self._credited[pair], received):
                self._check_credit(name, pair, sequence, archive)
            self._credited[pair] = received

    def describe(self) -> str:
        """What is on its way, in words."""
        waiting = [
            f"{len(sent) - self._credited[pair]} from shard {pair[0]} to shard {pair[1]}"
            for pair, sent in self._sent.items()
            if len(sent) > self._credited[pair]
        ]
        return f"receipts on their way: {', '.join(waiting) or 'none'}"

    def _add_sent(self, name: str, checkpoint: Checkpoint, archive: ReceiptArchive) -> None:
        for batch in archive.list_batches(CheckpointIndex(checkpoint.index)):
            sent = self._sent[(int(checkpoint.shard), int(batch.target))]
            if batch.first_sequence != len(sent):
                self._tell(name, f"receipt {batch.first_sequence} to shard {batch.target} goes out of turn")
            now_s = anyio.current_time()
            receipts = archive.list_sent(batch.target, batch.first_sequence, batch.count)
            sent += [(receipt, now_s) for receipt in receipts]

    def _check_credit(self, name: str, pair: tuple[int, int], sequence: int, archive: ReceiptArchive) -> None:
        source, _ = pair
        found, sent = archive.find_credited(Shard(source), sequence), self._sent[pair]
        if sequence >= len(sent):
            self._tell(name, f"receipt {sequence} of shard {source} is credited and was not sent")
        elif found is None or found.receipt != sent[sequence][0]:
            self._tell(name, f"receipt {sequence} of shard {source} is credited as something else")
        else:
            self.crossing_ms.append((anyio.current_time() - sent[sequence][1]) * 1_000)

    def _tell(self, name: str, detail: str) -> None:
        self._report(Violated(Invariant.RECEIPTS, name, detail))
