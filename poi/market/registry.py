"""The standing lists: programs that can be run, and workers that run them."""

from msgspec.structs import replace

from poi.market.book import Book, get_program_id
from poi.market.errors import (
    AlreadyAnnounced,
    InvalidBlob,
    InvalidCapacity,
    ListFull,
    NoCapacity,
    NotTheOwner,
    ProgramInUse,
    ProgramTaken,
    UnknownProgram,
)
from poi.market.limits import CAPACITIES_MAX, PROGRAMS_MAX
from poi.market.operations import AnnounceCapacity, Caller, Moment, RegisterProgram, RetireProgram
from poi.market.outcomes import ProgramRegistered, Purpose, Removal
from poi.market.records import Capacity, Kind, ProgramEntry
from tangle.core.blob_errors import MalformedBlobId, UnsupportedBlobId
from tangle.core.blob_id import BlobId, get_digest
from tangle.core.types import Grains, Milliseconds


def verify_blob(blob: bytes) -> None:
    """See to it that a content id is one that nodes can verify.

    :raises InvalidBlob: it is not.
    """
    try:
        get_digest(BlobId(blob))
    except (MalformedBlobId, UnsupportedBlobId) as fault:
        raise InvalidBlob(blob, str(fault)) from None


def expire_programs(book: Book, moment: Moment) -> None:
    """Take programs off the list that nobody confirmed in time."""
    late = [entry for entry in book.unconfirmed.values() if moment.now_ms > entry.end_ms]
    for entry in sorted(late, key=lambda each: each.program):
        book.about = entry.program
        book.drop_program(entry, Removal.UNCONFIRMED)


def register_program(book: Book, operation: RegisterProgram, caller: Caller, moment: Moment) -> None:
    """Put a program on the list; jobs may run it once validators have confirmed it.

    :raises InvalidBlob: its package has no id that can be verified.
    :raises ProgramTaken: it is there. :raises ListFull: too many. :raises LacksFunds: no deposit.
    """
    verify_blob(operation.package)
    if operation.program in book.programs:
        raise ProgramTaken(operation.program)
    if len(book.programs) >= PROGRAMS_MAX:
        raise ListFull("programs", PROGRAMS_MAX)
    deposit = book.rules.program_deposit
    book.debit(caller, deposit, Purpose.PROGRAM)
    entry = ProgramEntry(
        program=operation.program,
        owner=caller.account,
        deposit=deposit,
        macs=operation.macs,
        steps=operation.steps,
        bytes_moved=operation.bytes_moved,
        package=operation.package,
        since=moment.index,
        end_ms=Milliseconds(moment.now_ms + book.rules.confirm_ms),
        confirmed=0,
        votes=(),
    )
    book.put_program(entry)
    book.tell(ProgramRegistered(entry.program, entry.owner))


def retire_program(book: Book, operation: RetireProgram, caller: Caller) -> None:
    """Take a program off the list.

    :raises UnknownProgram, NotTheOwner, ProgramInUse: it is not there, another's, or a live job runs it.
    """
    entry = book.programs.get(operation.program)
    if entry is None:
        raise UnknownProgram(operation.program)
    if entry.owner != caller.account:
        raise NotTheOwner(caller.account, entry.owner)
    if any(get_program_id(job) == operation.program for job in book.jobs.values()):
        raise ProgramInUse(operation.program)
    book.drop_program(entry, Removal.RETIRED)


def announce_capacity(book: Book, operation: AnnounceCapacity, caller: Caller, moment: Moment) -> None:
    """Put a worker on the list.

    :raises AlreadyAnnounced: it is there, perhaps retiring. :raises InvalidCapacity: kinds or bond are wrong.
    :raises ListFull: too many. :raises LacksFunds: it does not have the bond.
    """
    if caller.account in book.capacities:
        raise AlreadyAnnounced(caller.account)
    if tuple(sorted(set(operation.kinds))) != operation.kinds:
        raise InvalidCapacity("its kinds are not in rising order")
    if not set(operation.kinds) <= {Kind.INFERENCE, Kind.TRANSFORMATION}:
        raise InvalidCapacity("only inference and transformation jobs are assigned to workers")
    if operation.bond < book.rules.capacity_bond_min:
        raise InvalidCapacity(f"a bond of {operation.bond} is below {book.rules.capacity_bond_min}")
    if len(book.capacities) >= CAPACITIES_MAX:
        raise ListFull("workers", CAPACITIES_MAX)
    book.debit(caller, operation.bond, Purpose.CAPACITY)
    capacity = Capacity(
        worker=caller.account,
        kinds=operation.kinds,
        speed=operation.speed,
        units_max=operation.units_max,
        price_min=operation.price_min,
        slots=operation.slots,
        bond=operation.bond,
        locked=Grains(0),
        used=0,
        retiring=0,
        since=moment.index,
    )
    book.put_capacity(capacity)


def withdraw_capacity(book: Book, caller: Caller) -> None:
    """Give a worker no further jobs; without one in hand it gets its bond back at once.

    :raises NoCapacity: it is not on the list.
    """
    capacity = book.capacities.get(caller.account)
    if capacity is None:
        raise NoCapacity(caller.account)
    book.put_capacity(replace(capacity, retiring=1))
    book.close_if_idle(caller.account)
