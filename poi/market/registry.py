"""The standing lists: programs that can be run, and workers that run them."""

from msgspec.structs import replace

from poi.market.book import Book, get_program_id
from poi.market.errors import (
    AlreadyAnnounced,
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
from poi.market.outcomes import Purpose
from poi.market.records import Capacity, Kind, ProgramEntry
from tangle.core.types import Grains


def register_program(book: Book, operation: RegisterProgram, caller: Caller) -> None:
    """Put a program on the list.

    :raises ProgramTaken: it is there. :raises ListFull: too many. :raises LacksFunds: no deposit.
    """
    if operation.program in book.programs:
        raise ProgramTaken(operation.program)
    if len(book.programs) >= PROGRAMS_MAX:
        raise ListFull("programs", PROGRAMS_MAX)
    deposit = book.rules.program_deposit
    book.debit(caller, deposit, Purpose.PROGRAM)
    book.programs[operation.program] = ProgramEntry(
        operation.program,
        caller.account,
        deposit,
        operation.macs,
        operation.steps,
        operation.bytes_moved,
    )


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
    del book.programs[operation.program]
    book.credit(entry.owner, entry.deposit, Purpose.PROGRAM)


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
    book.capacities[caller.account] = Capacity(
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


def withdraw_capacity(book: Book, caller: Caller) -> None:
    """Give a worker no further jobs; without one in hand it gets its bond back at once.

    :raises NoCapacity: it is not on the list.
    """
    capacity = book.capacities.get(caller.account)
    if capacity is None:
        raise NoCapacity(caller.account)
    book.capacities[caller.account] = replace(capacity, retiring=1)
    book.close_if_idle(caller.account)
