"""What crosses between shards in one checkpoint: receipts go out, receipts come in, acknowledgements arrive.

``Crossing`` is filled while a commit is executed, bundles first, then transactions, and closed with the
checkpoint. A receipt is credited exactly once because bundles count only in the order in which their source
numbered them: one that comes again, or too early, does nothing but acknowledge. Source: protocol 5.18.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shards.blocks import Block, BundleReference
from shards.bundles import Bundle, get_bundle_reference
from shards.checkpoints import Checkpoint
from shards.receipts import Receipt, ReceiptBatch, make_batches
from tangle.core.hashing import compute_home_shard
from tangle.core.parameters import Parameters
from tangle.core.transactions import Operation, Transfer
from tangle.core.types import Grains, PublicKey, Shard
from tangle.ledger.state import LedgerState


class OrderedBundle(Struct, frozen=True):
    """A bundle that a commit ordered, and whether it did anything."""

    reference: BundleReference
    """Its name."""

    checkpoint: Checkpoint
    """The checkpoint of the source, which may say who comes next there."""

    credited: tuple[Receipt, ...]
    """Receipts that it brought and that were credited: all of them or none."""

    has_acknowledged: bool
    """Whether it moved what the source has acknowledged."""


class CrossingClosing(Struct, frozen=True):
    """What a checkpoint did between shards."""

    sent: tuple[int, ...]
    """Number of the next receipt to every shard."""

    acknowledged: tuple[int, ...]
    """Receipts that every shard has said it credited."""

    received: tuple[int, ...]
    """Number of the next receipt expected from every shard."""

    inflow: int
    """Grains credited less grains sent in this checkpoint."""

    batches: tuple[ReceiptBatch, ...]
    """Leaves under ``receipts_root``, one for every shard; none where there is one shard."""

    outgoing: Mapping[Shard, tuple[Receipt, ...]]
    """Receipts by target, for those that got any."""

    bundles: tuple[OrderedBundle, ...]
    """What was ordered, in order."""

    @property
    def credited(self) -> tuple[Receipt, ...]:
        """Receipts that were credited, in order."""
        return tuple(receipt for bundle in self.bundles for receipt in bundle.credited)


class Crossing:
    """The receipts of one shard while a checkpoint is made."""

    def __init__(self, shard: Shard, state: LedgerState, parameters: Parameters) -> None:
        """:param state: after the checkpoint before."""
        self._shard = shard
        self._window = parameters.receipts_window
        self._first = state.sent
        self._sent = list(state.sent)
        self._acknowledged = list(state.acknowledged)
        self._received = list(state.received)
        self._outgoing: dict[Shard, list[Receipt]] = {}
        self._bundles: list[OrderedBundle] = []
        self._inflow = 0

    def take(self, bundle: Bundle) -> None:
        """Order a bundle that was verified."""
        reference = get_bundle_reference(bundle)
        source = reference.source
        is_next = bundle.first_sequence == self._received[source]
        credited = bundle.receipts if is_next else ()
        self._received[source] += len(credited)
        self._inflow += sum(receipt.amount for receipt in credited)
        told = bundle.checkpoint.received[self._shard]
        has_acknowledged = told > self._acknowledged[source]
        self._acknowledged[source] = max(told, self._acknowledged[source])
        self._bundles.append(OrderedBundle(reference, bundle.checkpoint, credited, has_acknowledged))

    def list_credited(self) -> list[Receipt]:
        """Receipts that are to be credited, in order."""
        return [receipt for bundle in self._bundles for receipt in bundle.credited]

    def count_open(self, target: Shard) -> int:
        """Receipts that went to a shard and that it has not acknowledged."""
        return self._sent[target] - self._acknowledged[target]

    def is_congested(self, target: Shard) -> bool:
        """Whether no receipt may go to a shard now."""
        return self.count_open(target) >= self._window

    def send(self, target: Shard, account: PublicKey, amount: Grains) -> Receipt:
        """Send grains, which the caller has taken from an account; the shard is not congested."""
        receipt = Receipt(self._shard, target, self._sent[target], account, amount)
        self._sent[target] += 1
        self._inflow -= amount
        self._outgoing.setdefault(target, []).append(receipt)
        return receipt

    def close(self) -> CrossingClosing:
        """What the checkpoint did."""
        outgoing = {target: tuple(receipts) for target, receipts in sorted(self._outgoing.items())}
        return CrossingClosing(
            sent=tuple(self._sent),
            acknowledged=tuple(self._acknowledged),
            received=tuple(self._received),
            inflow=self._inflow,
            batches=make_batches(self._first, outgoing),
            outgoing=outgoing,
            bundles=tuple(self._bundles),
        )


def take_bundles(
    bundles: Iterable[Bundle], shard: Shard, state: LedgerState, parameters: Parameters
) -> Crossing:
    """A checkpoint's crossing that has taken what its commit ordered."""
    crossing = Crossing(shard, state, parameters)
    for bundle in bundles:
        crossing.take(bundle)
    return crossing


def find_target(operation: Operation, shard: Shard, shard_bits: int) -> Shard:
    """The shard that an operation ordered in ``shard`` reaches: where a transfer's recipient lives."""
    if shard_bits and isinstance(operation, Transfer):
        return compute_home_shard(operation.recipient, shard_bits)
    return shard


def collect_bundles(blocks: Iterable[Block]) -> tuple[BundleReference, ...]:
    """The bundles that a commit's blocks name, in linear order, each where it is named first."""
    return tuple(dict.fromkeys(name for block in blocks for name in block.body.bundles))
