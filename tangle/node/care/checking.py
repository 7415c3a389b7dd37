"""A check of everything: each row read, each reference followed, the books added up.

History may be ahead of the live state by what a crash left, and is then executed again: that is no finding.
Nothing is written, and one row is held at a time, so the size of a history costs time and no memory.
"""

from collections.abc import Callable, Iterator
from struct import error as LayoutError  # noqa: N812 -- the module calls it just that
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shards.certificates import decode_certificate, verify_certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest, decode_checkpoint
from shards.commits import compute_commit_digest, decode_commit
from shards.committee import Committee
from shards.epochs import LEADING_SHARD, make_genesis_committee, make_next_committee
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.merkle import compute_merkle_root
from tangle.core.multiset import MultisetHash
from tangle.core.transactions import decode_transaction
from tangle.core.types import Digest, PublicKey
from tangle.ledger.accounts import EMPTY_ACCOUNT, decode_account, encode_account_entry
from tangle.ledger.effects import Effect, decode_effect
from tangle.ledger.marketplace import compute_market_entry
from tangle.ledger.staking.records import compute_staking_entry
from tangle.ledger.state import LedgerState, compute_state_digest, decode_ledger_state
from tangle.node.archive import HISTORY_BASE, LEDGER, HistoryBase, decode_history_base
from tangle.node.care.findings import Fault, OnProgress, Report, ignore_progress
from tangle.node.care.tables import RULES, read_event_row, read_market_entry, read_staking_entry
from tangle.node.committee_archive import EXECUTED, decode_committee
from tangle.store.keys import (
    compute_account_history_key,
    compute_block_key,
    compute_sequence_key,
    decode_place,
    parse_commit_key,
    parse_sequence_key,
)
from tangle.store.snapshot import Readable
from tangle.store.store import Table

ROWS_PER_TELLING: Final = 2_000
"""Rows between two words about progress."""

GENESIS_BASE: Final = HistoryBase(0, 0, 0, 0)
"""Where history begins that was never pruned."""

UNREADABLE = (TangleError, LayoutError, ValueError, IndexError, AssertionError, TypeError, OverflowError)
"""What decoders raise on bytes of a damaged file."""


class Setting(Struct, frozen=True):
    """What a check works on."""

    source: Readable
    """The tables."""

    genesis: Genesis
    """The network."""

    report: Report
    """Where findings go."""

    on_progress: OnProgress
    """Told how far it is."""

    is_deep: bool
    """Whether signatures and roots are computed again."""

    base: HistoryBase
    """Where history begins: what is older was pruned, or never here."""

    def walk(self, table: Table) -> Iterator[tuple[bytes, bytes]]:
        """All rows of a table, with words about progress."""
        total = self.source.count(table)
        for done, row in enumerate(self.source.iterate(table), 1):
            yield row
            if done % ROWS_PER_TELLING == 0:
                self.on_progress(table.title, done, max(total, done))
        self.on_progress(table.title, total, total)


def check_tables(
    source: Readable, genesis: Genesis, *, is_deep: bool = False, on_progress: OnProgress = ignore_progress
) -> Report:
    """Check a database; the answer says what is wrong with it.

    :param is_deep: verify the signatures of certificates and compute every Merkle root again.
    """
    report = Report()
    setting = Setting(source, genesis, report, on_progress, is_deep, GENESIS_BASE)
    for table in Table:
        _check_rows(setting, table)
    if report.is_sound:  # what cannot be read cannot be followed either
        setting = replace(setting, base=_read_base(source))
        for rule in REFERENCES:
            rule(setting)
    return report


def _read_base(source: Readable) -> HistoryBase:
    value = source.get(Table.META, HISTORY_BASE)
    return GENESIS_BASE if value is None else decode_history_base(value)


def _check_rows(setting: Setting, table: Table) -> None:
    read = RULES[table].read
    for key, value in setting.walk(table):
        setting.report.rows_total += 1
        try:
            read(key, value)
        except UNREADABLE as error:
            setting.report.add(Fault.ROW_UNREADABLE, table, key.hex(), str(error)[:200])


