"""What a check can find wrong, by name."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from tangle.store.store import Table

FINDINGS_MAX: Final = 200
"""Findings that are told one by one; a check counts the rest. A damaged page alone makes hundreds."""


class Fault(StrEnum):
    """Kinds of findings; the names are stable."""

    FILE_UNREADABLE = "file-unreadable"
    PAGE_DAMAGED = "page-damaged"
    ROW_UNREADABLE = "row-unreadable"
    ROW_MISSING = "row-missing"
    CHAIN_BROKEN = "chain-broken"
    DIGEST_DIFFERS = "digest-differs"
    INDEX_DIFFERS = "index-differs"
    SIGNATURE_INVALID = "signature-invalid"
    STATE_DIFFERS = "state-differs"
    SUPPLY_BROKEN = "supply-broken"
    GUARD_BEHIND = "guard-behind"


class Finding(Struct, frozen=True):
    """One thing that is wrong."""

    fault: Fault
    """What kind of thing."""

    table: Table | None
    """In which table; none where it is a file or the home."""

    place: str
    """Where in it, for people: a key, a number, a page."""

    detail: str
    """What was found there."""

    def describe(self) -> str:
        """One line."""
        where = self.place if self.table is None else f"{self.table.title} {self.place}"
        return f"{self.fault.value}: {where}: {self.detail}"


class Report:
    """The findings of one check, and how much was looked at."""

    def __init__(self) -> None:
        """Nothing found yet."""
        self.findings: list[Finding] = []
        self.findings_total = 0
        self.rows_total = 0
        self.faults: set[tuple[Fault, Table | None]] = set()
        """Kinds found by table, also of those beyond ``FINDINGS_MAX``."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings_total

    def add(self, fault: Fault, table: Table | None, place: str, detail: str) -> None:
        """One more."""
        self.findings_total += 1
        self.faults.add((fault, table))
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(fault, table, place, detail))


OnProgress = Callable[[str, int, int], None]
"""Told now and then: what is worked on, how much of it is done, and how much there is."""


def ignore_progress(name: str, done: int, total: int) -> None:
    """Nobody looks."""
