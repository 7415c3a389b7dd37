"""Two runs side by side: which stages changed by more than the machine does.

Digits of two runs cannot be compared, because the machine itself moves by a factor of two. So each stage goes
by its share of the raw limit that was taken around it in the same run. Stages under other conditions, quick
runs beside whole ones, and limits themselves are told apart instead of compared.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from tangle.cli.bench.records import Figure, Results

THRESHOLD: Final = 0.10
"""A smaller change is noise on most machines."""


class Verdict(StrEnum):
    """What became of a stage."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    ADDED = "added"
    """Only the new run has it."""

    REMOVED = "removed"
    """Only the old run has it."""

    OTHER = "not comparable"
    """Both have it, under other conditions."""


class Change(Struct, frozen=True):
    """One stage in two runs."""

    stage: str
    """Its name."""

    verdict: Verdict
    """What became of it."""

    old: float | None
    """Share of its limit in the old run."""

    new: float | None
    """Share of its limit in the new run."""

    ratio: float | None
    """New to old: above 1 it became faster."""


def compare(old: Results, new: Results, threshold: float = THRESHOLD) -> tuple[Change, ...]:
    """Every stage of either run that is read beside a limit, in the order of the new run.

    :param threshold: part by which a share must have changed, as 0.1; the same factor both ways.
    """
    before, after = _index(old), _index(new)
    is_comparable = old.is_quick == new.is_quick and old.device == new.device
    names = dict.fromkeys([*after, *before])
    return tuple(
        _compare_one(name, before.get(name), after.get(name), threshold, is_comparable) for name in names
    )


def _index(results: Results) -> Mapping[str, Figure]:
    return {figure.stage: figure for figure in results.figures if figure.share is not None}


def _compare_one(
    name: str, old: Figure | None, new: Figure | None, threshold: float, is_comparable: bool
) -> Change:
    if old is None or old.share is None:
        return Change(name, Verdict.ADDED, None, None if new is None else new.share, None)
    if new is None or new.share is None:
        return Change(name, Verdict.REMOVED, old.share, None, None)
    is_same_thing = (old.unit, old.limit, old.clock, old.conditions) == (
        new.unit,
        new.limit,
        new.clock,
        new.conditions,
    )
    if not is_comparable or not is_same_thing or old.share <= 0:
        return Change(name, Verdict.OTHER, old.share, new.share, None)
    ratio = new.share / old.share
    if ratio > 1 + threshold:
        verdict = Verdict.FASTER
    elif ratio < 1 / (1 + threshold):
        verdict = Verdict.SLOWER
    else:
        verdict = Verdict.SAME
    return Change(name, verdict, old.share, new.share, ratio)
