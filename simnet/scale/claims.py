"""The whitepaper's claims about scale, each beside what the model says."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from simnet.scale.costs import US_PER_S, StepCosts
from simnet.scale.model import ScalePoint
from simnet.scale.places import compute_mean_latency_s

THROUGHPUT: Final = 10_000.0
"""Transactions a second that are claimed."""

INFERENCE_MS: Final = 300.0
"""Time of an inference that is claimed."""

NEAR_LINEAR: Final = 0.9
"""An exponent from which growth is called near-linear: ten times the nodes give eight times as much."""


class Claim(Struct, frozen=True):
    """One row."""

    claim: str
    model: str
    """What the model says, with its figures."""

    is_met: bool | None
    """None where the model cannot tell."""


def judge_claims(points: Sequence[ScalePoint], costs: StepCosts) -> tuple[Claim, ...]:
    """All claims.

    :param points: of several numbers of nodes and shards, at loads that they can bear.
    """
    whole = find_whole(points)
    best = max(whole, key=lambda point: point.capacity)
    return (_judge_throughput(best), _judge_inference(best, costs), _judge_linear(whole), _judge_power(whole))


def find_whole(points: Sequence[ScalePoint]) -> Sequence[ScalePoint]:
    """Points whose committees are as large as they may be: a shard of three nodes is fast, and worth nothing.

    All points where there is none.
    """
    return [point for point in points if point.plan.validators == point.plan.committee] or points


def _judge_throughput(best: ScalePoint) -> Claim:
    per_shard = best.capacity / best.plan.shards
    needed = math.ceil(THROUGHPUT / per_shard)
    model = (
        f"{best.capacity:,.0f} tx/s with {best.plan.shards} shards and {best.plan.nodes:,} nodes; one shard "
        f"bears {per_shard:,.0f}, so {needed} are needed. Transfers between shards are not built; each "
        "would use two, so that half of it is left at worst"
    )
    return Claim("over 10,000 transactions a second", model, best.capacity > THROUGHPUT)


def _judge_inference(best: ScalePoint, costs: StepCosts) -> Claim:
    away_ms = 2_000 * compute_mean_latency_s(best.plan)
    compute_ms = costs.transaction.work_us * 1_000 / US_PER_S
    model = (
        f"an evaluation of the digits job takes {compute_ms:.2f} ms and the mean way to a node and back "
        f"{away_ms:.0f} ms, so an answer alone can come in time; a final record takes "
        f"{best.finality_p50_ms:,.0f} ms. Larger models are not in this model"
    )
    return Claim("inference in under 300 ms", model, None)


def _judge_linear(points: Sequence[ScalePoint]) -> Claim:
    by_shards: dict[int, list[ScalePoint]] = {}
    for point in points:
        by_shards.setdefault(point.plan.shards, []).append(point)
    column = max(by_shards.values(), key=len)
    first, last = (pick(column, key=lambda point: point.plan.nodes) for pick in (min, max))
    alone = fit_exponent([(point.plan.nodes, point.capacity) for point in column])
    grown = fit_exponent([(point.plan.nodes, point.capacity) for point in find_growing(points)])
    model = (
        f"with {first.plan.shards} shard(s), {first.plan.nodes:,} to {last.plan.nodes:,} nodes, throughput "
        f"goes as nodes^{alone:.2f}: every node of a shard checks everything. Only where shards grow with "
        f"the nodes it goes as nodes^{grown:.2f}"
    )
    return Claim("near-linear scaling to 10,000 nodes", model, alone >= NEAR_LINEAR)


def _judge_power(points: Sequence[ScalePoint]) -> Claim:
    nodes, shards = fit_plane([(p.plan.nodes, p.plan.shards, p.capacity) for p in points])
    model = f"throughput goes as N^{nodes:.2f} · k^{shards:.2f} over the points (N all nodes, k shards)"
    return Claim("P ∝ N·k", model, nodes >= NEAR_LINEAR and shards >= NEAR_LINEAR)


def find_growing(points: Sequence[ScalePoint]) -> list[ScalePoint]:
    """Points whose nodes and shards grow together: for each number of shards the least network."""
    least: dict[int, ScalePoint] = {}
    for point in sorted(points, key=lambda point: point.plan.nodes, reverse=True):
        least[point.plan.shards] = point
    growing: list[ScalePoint] = []
    for point in sorted(least.values(), key=lambda point: point.plan.shards):
        if not growing or point.plan.nodes > growing[-1].plan.nodes:
            growing.append(point)
    return growing


def fit_exponent(pairs: Sequence[tuple[float, float]]) -> float:
    """``b`` of ``y = a · x^b``; 0 from fewer than two different ``x``."""
    if len({x for x, _ in pairs}) < 2:
        return 0.0
    x, y = (np.log([pair[place] for pair in pairs]) for place in (0, 1))
    return float(np.polyfit(x, y, 1)[0])


def fit_plane(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """``b, c`` of ``z = a · x^b · y^c``, least squares of logarithms, the smallest of several."""
    x, y, z = (np.log([row[place] for row in rows]) for place in range(3))
    centred = np.stack([x - x.mean(), y - y.mean()], axis=1)
    fitted, *_ = np.linalg.lstsq(centred, z - z.mean(), rcond=None)
    return float(fitted[0]), float(fitted[1])
