"""Operations on stakes, for people."""

from tangle.api.schemas.transactions import StakingAnswer
from tangle.cli.amounts import format_amount


def describe_staking(operation: StakingAnswer) -> str:
    """What an operation asks of the book of stakes."""
    match operation.name:
        case "stake":
            return f"put {format_amount(operation.amount)} at stake"
        case "unstake":
            return f"take {format_amount(operation.amount)} of the stake back"
        case "register":
            key = "" if operation.validator is None else f" with the key {operation.validator.hex()[:16]}"
            return f"stand for election{key}"
        case _:
            return "stand for no further election"
