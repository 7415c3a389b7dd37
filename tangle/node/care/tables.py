"""How every table is read: the registry that checks and repairs walk over.

A table that is not here is not checked, which a test forbids. Each rule takes a row as it lies on the disk
and reads it with the decoder that the node itself uses.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from poi.events import JobSnapshot
from poi.market.entries import Shelf
from poi.market.records import Capacity, Job, ProgramEntry
from shards.blocks import decode_block
from shards.bundles import Bundle, decode_bundle
from shards.certificates import decode_certificate
from shards.checkpoints import decode_checkpoint
from shards.commits import decode_commit
from tangle.core.encoding import decode
from tangle.core.errors import MalformedEncoding
from tangle.core.transactions import decode_transaction
from tangle.ledger.accounts import decode_account
from tangle.ledger.effects import decode_effect
from tangle.ledger.staking.events import decode_staking_record
from tangle.ledger.staking.records import StakingEntry, StakingShelf, compute_entry_key, decode_entry
from tangle.ledger.state import decode_ledger_state
from tangle.node.archive import (
    ARRIVAL_FLOOR,
    HISTORY_BASE,
    LEDGER,
    RECORD_SIZE_MAX,
    EarningRecord,
    EvaluationRecord,
    GenerationRecord,
    decode_history_base,
)
from tangle.node.committee_archive import EXECUTED, CommitteeRecord
from tangle.node.market_archive import JobRecord, decode_event
from tangle.node.receipt_archive import CreditedReceipt, SentReceipt, read_batches
from tangle.node.training_archive import JOB, PaidJob
from tangle.store.keys import (
    CREDIT_KEY_SIZE,
    RECEIPT_KEY_SIZE,
    decode_place,
    parse_block_key,
    parse_commit_key,
    parse_sequence_key,
)
from tangle.store.store import Table

HASH_SIZE: Final = 32
"""Bytes of ids and public keys."""

SEQUENCE_SIZE: Final = 8
"""Bytes of a number in a key."""

Read = Callable[[bytes, bytes], object]
"""Reads a row; raises where it is not one of its table."""


class Origin(StrEnum):
    """Where a table's rows could come from again."""

    SOURCE = "source"
    """From nothing else here: peers have them."""

    INDEX = "index"
    """From other tables of history, without executing anything."""

    RESULT = "result"
    """By executing history again."""


class TableRule(Struct, frozen=True):
    """What is known of a table."""

    origin: Origin
    """What takes its place when it is damaged."""

    read: Read
    """Reads a row."""


def _read_transaction(key: bytes, value: bytes) -> object:
    parse_sequence_key(key)
    return decode_transaction(value)


def _read_place(key: bytes, value: bytes) -> object:
    _expect_key(key, HASH_SIZE)
    return decode_place(value)


def _read_block(key: bytes, value: bytes) -> object:
    block = decode_block(value)
    reference = block.reference
    place = (block.body.epoch, reference.round, reference.author, reference.digest)
    if parse_block_key(key) != place:
        raise MalformedEncoding("block", "it stands under the key of another one")
    return block


def _read_commit(key: bytes, value: bytes) -> object:
    record = decode_commit(value)
    if parse_commit_key(key)[1] != record.index:
        raise MalformedEncoding("key", "it names another number than the record")
    return record


def _read_ordered(key: bytes, value: bytes) -> object:
    parse_sequence_key(key)
    parse_sequence_key(value[:SEQUENCE_SIZE])
    return decode_effect(value[SEQUENCE_SIZE:])


def _read_checkpoint(key: bytes, value: bytes) -> object:
    checkpoint = decode_checkpoint(value)
    _expect_number(key, checkpoint.index)
    return checkpoint


def _read_certificate(key: bytes, value: bytes) -> object:
    certificate = decode_certificate(value)
    _expect_number(key, certificate.index)
    return certificate


def _read_empty(size: int) -> Read:
    def read(key: bytes, value: bytes) -> object:
        _expect_key(key, size)
        if value:
            raise MalformedEncoding("index", "a value where none belongs")
        return None

    return read


def _read_record(kind: type[Struct], key_size: int) -> Read:
    def read(key: bytes, value: bytes) -> object:
        _expect_key(key, key_size)
        return decode(kind, value, limit=RECORD_SIZE_MAX)

    return read


def read_event_row(key: bytes, value: bytes) -> tuple[int, int]:
    """Checkpoint and number of events of a row."""
    parse_sequence_key(key)
    return decode(tuple[int, int], value, limit=RECORD_SIZE_MAX)


def _read_evidence(key: bytes, value: bytes) -> object:
    first, second = decode(tuple[bytes, bytes], value, limit=2 * RECORD_SIZE_MAX)
    return decode_block(first), decode_block(second)


def _read_bytes(key: bytes, value: bytes) -> object:
    return value


def _read_account(key: bytes, value: bytes) -> object:
    _expect_key(key, HASH_SIZE)
    return decode_account(value)


def read_market_entry(key: bytes, value: bytes) -> tuple[Shelf, ProgramEntry | Capacity | Job]:
    """An entry of the market and the list that it is on."""
    shelf = Shelf(key[0])
    match shelf:
        case Shelf.PROGRAM:
            return shelf, decode(ProgramEntry, value, limit=RECORD_SIZE_MAX)
        case Shelf.CAPACITY:
            return shelf, decode(Capacity, value, limit=RECORD_SIZE_MAX)
        case Shelf.JOB:
            return shelf, decode(Job, value, limit=RECORD_SIZE_MAX)


