"""Routes that look ahead: what things cost, and what a transaction would do, without sending it."""

from typing import Final

from tangle.api.registry import JSON_BODY_MAX, BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.forecast import FeeLevelAnswer, FeesAnswer, SimulatedAnswer
from tangle.api.schemas.transactions import SubmitRequest
from tangle.api.shard_choice import ShardChoice, check_shard
from tangle.api.wire import HexDigest, Quantity
from tangle.node.forecast import FeeLevel, RehearsalView

routes: Final = RouteTable("transactions")


@routes.get("/v1/fees", ShardChoice, answer=FeesAnswer)
def get_fees(call: Call[ShardChoice, None]) -> Reply:
    """The price now, how loaded the shard is, and fee limits that hold for a while."""
    check_shard(call)
    view = call.context.service.forecast.get_fees()
    answer = FeesAnswer(
        shard=view.shard,
        checkpoint=Quantity(view.checkpoint),
        price=Quantity(view.price),
        price_floor=Quantity(view.price_floor),
        difficulty=view.difficulty,
        transfer_weight=Quantity(view.transfer_weight),
        weight_ordered=Quantity(view.weight_ordered),
        weight_target=Quantity(view.weight_target),
        interval_ms=Quantity(view.interval_ms),
        levels=tuple(map(make_level_answer, view.levels)),
    )
    return Reply(answer)


@routes.post(
    "/v1/transactions/simulate",
    NoInputs,
    BodyRule(SubmitRequest, True, JSON_BODY_MAX),
    answer=SimulatedAnswer,
)
async def simulate_transaction(call: Call[NoInputs, SubmitRequest | bytes]) -> Reply:
    """What a signed transaction would do if it were ordered next: its fee, or why it would conflict.

    It is checked like a submission and refused for the same reasons, but nothing of it is kept or sent on.
    """
    body = call.body
    encoded = bytes(body.transaction) if isinstance(body, SubmitRequest) else body
    return Reply(make_simulated_answer(await call.context.service.forecast.rehearse(encoded)))


def make_level_answer(level: FeeLevel) -> FeeLevelAnswer:
    """One fee limit as the API tells it."""
    return FeeLevelAnswer(level.name, level.intervals, Quantity(level.price), Quantity(level.transfer_fee))


def make_simulated_answer(view: RehearsalView) -> SimulatedAnswer:
    """A rehearsal as the API tells it."""
    return SimulatedAnswer(
        id=HexDigest(view.id),
        known=view.known,
        would_apply=view.would_apply,
        reason=view.reason,
        reason_code=view.reason_code,
        fee=Quantity(view.fee),
        max_fee=Quantity(view.max_fee),
        is_work_counted=view.is_work_counted,
        balance_after=None if view.balance_after is None else Quantity(view.balance_after),
        pending_before=view.pending_before,
        parents_missing=tuple(map(HexDigest, view.parents_missing)),
    )