def _check_transactions(setting: Setting) -> None:
    """Every stored transaction is in the index at its place, and the index holds nothing else."""
    source, report = setting.source, setting.report
    stored = 0
    for key, value in setting.walk(Table.TRANSACTIONS):
        stored += 1
        identity = decode_transaction(value).id
        place = source.get(Table.TRANSACTION_INDEX, identity)
        if place is None or decode_place(place).arrival != parse_sequence_key(key):
            report.add(
                Fault.INDEX_DIFFERS, Table.TRANSACTION_INDEX, identity.hex(), "it does not lead to its row"
            )
    found = source.count(Table.TRANSACTION_INDEX)
    if found != stored:
        report.add(
            Fault.INDEX_DIFFERS, Table.TRANSACTION_INDEX, "as a whole", f"{found} entries for {stored} rows"
        )


def _check_ordered(setting: Setting) -> None:
    """History has no gaps, each of its transactions is stored, and both indexes know it."""
    source, report = setting.source, setting.report
    expected, touches = setting.base.ordered, 0
    for key, value in setting.walk(Table.ORDERED):
        index, effect = parse_sequence_key(key), decode_effect(value[8:])
        if index != expected:
            report.add(Fault.ROW_MISSING, Table.ORDERED, f"{expected} to {index - 1}", "history has a gap")
        expected = index + 1
        place = source.get(Table.TRANSACTION_INDEX, effect.transaction)
        if place is None:
            report.add(
                Fault.INDEX_DIFFERS, Table.TRANSACTION_INDEX, effect.transaction.hex(), "it is missing"
            )
            continue
        found = decode_place(place)
        if found.ordered != index:
            report.add(
                Fault.INDEX_DIFFERS,
                Table.TRANSACTION_INDEX,
                effect.transaction.hex(),
                f"it says {found.ordered}, history says {index}",
            )
        encoded = source.get(Table.TRANSACTIONS, compute_sequence_key(found.arrival))
        if encoded is None:
            report.add(Fault.ROW_MISSING, Table.TRANSACTIONS, effect.transaction.hex(), "history names it")
            continue
        touches += _check_touches(setting, index, effect, decode_transaction(encoded).body.issuer)
    found_touches = source.count(Table.ACCOUNT_HISTORY)
    if found_touches != touches:
        report.add(
            Fault.INDEX_DIFFERS,
            Table.ACCOUNT_HISTORY,
            "as a whole",
            f"{found_touches} entries and history has {touches}",
        )


def _check_touches(setting: Setting, index: int, effect: Effect, issuer: PublicKey) -> int:
    accounts = {issuer, *(change.account for change in effect.changes)}
    for account in accounts:
        if setting.source.get(Table.ACCOUNT_HISTORY, compute_account_history_key(account, index)) is None:
            setting.report.add(
                Fault.INDEX_DIFFERS, Table.ACCOUNT_HISTORY, f"{account.hex()} {index}", "it is missing"
            )
    return len(accounts)


def _check_checkpoints(setting: Setting) -> None:
    """They chain by their digests and counts, have their history, and their certificates name them."""
    report, chain = setting.report, compute_chain_id(setting.genesis)
    committee = make_genesis_committee(setting.genesis)
    previous: Checkpoint | None = None
    for key, value in setting.walk(Table.CHECKPOINTS):
        checkpoint = decode_checkpoint(value)
        place = str(checkpoint.index)
        if checkpoint.chain != chain:
            report.add(Fault.CHAIN_BROKEN, Table.CHECKPOINTS, place, "it is of another chain")
        is_whole = checkpoint.index >= setting.base.checkpoint
        if is_whole:
            _check_link(setting, previous, checkpoint)
        if setting.is_deep and (checkpoint.index > setting.base.checkpoint or not checkpoint.index):
            _check_roots(setting, checkpoint)
        certificate = setting.source.get(Table.CERTIFICATES, key)
        if certificate is not None:
            signers = _find_committee(setting, checkpoint, committee)
            if signers is not None:
                _check_certificate(setting, certificate, checkpoint, signers)
        if checkpoint.shard == LEADING_SHARD and checkpoint.epoch > committee.epoch:
            committee = make_next_committee(committee, checkpoint)
        previous = checkpoint if is_whole else None  # of what is older, single ones are kept


