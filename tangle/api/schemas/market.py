"""Requests and answers about the market: programs, workers and prices."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from poi.market.limits import GENERATIONS_MAX, ROWS_MAX
from poi.market.records import Kind
from tangle.api.wire import HexBytes, HexDigest, Quantity


class JobKind(StrEnum):
    """What a job is."""

    INFERENCE = "inference"
    """Few rows through a registered program."""

    TRANSFORMATION = "transformation"
    """A program over a data set."""

    OPTIMISATION = "optimisation"
    """The best checked answer to a problem."""

    TRAINING = "training"
    """A model trained on the customer's data."""

    @property
    def kind(self) -> Kind:
        """The market's own name of it."""
        return Kind[self.name]


class KindPriceAnswer(Struct, frozen=True):
    """The price of one kind of job."""

    kind: JobKind
    """The kind."""

    unit_price: Quantity
    """Grains per unit now."""


class MarketRulesAnswer(Struct, frozen=True):
    """The numbers that a customer or a worker has to know."""

    challenge_window_ms: Quantity
    """How long a result must stay unchallenged before it is paid."""

    reveal_ms: Quantity
    """Time to show sealed answers after the deadline."""

    program_deposit: Quantity
    """Held for a registered program."""

    capacity_bond_min: Quantity
    """Least bond of a worker."""

    answer_bond: Quantity
    """Held for a sealed answer."""

    burn_share: Quantity
    """Part of every payment that is destroyed, in millionths."""

    bond_share: Quantity
    """A worker's bond for a job as part of its price, in millionths."""


class MarketAnswer(Struct, frozen=True):
    """The market at the latest executed checkpoint."""

    checkpoint: Quantity
    """That checkpoint."""

    timestamp_ms: Quantity
    """Its commit time; deadlines are compared with it."""

    prices: tuple[KindPriceAnswer, ...]
    """Price of each kind."""

    programs: int
    """Registered programs."""

    workers: int
    """Announced workers."""

    live_jobs: int
    """Jobs that have not ended."""

    opened_jobs: Quantity
    """Jobs opened since genesis."""

    held: Quantity
    """Grains in deposits, bonds and escrows."""

    rules: MarketRulesAnswer
    """The network's numbers."""


class RowPriceAnswer(Struct, frozen=True):
    """What one row of a program costs now; more rows cost no more than that each."""

    kind: JobKind
    """As which kind of job."""

    level: int
    """At which level of verification."""

    units: Quantity
    """How much it is."""

    price: Quantity
    """Grains."""


class ProgramAnswer(Struct, frozen=True):
    """A registered program, what it costs to run and what that is in grains now."""

    program: HexDigest
    """Its id."""

    owner: str
    """Address that registered it."""

    deposit: Quantity
    """Grains held until it is retired."""

    macs: Quantity
    """Multiply-accumulates of one row."""

    steps: Quantity
    """Other elementary steps of one row."""

    bytes_moved: Quantity
    """Bytes that its operators read and write for one row."""

    package: str | None
    """Content id of the blob with the program and its constants."""

    is_confirmed: bool
    """Whether validators have confirmed it, so that jobs may run it."""

    is_in_use: bool
    """Whether a live job runs it."""

    row_prices: tuple[RowPriceAnswer, ...]
    """What one row costs now."""


class WorkerAnswer(Struct, frozen=True):
    """A worker that takes jobs."""

    worker: str
    """Its address."""

    kinds: tuple[JobKind, ...]
    """What it takes."""

    speed: Quantity
    """Units a second, as it says."""

    units_max: Quantity
    """Largest job that it takes."""

    price_min: Quantity
    """Least grains per unit for which it works."""

    slots: int
    """Jobs that it does at a time."""

    used: int
    """Jobs in hand."""

    bond: Quantity
    """What it put up."""

    locked: Quantity
    """Part of the bond that answers for jobs in hand."""

    is_retiring: bool
    """Whether it gets no further jobs."""


class QuoteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A task whose price is asked for. Fields that its kind does not have are left out."""

    kind: JobKind
    """What it is."""

    program: HexDigest | None = None
    """The registered program of an inference or a transformation."""

    rows: Annotated[int, Meta(ge=1, le=ROWS_MAX)] = 1
    """Its rows."""

    level: Annotated[int, Meta(ge=0, le=7)] = 3
    """Its level of verification: 2 or 3."""

    problem: HexBytes | None = None
    """The encoded problem of an optimisation."""

    parameters: HexBytes | None = None
    """The encoded parameters of a training."""

    generations: Annotated[int, Meta(ge=1, le=GENERATIONS_MAX)] = 1
    """Its generations."""


class QuoteAnswer(Struct, frozen=True):
    """What a task costs now; the price moves with demand until the job is ordered."""

    kind: JobKind
    """What it is."""

    units: Quantity
    """How much it is."""

    unit_price: Quantity
    """Grains per unit now."""

    price: Quantity
    """What it costs now; for an optimisation the least prize."""

    suggested_price_limit: Quantity
    """A limit per unit that holds even if the price doubles."""

    suggested_escrow: Quantity
    """What to put up for that limit; what is not paid comes back."""

    worker_bond: Quantity
    """What the worker puts at stake; 0 where nobody is assigned."""
