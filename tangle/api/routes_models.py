"""Routes about standing jobs: what the ledger learns, and from which evaluations."""

from typing import Annotated, Final

from msgspec import Meta

from tangle.api.convert_models import make_generation_answer, make_lineage_answer, make_model_answer
from tangle.api.cursors import LINEAGE, decode_cursor, encode_cursor
from tangle.api.registry import OCTETS, Call, RawReply, Reply, RouteTable
from tangle.api.schemas.models import LineageItemAnswer, ModelAnswer, ModelDetailAnswer
from tangle.api.shard_choice import ShardChoice, check_shard
from tangle.api.wire import HexDigest, Quantity
from tangle.core.types import JobId

routes: Final = RouteTable("models")

CURVE_MAX: Final = 1_000
"""Most generations of one piece of a learning curve."""

LINEAGE_MAX: Final = 1_000
"""Most evaluations of one page of a lineage."""


class ModelInputs(ShardChoice, frozen=True, forbid_unknown_fields=True):
    """A standing job and a piece of its learning curve."""

    job: HexDigest
    """The job."""

    first: Quantity | None = None
    """First generation of the curve; the initial weights for none."""

    limit: Annotated[int, Meta(ge=1, le=CURVE_MAX)] = CURVE_MAX
    """Most generations of the curve."""


class WeightsInputs(ShardChoice, frozen=True, forbid_unknown_fields=True):
    """A standing job and one of its generations."""

    job: HexDigest
    """The job."""

    generation: Quantity | None = None
    """The generation; the current one for none."""


class StandingJobInputs(ShardChoice, frozen=True, forbid_unknown_fields=True):
    """A standing job."""

    job: HexDigest
    """The job."""


class LineageInputs(ShardChoice, frozen=True, forbid_unknown_fields=True):
    """A standing job and one page of its evaluations."""

    job: HexDigest
    """The job."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=LINEAGE_MAX)] = 500
    """Most evaluations to return."""


@routes.get("/v1/models", ShardChoice, answer=tuple[ModelAnswer, ...])
def list_models(call: Call[ShardChoice, None]) -> Reply:
    """All standing jobs, and paid ones that ended lately."""
    check_shard(call)
    return Reply(tuple(map(make_model_answer, call.context.service.get_models())))


@routes.get("/v1/models/{job}", ModelInputs, answer=ModelDetailAnswer)
def get_model(call: Call[ModelInputs, None]) -> Reply:
    """A standing job with its learning curve."""
    check_shard(call)
    service, inputs = call.context.service, call.inputs
    job = JobId(inputs.job)
    model = make_model_answer(service.get_model(job))
    generations = service.get_generations(job, inputs.first or 0, inputs.limit)
    return Reply(ModelDetailAnswer(model, tuple(map(make_generation_answer, generations))))


@routes.get("/v1/models/{job}/weights", WeightsInputs, media_types=(OCTETS,))
def get_weights(call: Call[WeightsInputs, None]) -> RawReply:
    """Master weights of a generation: int32, little-endian, layer by layer, row-major."""
    check_shard(call)
    weights = call.context.service.get_weights(JobId(call.inputs.job), call.inputs.generation)
    return RawReply(weights, OCTETS)


@routes.get("/v1/models/{job}/parameters", StandingJobInputs, media_types=(OCTETS,))
def get_parameters(call: Call[StandingJobInputs, None]) -> RawReply:
    """Encoded parameters of a standing job, live or ended; the job's id is their hash."""
    check_shard(call)
    return RawReply(call.context.service.get_parameters(JobId(call.inputs.job)), OCTETS)


@routes.get("/v1/models/{job}/data", StandingJobInputs, media_types=(OCTETS,))
def get_training_data(call: Call[StandingJobInputs, None]) -> RawReply:
    """Training data of a paid job, as the customer's blob had them; the parameters bind their roots."""
    check_shard(call)
    return RawReply(call.context.service.get_training_data(JobId(call.inputs.job)), OCTETS)


@routes.get("/v1/models/{job}/lineage", LineageInputs, answer=tuple[LineageItemAnswer, ...])
def get_lineage(call: Call[LineageInputs, None]) -> Reply:
    """The counted evaluations that made a model, in order."""
    check_shard(call)
    context, inputs = call.context, call.inputs
    after = decode_cursor(LINEAGE, inputs.cursor) or 0
    items = context.service.get_lineage(JobId(inputs.job), after, inputs.limit)
    answers = tuple(make_lineage_answer(item, context.accounts) for item in items)
    following = items[-1].ordered_index + 1 if len(items) == inputs.limit else None
    return Reply(answers, next_cursor=encode_cursor(LINEAGE, following))