def read_staking_entry(key: bytes, value: bytes) -> StakingEntry:
    """An entry of the book of stakes."""
    entry = decode_entry(StakingShelf(key[0]), value)
    if compute_entry_key(entry) != key[1:]:
        raise MalformedEncoding("key", "it names another entry than the record")
    return entry


def _read_staking_event(key: bytes, value: bytes) -> object:
    _expect_key(key, SEQUENCE_SIZE + 2)
    return decode_staking_record(value)


def _read_listed(key: bytes, value: bytes) -> object:
    parse_sequence_key(key)
    _expect_key(value, HASH_SIZE)
    return value


def _read_count(key: bytes, value: bytes) -> object:
    _expect_key(key, HASH_SIZE)
    return parse_sequence_key(value)


def _read_job_event(key: bytes, value: bytes) -> object:
    _expect_key(key, HASH_SIZE + SEQUENCE_SIZE)
    return decode_event(value)


def _read_fact(key: bytes, value: bytes) -> object:
    if key == LEDGER:
        return decode_ledger_state(value)
    if key == ARRIVAL_FLOOR:
        return parse_sequence_key(value)
    if key == EXECUTED:
        return parse_commit_key(value)
    if key == HISTORY_BASE:
        return decode_history_base(value)
    if key.startswith(JOB):
        return decode(JobSnapshot, value, limit=RECORD_SIZE_MAX)
    return value  # a fact that a later version keeps beside these


def _expect_key(key: bytes, size: int) -> None:
    if len(key) != size:
        raise MalformedEncoding("key", f"{len(key)} bytes instead of {size}")


def _expect_number(key: bytes, number: int) -> None:
    if parse_sequence_key(key) != number:
        raise MalformedEncoding("key", "it names another number than the record")


def _read_bundle(key: bytes, value: bytes) -> Bundle:
    _expect_key(key, HASH_SIZE)
    return decode_bundle(value)


def _read_credit(key: bytes, value: bytes) -> bytes:
    _expect_key(key, CREDIT_KEY_SIZE)
    _expect_key(value, RECEIPT_KEY_SIZE)
    return value


NUMBERED: Final = HASH_SIZE + SEQUENCE_SIZE
"""Bytes of a key that is an id and a number."""

RULES: Final[Mapping[Table, TableRule]] = {
    Table.TRANSACTIONS: TableRule(Origin.SOURCE, _read_transaction),
    Table.TRANSACTION_INDEX: TableRule(Origin.INDEX, _read_place),
    Table.BLOCKS: TableRule(Origin.SOURCE, _read_block),
    Table.COMMITS: TableRule(Origin.SOURCE, _read_commit),
    Table.EPOCHS: TableRule(Origin.RESULT, _read_record(CommitteeRecord, SEQUENCE_SIZE)),
    Table.ORDERED: TableRule(Origin.SOURCE, _read_ordered),
    Table.CHECKPOINTS: TableRule(Origin.SOURCE, _read_checkpoint),
    Table.CERTIFICATES: TableRule(Origin.SOURCE, _read_certificate),
    Table.ACCOUNT_HISTORY: TableRule(Origin.INDEX, _read_empty(NUMBERED)),
    Table.EARNINGS: TableRule(Origin.RESULT, _read_record(EarningRecord, NUMBERED)),
    Table.RECEIPTS_OUT: TableRule(Origin.RESULT, _read_record(SentReceipt, RECEIPT_KEY_SIZE)),
    Table.RECEIPT_BATCHES: TableRule(Origin.RESULT, read_batches),
    Table.RECEIPTS_IN: TableRule(Origin.RESULT, _read_record(CreditedReceipt, RECEIPT_KEY_SIZE)),
    Table.BUNDLES: TableRule(Origin.SOURCE, _read_bundle),
    Table.CREDITS: TableRule(Origin.RESULT, _read_credit),
    Table.GENERATIONS: TableRule(Origin.RESULT, _read_record(GenerationRecord, NUMBERED)),
    Table.WEIGHTS: TableRule(Origin.RESULT, _read_bytes),
    Table.EVALUATIONS: TableRule(Origin.RESULT, _read_record(EvaluationRecord, NUMBERED)),
    Table.EVENTS: TableRule(Origin.INDEX, read_event_row),
    Table.JOB_EVENTS: TableRule(Origin.RESULT, _read_job_event),
    Table.PAID_JOBS: TableRule(Origin.RESULT, _read_record(PaidJob, HASH_SIZE)),
    Table.PAID_LIST: TableRule(Origin.RESULT, _read_empty(NUMBERED)),
    Table.TRAINING_DATA: TableRule(Origin.SOURCE, _read_bytes),
    Table.STAKING_EVENTS: TableRule(Origin.RESULT, _read_staking_event),
    Table.EVIDENCE: TableRule(Origin.SOURCE, _read_evidence),
    Table.ACCOUNTS: TableRule(Origin.RESULT, _read_account),
    Table.STAKING: TableRule(Origin.RESULT, read_staking_entry),
    Table.MARKET: TableRule(Origin.RESULT, read_market_entry),
    Table.JOBS: TableRule(Origin.RESULT, _read_record(JobRecord, HASH_SIZE)),
    Table.JOB_LIST: TableRule(Origin.RESULT, _read_listed),
    Table.EVENT_COUNTS: TableRule(Origin.RESULT, _read_count),
    Table.META: TableRule(Origin.RESULT, _read_fact),
    Table.PEERS: TableRule(Origin.SOURCE, _read_bytes),
}
"""Every table."""
