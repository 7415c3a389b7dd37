"""A glance at each start: does what stands at the heads fit together?

Its work is bounded whatever the history's length: the state and its checkpoint, the newest checkpoints, their
history's ends, and the newest own blocks against the record of what was last signed. That is a few hundred
reads of a row, some tens of milliseconds. ``tangle db check`` looks at everything.
"""

from typing import Final

import structlog

from shards.blocks import decode_block
from shards.checkpoints import Checkpoint, compute_checkpoint_digest
from shards.guard import decode_last_signed
from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.ledger.state import compute_state_digest
from tangle.node.archive import Archive
from tangle.node.care.checking import UNREADABLE
from tangle.node.care.findings import Fault, Report
from tangle.node.committee_archive import EXECUTED
from tangle.store.keys import compute_round_key
from tangle.store.store import Store, Table

CHECKPOINTS: Final = 128
"""Newest checkpoints whose chain is followed: half a minute of a busy network."""

BLOCKS: Final = 512
"""Newest blocks among which own ones are looked for: several rounds of the largest committee."""

OWN_AHEAD_MAX: Final = 1
"""Own blocks that may be newer than the record of the last signed one: a block is stored first, and a crash
can come before the record."""

log = structlog.get_logger("self-check")


class SelfCheckFailed(TangleError):
    """What stands at the heads of the databases does not fit together."""

    code = "self-check-failed"

    def __init__(self, findings: tuple[str, ...]) -> None:
        self.findings = findings
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(
            f"the database is not sound: {findings[0]}{more}; `tangle db check` tells all of it, "
            "`tangle db repair` mends it"
        )


def check_start(store: Store, guard_record: bytes, own_key: PublicKey | None) -> Report:
    """Look at the heads; a home that has no state yet has nothing to look at.

    :param guard_record: the record of what was last signed; empty before the first.
    :param own_key: the validator's key; none for an observer.
    :returns: how much was looked at; an old record of what was last signed is told of, and no failure.
    :raises SelfCheckFailed: something does not fit.
    """
    report = Report()
    try:
        archive = Archive(store)
        _check_heads(archive, store, report)
        if own_key is not None and guard_record:
            _check_guard(store, guard_record, report)
    except UNREADABLE as error:
        report.add(Fault.ROW_UNREADABLE, None, "the heads", str(error)[:200])
    wrong = [finding for finding in report.findings if finding.fault is not Fault.GUARD_BEHIND]
    if wrong:
        raise SelfCheckFailed(tuple(finding.describe() for finding in wrong))
    log.info("sound", rows=report.rows_total)
    return report


def _check_heads(archive: Archive, store: Store, report: Report) -> None:
    state = archive.get_ledger_state()
    if state is None:
        return
    index = state.checkpoint_index
    latest = archive.get_checkpoint(index)
    report.rows_total += 2
    if latest is None:
        report.add(Fault.ROW_MISSING, Table.CHECKPOINTS, str(index), "the state stands at it")
        return
    is_same = compute_state_digest(state) == latest.state_digest
    if not is_same or state.previous != compute_checkpoint_digest(latest):
        report.add(Fault.STATE_DIFFERS, Table.META, "ledger", f"checkpoint {index} says otherwise")
    executed = store.get(Table.META, EXECUTED)
    if executed is not None and store.get(Table.COMMITS, executed) is None:
        report.add(Fault.ROW_MISSING, Table.COMMITS, executed.hex(), "the state stands at it")
    _check_chain(archive, latest, report)


def _check_chain(archive: Archive, latest: Checkpoint, report: Report) -> None:
    following = latest
    for index in range(latest.index - 1, max(-1, latest.index - CHECKPOINTS), -1):
        checkpoint = archive.get_checkpoint(index)
        report.rows_total += 1
        if checkpoint is None:
            report.add(Fault.ROW_MISSING, Table.CHECKPOINTS, str(index), "the chain has a gap")
            return
        if following.previous != compute_checkpoint_digest(checkpoint):
            report.add(Fault.CHAIN_BROKEN, Table.CHECKPOINTS, str(following.index), "it names another one")
        if following.ordered_count and archive.get_ordered(following.ordered_total - 1) is None:
            place = str(following.ordered_total - 1)
            report.add(Fault.ROW_MISSING, Table.ORDERED, place, f"checkpoint {following.index} ordered it")
        following = checkpoint


def _check_guard(store: Store, guard_record: bytes, report: Report) -> None:
    """A record that is older than the own blocks is an old copy: with it the key might sign a slot again."""
    record = decode_last_signed(guard_record)
    if not record.block:
        return
    author = decode_block(record.block).body.author
    ahead = 0
    start = compute_round_key(record.epoch, record.round + 1)
    for _, value in store.scan(Table.BLOCKS, start, limit=BLOCKS):
        block = decode_block(value)
        report.rows_total += 1
        ahead += block.body.epoch == record.epoch and block.reference.author == author
    if ahead > OWN_AHEAD_MAX:
        # No reason to stay away: nothing is signed before peers have vouched for the own latest block.
        log.warning("guard-behind", round=record.round, own_blocks_ahead=ahead)
        place = f"round {record.round}"
        report.add(Fault.GUARD_BEHIND, None, place, f"{ahead} own blocks are newer than validator.state")
