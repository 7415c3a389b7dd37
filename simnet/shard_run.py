"""One shard of a simulation as it goes: its wallets, its times and rounds, and what is still to come.

Shards have nothing to do with each other but the machines that their nodes run on, so each is watched by
itself; what a run reports is all of them together.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from simnet.checkers import FinalRun
from simnet.load import Accepted, Load
from simnet.stopwatch import Stopwatch
from simnet.verdicts import Finding, Invariant, Violated
from simnet.world import Member, World
from tangle.node.views import TransactionStatus
from tangle.store.store import WriteBatch

SETTLED: Final = (TransactionStatus.CHECKPOINTED, TransactionStatus.CONFLICTING, TransactionStatus.EXPIRED)
"""Ends that a transaction can come to."""

LAG_MAX: Final = 50
"""Checkpoints that a node may be behind the furthest when a run has settled; empty ones never end."""


class ShardFigures(Struct, frozen=True):
    """What came of one shard."""

    shard: int
    checkpoints: int
    accepted: int
    """Transactions that nodes said are durable."""

    refused: int
    """Attempts that were not accepted."""

    ordered: int
    conflicts: int
    """Ordered transactions that did nothing."""

    finality_p50_ms: float | None
    """From sending to finality at the node that accepted it."""

    finality_p95_ms: float | None
    generation: int
    """Of the model, in the latest checkpoint."""

    wallets: int


class ShardRun:
    """Everything about one shard that is not on its disks."""

    def __init__(self, world: World, shard: int, report: Callable[[Finding], None]) -> None:
        """:param report: told of transactions that were accepted and forgotten."""
        self.world = world
        self.shard = shard
        self.checker = world.checkers[shard]
        self.load = Load(world, shard)
        self.stopwatch = Stopwatch(world.options.members, self.load.accepted)
        self.rounds: list[tuple[float, int]] = []
        """Rounds up to the highest of any honest node at a virtual second, of all committees together."""

        self._ended: dict[int, int] = {}
        """Rounds of each epoch, as far as they were seen."""

        self._report = report

    @property
    def honest(self) -> list[Member]:
        """Its nodes but the adversaries."""
        return self.world.get_honest(self.shard)

    def look(self, now_s: float) -> None:
        """Note how far it is."""
        running = [member.node for member in self.honest if member.node is not None]
        if running:
            places = [(node.epochs.epoch, node.driver.core.highest_round) for node in running]
            self.rounds.append((now_s, self._count_rounds(max(places))))

    def _count_rounds(self, place: tuple[int, int]) -> int:
        epoch, round_number = place
        self._ended[epoch] = max(self._ended.get(epoch, 0), round_number)
        return sum(self._ended.values())

    def on_final(self, run: FinalRun, now_s: float) -> None:
        """Something became final at a node of it."""
        self.stopwatch.on_final(run.node, run.transactions, now_s)

    def on_durable(self, member: Member, batch: WriteBatch, now_s: float) -> None:
        """A node of it has something on disk."""
        self.stopwatch.on_durable(member.index, batch, now_s)

    def get_status(self, accepted: Accepted) -> TransactionStatus | None:
        """What became of a transaction, where it was accepted."""
        node = self.world.shards[self.shard][accepted.node].node
        return TransactionStatus.ATTACHED if node is None else node.find_status(accepted.id)

    def find_unsettled(self) -> Sequence[Accepted]:
        """Transactions that have not come to their end; one that is not known any more is a finding."""
        unsettled, members = [], self.world.shards[self.shard]
        for accepted in self.load.accepted:
            status, member = self.get_status(accepted), members[accepted.node]
            if status is None and accepted.disks_lost == member.disks_lost:
                detail = (
                    f"transaction {accepted.id.hex()} was accepted at {accepted.at_s:.3f} s and is unknown"
                )
                self._report(Violated(Invariant.ACCEPTED_KEPT, member.name, detail))
            elif status is not None and status not in SETTLED:
                unsettled.append(accepted)
        return unsettled

    def find_behind(self) -> Sequence[str]:
        """Nodes at which something ordered is not final."""
        checker, members = self.checker, self.honest
        furthest = max(checker.get_final(member.index) for member in members)
        total = len(checker.effects)
        behind = []
        for member in members:
            node = member.node
            latest = None if node is None else node.archive.get_checkpoint(checker.get_final(member.index))
            if latest is None or latest.ordered_total < total or latest.index + LAG_MAX < furthest:
                behind.append(member.name)
        return behind

    @property
    def is_settled(self) -> bool:
        """Whether nothing is still to come."""
        return not self.find_unsettled() and not self.find_behind()

    def describe_unsettled(self) -> str:
        """What is still to come, in words."""
        members = self.world.shards[self.shard]
        unsettled = self.find_unsettled()
        shown = [
            f"{accepted.id.hex()[:16]} at {members[accepted.node].name} is {self.get_status(accepted)}"
            for accepted in unsettled[:3]
        ]
        final = [self.checker.get_final(member.index) for member in members]
        nodes = [member.node for member in members if member.node is not None]
        rounds = [(node.epochs.epoch, node.driver.core.highest_round) for node in nodes]
        return (
            f"{len(unsettled)} accepted transactions have no end ({'; '.join(shown)}); nodes behind: "
            f"{', '.join(self.find_behind()) or 'none'}; final checkpoints {final}, "
            f"epochs and rounds {rounds}"
        )

    def make_figures(self) -> ShardFigures:
        """What came of it."""
        return ShardFigures(
            shard=self.shard,
            checkpoints=self.checker.checkpoints,
            accepted=len(self.load.accepted),
            refused=self.load.refused,
            ordered=len(self.checker.effects),
            conflicts=sum(1 for effect in self.checker.effects if effect.status),
            finality_p50_ms=compute_rank(self.stopwatch.final_ms, 0.5),
            finality_p95_ms=compute_rank(self.stopwatch.final_ms, 0.95),
            generation=self.checker.get_generation(),
            wallets=len(self.load.wallets),
        )


def compute_rank(values: Sequence[float], quantile: float) -> float | None:
    """The value that so large a share of all is not above; none where there are no values."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(quantile * len(ordered)))], 3) if ordered else None
