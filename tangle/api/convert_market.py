"""From the node's views of programs, workers and prices to the API's answers."""

from typing import Final

from poi.market.errors import InvalidTask
from poi.market.limits import MarketRules
from poi.market.pricing import LEVEL_SHARES, compute_units
from poi.market.records import (
    Capacity,
    Inference,
    Kind,
    Optimisation,
    ProgramEntry,
    Task,
    Training,
    Transformation,
)
from tangle.api.accounts import AccountCodec
from tangle.api.schemas.market import (
    JobKind,
    KindPriceAnswer,
    MarketAnswer,
    MarketRulesAnswer,
    ProgramAnswer,
    QuoteAnswer,
    QuoteRequest,
    RowPriceAnswer,
    WorkerAnswer,
)
from tangle.api.wire import HexDigest, Quantity
from tangle.core.blob_id import BlobId, format_blob_id, make_blob_id
from tangle.core.types import INTEGER_MAX, Digest
from tangle.node.market_views import MarketView, ProgramView, QuoteView

PRICE_HEADROOM: Final = 2
"""Times the present price that a customer is told to allow: eight intervals of full demand double it."""

NO_DIGEST: Final = Digest(bytes(32))
"""Stands for inputs that do not matter for a price."""

PROGRAM_KINDS: Final = (Kind.INFERENCE, Kind.TRANSFORMATION)
"""Kinds of jobs that run a program."""


def get_job_kind(kind: Kind) -> JobKind:
    """The wire's name of a kind."""
    return JobKind[kind.name]


def make_market_answer(view: MarketView, rules: MarketRules) -> MarketAnswer:
    """The answer's form of the market."""
    return MarketAnswer(
        checkpoint=Quantity(view.checkpoint),
        timestamp_ms=Quantity(view.now_ms),
        prices=tuple(KindPriceAnswer(get_job_kind(each.kind), Quantity(each.price)) for each in view.kinds),
        programs=view.programs,
        workers=view.workers,
        live_jobs=view.jobs,
        opened_jobs=Quantity(view.opened),
        held=Quantity(view.held),
        rules=MarketRulesAnswer(
            challenge_window_ms=Quantity(rules.challenge_window_ms),
            reveal_ms=Quantity(rules.reveal_ms),
            program_deposit=Quantity(rules.program_deposit),
            capacity_bond_min=Quantity(rules.capacity_bond_min),
            answer_bond=Quantity(rules.answer_bond),
            burn_share=Quantity(rules.burn_share),
            bond_share=Quantity(rules.bond_share),
        ),
    )


def make_program_answer(view: ProgramView, market: MarketView, accounts: AccountCodec) -> ProgramAnswer:
    """The answer's form of a program, priced as of ``market``."""
    entry = view.entry
    return ProgramAnswer(
        program=HexDigest(entry.program),
        owner=accounts.encode(entry.owner),
        deposit=Quantity(entry.deposit),
        macs=Quantity(entry.macs),
        steps=Quantity(entry.steps),
        bytes_moved=Quantity(entry.bytes_moved),
        package=format_blob_id(BlobId(entry.package)),
        is_confirmed=bool(entry.confirmed),
        is_in_use=view.is_in_use,
        row_prices=_price_row(entry, market),
    )


def make_worker_answer(capacity: Capacity, accounts: AccountCodec) -> WorkerAnswer:
    """The answer's form of a worker."""
    return WorkerAnswer(
        worker=accounts.encode(capacity.worker),
        kinds=tuple(map(get_job_kind, capacity.kinds)),
        speed=Quantity(capacity.speed),
        units_max=Quantity(capacity.units_max),
        price_min=Quantity(capacity.price_min),
        slots=capacity.slots,
        used=capacity.used,
        bond=Quantity(capacity.bond),
        locked=Quantity(capacity.locked),
        is_retiring=bool(capacity.retiring),
    )


def make_quote_answer(view: QuoteView) -> QuoteAnswer:
    """The answer's form of a quote."""
    return QuoteAnswer(
        kind=get_job_kind(view.kind),
        units=Quantity(view.units),
        unit_price=Quantity(view.unit_price),
        price=_limit(view.price),
        suggested_price_limit=_limit(PRICE_HEADROOM * view.unit_price),
        suggested_escrow=_limit(PRICE_HEADROOM * view.price),
        worker_bond=_limit(view.worker_bond),
    )


def make_task(request: QuoteRequest) -> Task:
    """The task whose price is asked for; inputs do not matter for it.

    :raises InvalidTask: a field of its kind is missing.
    """
    inputs = (NO_DIGEST,)
    match request.kind:
        case JobKind.INFERENCE:
            program = _require(request.program, "program")
            return Inference(Digest(program), inputs, request.rows, request.level, inputs)
        case JobKind.TRANSFORMATION:
            program = _require(request.program, "program")
            return Transformation(Digest(program), inputs, request.rows, request.level, inputs)
        case JobKind.OPTIMISATION:
            return Optimisation(bytes(_require(request.problem, "problem")))
        case JobKind.TRAINING:
            parameters = bytes(_require(request.parameters, "parameters"))
            return Training(parameters, request.generations, make_blob_id(NO_DIGEST))


def _require(value: bytes | None, name: str) -> bytes:
    if value is None:
        raise InvalidTask(f"a job of this kind has a {name}")
    return value


def _price_row(entry: ProgramEntry, market: MarketView) -> tuple[RowPriceAnswer, ...]:
    priced = []
    prices = {each.kind: each.price for each in market.kinds}
    inputs = (NO_DIGEST,)
    for kind in PROGRAM_KINDS:
        make = Inference if kind is Kind.INFERENCE else Transformation
        for level in LEVEL_SHARES:
            try:
                units = compute_units(make(entry.program, inputs, 1, int(level), inputs), entry)
            except InvalidTask:  # even one row is more than any job may be
                continue
            price = _limit(units * prices[kind])
            priced.append(RowPriceAnswer(get_job_kind(kind), int(level), Quantity(units), price))
    return tuple(priced)


def _limit(grains: int) -> Quantity:
    # More than all grains there can be: nobody can pay it, and it must fit into 63 bits.
    return Quantity(min(grains, INTEGER_MAX))
