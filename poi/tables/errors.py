"""Faults of tables."""

from tangle.core.errors import TangleError


class InvalidTable(TangleError):
    """A file that is no table which a model can be trained on."""

    code = "table-invalid"

    def __init__(self, reason: str, line: int = 0) -> None:
        """:param line: of the file, from 1; 0 where the whole file is meant."""
        self.reason = reason
        self.line = line
        place = f"line {line}: " if line else ""
        super().__init__(f"the table is refused: {place}{reason}")


class BudgetTooSmall(TangleError):
    """A budget that pays for no generation at all."""

    code = "training-budget"

    def __init__(self, budget: int, price: int) -> None:
        self.budget = budget
        self.price = price
        super().__init__(f"a budget of {budget} grains pays for no generation; one costs {price} now")
