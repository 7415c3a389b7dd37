"""The one screen of the node in memory: it has no peers to speak of, no database and no model."""

from tangle.core.types import ChainId, PublicKey
from tangle.node.views import LatencySummary, ResourcesView, StatusView


def make_status(
    *, chain: ChainId, node_key: PublicKey, last: int, pending: int, ordered: int, price: int, is_ready: bool
) -> StatusView:
    """What the double shows of itself; ``last`` is its latest checkpoint."""
    return StatusView(
        name="double",
        version="0",
        network="double",
        chain=chain,
        role="validator",
        node_key=node_key,
        uptime_s=1.0,
        is_ready=is_ready,
        checkpoint_executed=last,
        checkpoint_certified=last,
        checkpoint_age_ms=0,
        round=last,
        peers=1,
        tips=1,
        waiting=0,
        pending=pending,
        ordered_total=ordered,
        rate_in=0.0,
        rate_final=0.0,
        finality=LatencySummary(None, None, None, 0),
        price=price,
        difficulty=1,
        generation=0,
        model_name="double",
        score=40,
        holdout_rows=50,
        device="none",
        resident_bytes=1,
        database_bytes=0,
        queues={"intake": pending},
        resources=ResourcesView(
            cpu_s=0.5,
            workers_cpu_s=0.25,
            loop_lag_ms=1.5,
            disk_free_bytes=5_000_000_000,
            workers=1,
            evaluations={"numpy CPU": ordered},
        ),
    )
