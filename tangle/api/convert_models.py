"""From the node's views of standing jobs to the API's answers."""

from tangle.api.accounts import AccountCodec
from tangle.api.schemas.models import GenerationAnswer, LineageItemAnswer, ModelAnswer
from tangle.api.wire import HexDigest, Quantity, SignedQuantity
from tangle.node.learning_views import GenerationView, LineageItem, ModelView


def make_generation_answer(view: GenerationView) -> GenerationAnswer:
    """The answer's form of a generation."""
    return GenerationAnswer(
        generation=Quantity(view.generation),
        score=view.score,
        evaluations=Quantity(view.evaluations),
        weights_digest=HexDigest(view.weights_digest),
        checkpoint=Quantity(view.checkpoint),
        timestamp_ms=Quantity(view.timestamp_ms),
    )


def make_model_answer(view: ModelView) -> ModelAnswer:
    """The answer's form of a standing job."""
    return ModelAnswer(
        job=HexDigest(view.job),
        name=view.name,
        layer_sizes=view.layer_sizes,
        budget=Quantity(view.budget),
        holdout_rows=view.holdout_rows,
        population=view.population,
        current=make_generation_answer(view.current),
        counted_total=Quantity(view.counted_total),
        counted_open=Quantity(view.counted_open),
        paid_by=None if view.paid_by is None else HexDigest(view.paid_by),
    )


def make_lineage_answer(item: LineageItem, accounts: AccountCodec) -> LineageItemAnswer:
    """The answer's form of a counted evaluation."""
    return LineageItemAnswer(
        ordered_index=Quantity(item.ordered_index),
        checkpoint=Quantity(item.checkpoint),
        timestamp_ms=Quantity(item.timestamp_ms),
        transaction=HexDigest(item.transaction),
        issuer=accounts.encode(item.issuer),
        sequence=Quantity(item.sequence),
        generation=Quantity(item.generation),
        results=tuple(map(SignedQuantity, item.results)),
    )
