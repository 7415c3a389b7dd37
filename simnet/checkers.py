"""Checkers: they stand beside the nodes, see what becomes durable, and know what must hold.

One history is kept for reference: the first node that makes a checkpoint durable writes it, every other node
must have the same bytes. What the disks say is checked, not what the nodes believe, after every commit and
again when a node starts from what a crash left.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from poi.market.book import compute_held
from poi.market.machine import Market
from shards.blocks import BlockReference
from shards.checkpoints import Checkpoint, SupplyTotals, check_supply, decode_checkpoint
from shards.commits import decode_commit
from shards.errors import SupplyBroken
from simnet.event_log import EventLog
from simnet.trading import RULES
from simnet.verdicts import Diverged, Finding, Invariant, Violated
from tangle.core.hashing import compute_home_shard
from tangle.core.types import PublicKey, TransactionId
from tangle.ledger.effects import Effect, Status
from tangle.ledger.staking.events import Elected, SlashCause, Slashed, decode_staking_record
from tangle.ledger.staking.records import Leaving
from tangle.node.archive import LEDGER, Archive
from tangle.node.committee_archive import decode_committee
from tangle.node.market_archive import decode_event
from tangle.node.receipt_archive import ReceiptArchive
from tangle.store.keys import (
    compute_sequence_key,
    parse_block_key,
    parse_commit_key,
    parse_sequence_key,
    parse_slot_key,
)
from tangle.store.store import Store, Table, WriteBatch

ROWS_MAX: Final = 1_000_000
"""Rows of a table that are compared: more than any simulated disk holds."""

SOUND_MAX: Final = 64
"""Checkpoints at which what disks held is remembered: more than nodes that keep up are apart."""

HELD: Final = (Table.ACCOUNTS, Table.MARKET, Table.STAKING)
"""Tables of what the ledger holds."""

Look = Callable[[int, bytes, bytes | None], None]
"""Looks at a row that a node wrote: the node, key and value."""


class _Watched:
    """What one node's disk was seen to hold."""

    __slots__ = ("executed", "final", "seen")

    def __init__(self) -> None:
        self.seen = -1
        """Highest checkpoint that was compared."""

        self.executed = 0
        """Highest checkpoint whose commit returned."""

        self.final = 0
        """Highest checkpoint that is final."""


class Home(Struct, frozen=True):
    """The shard that some nodes serve."""

    shard: int
    bits: int
    """Bits of an address that tell its home."""


WHOLE: Final = Home(0, 0)
"""A chain that has one shard."""


class _Reference(Struct, frozen=True):
    """A checkpoint of the one history."""

    encoded: bytes
    checkpoint: Checkpoint
    rows: list[tuple[bytes, bytes]]
    """What it ordered, as it stands on a disk."""


class FinalRun(Struct, frozen=True):
    """What became final at a node at once."""

    shard: int
    node: int
    transactions: tuple[TransactionId, ...]


