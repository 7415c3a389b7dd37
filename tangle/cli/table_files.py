"""Tables on this machine that a model is to learn: read, planned, and priced before anything is ordered."""

from pathlib import Path

from msgspec import Struct

from poi.market.records import Training
from poi.tables.errors import InvalidTable
from poi.tables.planning import TrainingPlan, plan_training
from poi.tables.reading import TABLE_SIZE_MAX
from poi.tables.tuning import GENERATIONS_DEFAULT, choose_generations
from tangle.api.schemas.market import JobKind
from tangle.client.client import TangleClient
from tangle.core.chunk_tree import compute_tree
from tangle.core.encoding import encode


class TableOptions(Struct, frozen=True):
    """What a person said of a table."""

    data: Path
    """The file."""

    label: str
    """Column to be learnt."""

    ignored: tuple[str, ...]
    """Columns to be left out."""

    generations: int | None
    """Generations to be bought; as many as are usual and the budget pays for when none are named."""

    budget: int | None
    """Grains that may be spent; none where nothing is ordered."""


def read_plan(options: TableOptions) -> TrainingPlan:
    """The plan for a table.

    :raises InvalidTable, InvalidDataset: it cannot be learnt.
    """
    size = options.data.stat().st_size
    if size > TABLE_SIZE_MAX:
        raise InvalidTable(f"it has {size} bytes; at most {TABLE_SIZE_MAX} are taken")
    return plan_training(options.data.read_bytes(), options.label, options.ignored)


async def plan_task(client: TangleClient, options: TableOptions) -> tuple[Training, bytes]:
    """The task of learning a table, and the blob of its data.

    :raises InvalidTable, InvalidDataset: it cannot be learnt.
    :raises BudgetTooSmall: the budget pays for no generation, or not for those that were asked for.
    """
    plan = read_plan(options)
    parameters = encode(plan.job)
    generations = options.generations or GENERATIONS_DEFAULT
    if options.budget is not None:
        one = await client.get_quote(JobKind.TRAINING, parameters=parameters, generations=1)
        generations = choose_generations(options.budget, int(one.price), options.generations)
    return Training(parameters, generations, compute_tree(plan.content).id), plan.content