def _find_committee(setting: Setting, checkpoint: Checkpoint, followed: Committee) -> Committee | None:
    """Who signed a checkpoint: as ends of epochs say in the leading shard, as the others were told by it.

    :param followed: from the genesis on, in the leading shard.
    """
    epoch = checkpoint.committee_epoch
    if checkpoint.shard == LEADING_SHARD or not epoch:
        return followed
    value = setting.source.get(Table.EPOCHS, compute_sequence_key(epoch))
    if value is None:
        setting.report.add(Fault.ROW_MISSING, Table.EPOCHS, str(epoch), "it signed a checkpoint")
        return None
    return decode_committee(epoch, value)[0]


def _check_link(setting: Setting, previous: Checkpoint | None, checkpoint: Checkpoint) -> None:
    report, place = setting.report, str(checkpoint.index)
    if previous is None:
        first = setting.base.checkpoint
        if checkpoint.index != first:
            gap = f"{first} to {checkpoint.index - 1}"
            report.add(Fault.ROW_MISSING, Table.CHECKPOINTS, gap, "the first ones")
        return
    if checkpoint.index != previous.index + 1:
        gap = f"{previous.index + 1} to {checkpoint.index - 1}"
        report.add(Fault.ROW_MISSING, Table.CHECKPOINTS, gap, "the chain has a gap")
        return
    if checkpoint.previous != compute_checkpoint_digest(previous):
        report.add(Fault.CHAIN_BROKEN, Table.CHECKPOINTS, place, "it does not name the one before")
    if checkpoint.ordered_total - checkpoint.ordered_count != previous.ordered_total:
        report.add(Fault.CHAIN_BROKEN, Table.CHECKPOINTS, place, "its counts do not go on")
    last = checkpoint.ordered_total - 1
    if checkpoint.ordered_count and setting.source.get(Table.ORDERED, compute_sequence_key(last)) is None:
        report.add(Fault.ROW_MISSING, Table.ORDERED, str(last), f"checkpoint {place} ordered it")


def _check_roots(setting: Setting, checkpoint: Checkpoint) -> None:
    first = checkpoint.ordered_total - checkpoint.ordered_count
    effects = []
    for index in range(first, checkpoint.ordered_total):
        value = setting.source.get(Table.ORDERED, compute_sequence_key(index))
        if value is not None:
            effects.append(value[8:])
    identities = [decode_effect(effect).transaction for effect in effects]
    roots = (compute_merkle_root(identities), compute_merkle_root(effects))
    if roots != (checkpoint.ordered_root, checkpoint.effects_root):
        setting.report.add(
            Fault.DIGEST_DIFFERS, Table.ORDERED, f"of checkpoint {checkpoint.index}", "not what it summarises"
        )


def _check_certificate(
    setting: Setting, encoded: bytes, checkpoint: Checkpoint, committee: Committee
) -> None:
    report, certificate = setting.report, decode_certificate(encoded)
    place = str(checkpoint.index)
    if certificate.digest != compute_checkpoint_digest(checkpoint):
        report.add(Fault.DIGEST_DIFFERS, Table.CERTIFICATES, place, "it is for another checkpoint")
    elif setting.is_deep:
        try:
            verify_certificate(certificate, committee, checkpoint.chain, checkpoint.shard)
        except TangleError as error:
            report.add(Fault.SIGNATURE_INVALID, Table.CERTIFICATES, place, str(error)[:200])


def _check_commits(setting: Setting) -> None:
    """Commit records chain, and the blocks that they order are there."""
    report = setting.report
    previous: Digest | None = None
    for commit, value in setting.walk(Table.COMMITS):
        record = decode_commit(value)
        epoch, _ = parse_commit_key(commit)
        place = f"{record.index} of epoch {epoch}"
        if previous is not None and record.index != 1 and record.previous != previous:
            report.add(Fault.CHAIN_BROKEN, Table.COMMITS, place, "it does not name the one before")
        previous = compute_commit_digest(record)
        for block in record.blocks:
            if (epoch, block.round) <= (setting.base.epoch, setting.base.round):
                continue
            key = compute_block_key(epoch, block.round, block.author, block.digest)
            if setting.source.get(Table.BLOCKS, key) is None:
                report.add(Fault.ROW_MISSING, Table.BLOCKS, key.hex(), f"commit {place} orders it")