class Checker:
    """Everything that must hold in one shard while a simulation runs."""

    def __init__(
        self,
        names: Sequence[str],
        report: Callable[[Finding], None],
        on_final: Callable[[FinalRun], None],
        log: EventLog,
        faulty: frozenset[int] = frozenset(),
        *,
        home: Home = WHOLE,
        keys: Sequence[PublicKey] = (),
        on_supply: Callable[[SupplyTotals], None] = lambda _: None,
        on_crossing: Callable[[str, Checkpoint, ReceiptArchive], None] = lambda _name, _made, _archive: None,
    ) -> None:
        """:param names: of the shard's nodes; those of validators first, in the committee's order.
        :param keys: the validators' keys, node by node; without them, places on committees are those of the
            nodes.
        :param faulty: nodes that are not honest: nothing is expected of them.
        :param report: told what was found.
        :param on_supply: told where all grains of the shard are, after each checkpoint of the one history.
        :param on_crossing: told of each such checkpoint, the node that made it first, and its receipts.
        """
        self.effects: list[Effect] = []
        """The one history."""

        self.epochs = 0
        """Highest epoch that a committee was named for."""

        self.caught: set[int] = set()
        """Faulty nodes of whose equivocation an honest node keeps evidence."""

        self._names = names
        self._report = report
        self._on_final = on_final
        self._log = log
        self._faulty = faulty
        self._home = home
        self._on_supply = on_supply
        self._on_crossing = on_crossing
        self._checkpoints: list[_Reference] = []
        self._ordered: set[TransactionId] = set()
        self._sequences: dict[PublicKey, int] = {}
        self._watched = [_Watched() for _ in names]
        self._nodes = {key: node for node, key in reversed(list(enumerate(keys)))}
        self._seats: dict[int, tuple[bytes, tuple[int, ...]]] = {}
        """Of each epoch its committee as it stands on disks, and the nodes that sit on it, in order."""

        self._spread: dict[tuple[int, int, int], bytes] = {}
        self._own: list[dict[tuple[int, int], bytes]] = [{} for _ in names]
        self._commits: dict[bytes, tuple[int, bytes]] = {}
        self._sound: dict[int, tuple[object, ...]] = {}
        """What disks held that added up, by the latest checkpoint."""

        self._job_events: dict[bytes, tuple[int, bytes]] = {}
        self._looks: Mapping[Table, Look] = {
            Table.EPOCHS: self._compare_committee,
            Table.BLOCKS: self._check_slot,
            Table.EVIDENCE: self._check_evidence,
            Table.COMMITS: self._compare_commit,
            Table.JOB_EVENTS: self._compare_event,
            Table.STAKING_EVENTS: self._compare_stakes,
        }
        """What each written row of a table is looked at with."""

        self._stake_events: dict[bytes, tuple[int, bytes]] = {}
        self.stake_events: Counter[str] = Counter()
        """What happened to stakes and committees, by the name of the event."""

        self.market_events: Counter[str] = Counter()
        """What happened in the market, by the name of the event."""

    @property
    def checkpoints(self) -> int:
        """Checkpoints in the one history, without genesis."""
        return max(0, len(self._checkpoints) - 1)

    def expect_nothing_of(self, *nodes: int) -> None:
        """These are faulty too."""
        self._faulty |= frozenset(nodes)

    def is_faulty(self, node: int) -> bool:
        """Whether nothing is expected of a node."""
        return node in self._faulty

    def get_generation(self) -> int:
        """Generation of the first standing model in the latest checkpoint."""
        return self._checkpoints[-1].checkpoint.models[0].generation if self._checkpoints else 0

    def get_final(self, node: int) -> int:
        """Latest checkpoint that became final at a node."""
        return self._watched[node].final

    def on_disk_lost(self, node: int) -> None:
        """A node's disk was taken away on purpose; its guard was not."""
        self._watched[node] = _Watched()
        self._own[node].clear()

    def on_started(self, node: int, store: Store) -> None:
        """A node starts from ``store``: everything that was promised before must be there."""
        if node in self._faulty:
            return
        watched, archive = self._watched[node], Archive(store)
        state, events = archive.get_ledger_state(), archive.get_last_event_row()
        executed = 0 if state is None else state.checkpoint_index
        final = 0 if events is None else events.checkpoint
        if executed < watched.executed or final < watched.final:
            detail = (
                f"restarts at executed checkpoint {executed} and final {final}, "
                f"after {watched.executed} and {watched.final} were durable"
            )
            self._report(Violated(Invariant.FINALITY, self._names[node], detail))
        self._compare(node, archive, store)

    def on_durable(self, node: int, store: Store, batch: WriteBatch) -> None:
        """A node's commit returned."""
        if node in self._faulty:
            return
        changes = batch.changes
        for table, look in self._looks.items():
            if table in changes:
                for key, value in changes[table].items():
                    look(node, key, value)
        if Table.CHECKPOINTS in changes:
            archive, watched = Archive(store), self._watched[node]
            watched.executed = max(parse_sequence_key(key) for key in changes[Table.CHECKPOINTS])
            self._compare(node, archive, store)
            self._check_held(node, archive, store)
        if Table.EVENTS in changes:
            self._advance_final(node, Archive(store))

    # ── one history ─────────────────────────────────────────────────────────────────────────────────────────

    def _compare_committee(self, node: int, key: bytes, encoded: bytes | None) -> None:
        """One committee for each epoch, which begins on one checkpoint."""
        if encoded is None:
            return
        epoch = parse_sequence_key(key)
        if epoch not in self._seats:
            validators = decode_committee(epoch, encoded)[0].validators
            nodes = tuple(self._nodes.get(each.public_key, seat) for seat, each in enumerate(validators))
            self._seats[epoch] = (encoded, nodes)
            self.epochs = max(self.epochs, epoch)
        if encoded != self._seats[epoch][0]:
            detail = f"the committee of epoch {epoch} is another one"
            self._report(Diverged(self._watched[node].executed + 1, (self._names[node],), detail))

    def _find_node(self, epoch: int, author: int) -> int:
        """The node that has a seat; who signed in an epoch had its committee on disk before."""
        return self._seats[epoch][1][author]

    def _compare_commit(self, node: int, key: bytes, encoded: bytes | None) -> None:
        """One sequence of commits: checkpoints hold several, so they may hide that two nodes disagree."""
        if encoded is None:
            return
        first, expected = self._commits.setdefault(key, (node, encoded))
        if encoded != expected:
            epoch, index = parse_commit_key(key)
            leaders = " and by ".join(_name(decode_commit(each).leader) for each in (expected, encoded))
            detail = f"commit {index} of epoch {epoch} is led by {leaders}"
            names = (self._names[first], self._names[node])
            self._report(Diverged(self._watched[node].executed + 1, names, detail))

    def _compare_event(self, node: int, key: bytes, encoded: bytes | None) -> None:
        """One history of every job; what was written again after a crash is what was there before."""
        if encoded is None:
            return
        if key not in self._job_events:
            self._job_events[key] = (node, encoded)
            self.market_events[type(decode_event(encoded).event).__name__] += 1
        first, expected = self._job_events[key]
        if encoded != expected:
            names = (self._names[first], self._names[node])
            self._report(Diverged(self._watched[node].executed + 1, names, f"event {key.hex()} differs"))

    def _compare_stakes(self, node: int, key: bytes, encoded: bytes | None) -> None:
        """One history of stakes; and whose stake was burned for signing twice is one that did."""
        if encoded is None:
            return
        if key not in self._stake_events:
            self._stake_events[key] = (node, encoded)
            event = decode_staking_record(encoded).event
            self.stake_events[type(event).__name__] += 1
            if isinstance(event, Elected) and event.members:
                self.stake_events["Changed"] += 1
            if isinstance(event, Slashed) and event.cause is SlashCause.TWIN:
                signer = self._nodes.get(event.validator)
                if signer is None or signer not in self._faulty:
                    detail = f"the stake of {event.validator.hex()} was burned, which did not sign twice"
                    self._report(Violated(Invariant.HONEST_STAKES, self._names[node], detail))
        first, expected = self._stake_events[key]
        if encoded != expected:
            names = (self._names[first], self._names[node])
            self._report(Diverged(self._watched[node].executed + 1, names, f"stakes of {key.hex()} differ"))

    def _compare(self, node: int, archive: Archive, store: Store) -> None:
        """Bytes with bytes: what equals the reference need not be decoded again."""
        watched = self._watched[node]
        while (encoded := store.get(Table.CHECKPOINTS, compute_sequence_key(watched.seen + 1))) is not None:
            watched.seen += 1
            if watched.seen == len(self._checkpoints):
                self._extend(node, encoded, archive, store)
                continue
            known = self._checkpoints[watched.seen]
            if known.encoded != encoded:
                self._tell_difference(node, known.checkpoint, decode_checkpoint(encoded))
                return
            self._tell_checkpoint(node, known.checkpoint)
            if _read_rows(store, known.checkpoint) != known.rows:
                detail = "the history on disk is not the one that the checkpoint was made of"
                self._report(Diverged(watched.seen, (self._names[node],), detail))
                return

    def _tell_checkpoint(self, node: int, checkpoint: Checkpoint) -> None:
        digest = checkpoint.state_digest.hex()[:16]
        self._log.write(self._names[node], "checkpoint", index=checkpoint.index, digest=digest)

    def _extend(self, node: int, encoded: bytes, archive: Archive, store: Store) -> None:
        checkpoint = decode_checkpoint(encoded)
        self._checkpoints.append(_Reference(encoded, checkpoint, _read_rows(store, checkpoint)))
        self._tell_checkpoint(node, checkpoint)
        try:
            check_supply(checkpoint.supply)
        except SupplyBroken as error:
            self._report(Violated(Invariant.SUPPLY, self._names[node], str(error)))
        if node not in self._faulty:
            self._on_crossing(self._names[node], checkpoint, archive.receipts)
        self._on_supply(checkpoint.supply)
        if checkpoint.shard != self._home.shard:
            detail = f"checkpoint {checkpoint.index} is one of shard {checkpoint.shard}"
            self._report(Violated(Invariant.OWN_SHARD, self._names[node], detail))
        first = checkpoint.ordered_total - checkpoint.ordered_count
        for row in archive.get_ordered_range(first, checkpoint.ordered_total):
            self.effects.append(row.effect)
            self._check_once(node, row.index, row.effect)
            self._check_homes(node, row.effect)

    def _check_once(self, node: int, index: int, effect: Effect) -> None:
        identity = effect.transaction
        if identity in self._ordered:
            detail = f"transaction {identity.hex()} is ordered again at index {index}"
            self._report(Violated(Invariant.AT_MOST_ONCE, self._names[node], detail))
        self._ordered.add(identity)
        if effect.status is Status.APPLIED:
            issuer = effect.changes[0]
            if issuer.sequence != self._sequences.get(issuer.account, 0) + 1:
                detail = f"number {issuer.sequence - 1} of {issuer.account.hex()} applies out of its turn"
                self._report(Violated(Invariant.AT_MOST_ONCE, self._names[node], detail))
            self._sequences[issuer.account] = issuer.sequence

    def _check_homes(self, node: int, effect: Effect) -> None:
        for change in effect.changes if self._home.bits else ():
            lives_in = compute_home_shard(change.account, self._home.bits)
            if lives_in != self._home.shard:
                detail = f"transaction {effect.transaction.hex()} changes an account of shard {lives_in}"
                self._report(Violated(Invariant.OWN_SHARD, self._names[node], detail))

    def _tell_difference(self, node: int, expected: Checkpoint, found: Checkpoint) -> None:
        parts = [
            field for field in expected.__struct_fields__ if getattr(expected, field) != getattr(found, field)
        ]
        others = tuple(
            name
            for name, watched in zip(self._names, self._watched, strict=True)
            if watched.seen >= found.index and name != self._names[node]
        )
        detail = f"{self._names[node]} differs in {', '.join(parts)}"
        self._report(Diverged(found.index, (*others, self._names[node]), detail))

    def _check_held(self, node: int, archive: Archive, store: Store) -> None:
        """Bytes with bytes here too: what was found sound on one disk need not be added up again."""
        held = tuple(tuple(store.scan(table, limit=ROWS_MAX)) for table in HELD)
        executed = self._watched[node].executed
        key = (store.get(Table.META, LEDGER), *held)
        if self._sound.get(executed) == key:
            return
        self._check_accounts(node, archive)
        self._sound[executed] = key
        if len(self._sound) > SOUND_MAX:
            del self._sound[next(iter(self._sound))]

    def _check_accounts(self, node: int, archive: Archive) -> None:
        state = archive.get_ledger_state()
        assert state is not None, "it has executed a checkpoint"
        held = [account for _, account in archive.list_accounts()]
        balances, stakes = sum(each.balance for each in held), sum(each.stake for each in held)
        if (balances, stakes) != (state.supply.balances, state.supply.stakes):
            detail = (
                f"accounts hold {balances} and {stakes} at stake, "
                f"the state says {state.supply.balances} and {state.supply.stakes}"
            )
            self._report(Violated(Invariant.SUPPLY, self._names[node], detail))
        self._check_leaving(node, archive)
        entries = archive.market.list_entries()
        escrow = compute_held(Market.restore(state.market, entries, RULES).make_state(), RULES)
        if escrow != state.supply.escrow:
            detail = f"the market holds {escrow}, the state says {state.supply.escrow}"
            self._report(Violated(Invariant.SUPPLY, self._names[node], detail))

    def _check_leaving(self, node: int, archive: Archive) -> None:
        leaving: Counter[PublicKey] = Counter()
        for entry in archive.staking.list_entries():
            if isinstance(entry, Leaving):
                leaving[entry.owner] += entry.amount
        for owner, amount in leaving.items():
            stake = archive.get_account(owner).stake
            if amount > stake:
                detail = f"{amount} of the stake of {owner.hex()} leave, which has {stake}"
                self._report(Violated(Invariant.SUPPLY, self._names[node], detail))

    def _advance_final(self, node: int, archive: Archive) -> None:
        watched, latest = self._watched[node], archive.get_last_event_row()
        assert latest is not None, "its commit returned"
        if latest.checkpoint > watched.seen:
            detail = f"checkpoint {latest.checkpoint} is final and not on its disk"
            self._report(Violated(Invariant.FINALITY, self._names[node], detail))
            return
        before = self._checkpoints[watched.final].checkpoint
        after = self._checkpoints[latest.checkpoint].checkpoint
        watched.final = latest.checkpoint
        final = self.effects[before.ordered_total : after.ordered_total]
        self._log.write(self._names[node], "final", index=latest.checkpoint)
        self._on_final(FinalRun(self._home.shard, node, tuple(effect.transaction for effect in final)))

    # ── one block for a slot ────────────────────────────────────────────────────────────────────────────────

    def _check_slot(self, node: int, key: bytes, _: bytes | None) -> None:
        epoch, round_number, author, digest = parse_block_key(key)
        signer = self._find_node(epoch, author)
        if signer in self._faulty:
            return
        slot = (epoch, round_number)
        if signer == node:
            # Its own disk has it a moment before anyone may see it; it counts until that disk is lost.
            known = self._own[node].setdefault(slot, digest)
            known_elsewhere = self._spread.get((*slot, signer), digest)
        else:
            known = self._spread.setdefault((*slot, signer), digest)
            known_elsewhere = self._own[signer].get(slot, digest)
        if not known == known_elsewhere == digest:
            place = f"round {round_number} of epoch {epoch}"
            detail = f"two blocks of {place} are signed by {self._names[signer]}"
            self._report(Violated(Invariant.SINGLE_SIGNING, self._names[node], detail))

    def _check_evidence(self, node: int, key: bytes, _: bytes | None) -> None:
        epoch, _round, author = parse_slot_key(key)
        signer = self._find_node(epoch, author)
        if signer in self._faulty:
            self.caught.add(signer)
            return
        detail = f"it keeps evidence that {self._names[signer]} signed twice"
        self._report(Violated(Invariant.SINGLE_SIGNING, self._names[node], detail))


def _read_rows(store: Store, checkpoint: Checkpoint) -> list[tuple[bytes, bytes]]:
    """A checkpoint's run of history on a disk."""
    first = checkpoint.ordered_total - checkpoint.ordered_count
    start, stop = compute_sequence_key(first), compute_sequence_key(checkpoint.ordered_total)
    return store.scan(Table.ORDERED, start, stop, limit=checkpoint.ordered_count)


def _name(leader: BlockReference) -> str:
    return f"{leader.digest.hex()[:8]} of round {leader.round}"
