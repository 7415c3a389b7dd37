"""Refusals as numbers: what an effect keeps of why the market refused an operation."""

from typing import Final

from poi.errors import WrongSeal
from poi.market.errors import MarketFault
from tangle.core.errors import TangleError

REFUSALS: Final = (
    "program-unknown",
    "program-unconfirmed",
    "program-taken",
    "program-in-use",
    "market-not-owner",
    "market-full",
    "jobs-too-many",
    "market-funds",
    "job-unfunded",
    "job-price",
    "job-task-invalid",
    "job-level",
    "job-not-live",
    "job-phase",
    "result-worker",
    "result-attempt-over",
    "result-late",
    "result-wrong",
    "answer-early",
    "answer-sealed",
    "answer-not-sealed",
    "answer-infeasible",
    "seal-wrong",
    "challenge-late",
    "challenge-empty",
    "capacity-announced",
    "capacity-none",
    "capacity-invalid",
    "problem-invalid",
    "blob-invalid",
    "move-party",
    "move-invalid",
    "move-late",
    "moves-too-many",
    "market-elsewhere",
)
"""Codes of refused operations. A code's number is its place, from 1; new ones are added at the end."""

_NUMBERS: Final = {code: number for number, code in enumerate(REFUSALS, 1)}

Refusal = MarketFault | WrongSeal
"""What ``Market.apply`` raises."""


def get_refusal_number(fault: TangleError) -> int:
    """The number of a refusal."""
    return _NUMBERS[fault.code]


def get_refusal_code(number: int) -> str:
    """The code behind a number; a number of a later version names none."""
    return REFUSALS[number - 1] if 1 <= number <= len(REFUSALS) else "market-refused"