def _check_events(setting: Setting) -> None:
    """Ids of events have no gaps, and each final checkpoint has its row."""
    next_id, next_checkpoint = 1, 1
    is_pruned = setting.base != GENESIS_BASE
    for key, value in setting.walk(Table.EVENTS):
        checkpoint, count = read_event_row(key, value)
        if is_pruned:  # they begin anywhere
            next_id, next_checkpoint, is_pruned = parse_sequence_key(key), checkpoint, False
        if (parse_sequence_key(key), checkpoint) != (next_id, next_checkpoint):
            setting.report.add(
                Fault.INDEX_DIFFERS, Table.EVENTS, str(parse_sequence_key(key)), f"id {next_id} is due"
            )
        next_id, next_checkpoint = parse_sequence_key(key) + count, checkpoint + 1


def _check_state(setting: Setting) -> None:
    """The live state is what its checkpoint says, and its accounts and entries add up."""
    source, report = setting.source, setting.report
    encoded = source.get(Table.META, LEDGER)
    if encoded is None:
        if source.count(Table.CHECKPOINTS) > 1:
            report.add(Fault.ROW_MISSING, Table.META, LEDGER.decode(), "there is history and no state")
        return
    state = decode_ledger_state(encoded)
    found = source.get(Table.CHECKPOINTS, compute_sequence_key(state.checkpoint_index))
    if found is None:
        place = str(state.checkpoint_index)
        report.add(Fault.ROW_MISSING, Table.CHECKPOINTS, place, "the state stands at it")
        return
    checkpoint = decode_checkpoint(found)
    differs = compute_state_digest(state) != checkpoint.state_digest
    if differs or state.previous != compute_checkpoint_digest(checkpoint):
        report.add(
            Fault.STATE_DIFFERS, Table.META, LEDGER.decode(), f"checkpoint {checkpoint.index} says otherwise"
        )
    executed = source.get(Table.META, EXECUTED)
    if executed is not None and source.get(Table.COMMITS, executed) is None:
        report.add(Fault.ROW_MISSING, Table.COMMITS, executed.hex(), "the state stands at it")
    _check_books(setting, state)


def _check_books(setting: Setting, state: LedgerState) -> None:
    live, balances, stakes = MultisetHash(), 0, 0
    for key, value in setting.walk(Table.ACCOUNTS):
        account = decode_account(value)
        balances += account.balance
        stakes += account.stake
        if account != EMPTY_ACCOUNT:
            live.add(encode_account_entry(PublicKey(key), account))
    for key, value in setting.walk(Table.MARKET):
        live.add(compute_market_entry(*read_market_entry(key, value)))
    for key, value in setting.walk(Table.STAKING):
        live.add(compute_staking_entry(read_staking_entry(key, value)))
    supply = state.supply
    if (balances, stakes) != (supply.balances, supply.stakes):
        setting.report.add(
            Fault.SUPPLY_BROKEN,
            Table.ACCOUNTS,
            "as a whole",
            f"{balances} grains and {stakes} staked; the state says {supply.balances} and {supply.stakes}",
        )
    elif live.get_state() != state.accounts:
        setting.report.add(
            Fault.STATE_DIFFERS,
            Table.ACCOUNTS,
            "as a whole",
            "they, the market and the stakes are not those of the state",
        )


def _check_jobs(setting: Setting) -> None:
    """The list of jobs leads to jobs, and each counted event is there."""
    source, report = setting.source, setting.report
    for key, job in setting.walk(Table.JOB_LIST):
        if source.get(Table.JOBS, job) is None:
            report.add(Fault.INDEX_DIFFERS, Table.JOB_LIST, str(parse_sequence_key(key)), "no such job")
    for subject, value in setting.walk(Table.EVENT_COUNTS):
        count = parse_sequence_key(value)
        if (
            count
            and setting.base == GENESIS_BASE
            and source.get(Table.JOB_EVENTS, subject + compute_sequence_key(count - 1)) is None
        ):
            report.add(Fault.ROW_MISSING, Table.JOB_EVENTS, f"{subject.hex()} {count - 1}", "it was counted")
    for key, _ in setting.walk(Table.GENERATIONS):
        if source.get(Table.WEIGHTS, key) is None:
            report.add(Fault.ROW_MISSING, Table.WEIGHTS, key.hex(), "a generation without weights")


REFERENCES: Final[tuple[Callable[[Setting], None], ...]] = (
    _check_transactions,
    _check_ordered,
    _check_checkpoints,
    _check_commits,
    _check_events,
    _check_state,
    _check_jobs,
)
"""Everything that is followed from one table to another."""
