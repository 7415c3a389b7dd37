"""What is judged and remembered: the connection, layouts, traces, changes, portraits from weights."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.scripted import record_devnet
from tui.changes import CONFLICTS_SHOWN, describe_event, find_changes
from tui.layout import Arrangement, compute_arrangement
from tui.link import STALE_AFTER_S, Phase, compute_link
from tui.portraits import compute_portraits
from tui.snapshot import CURVE_POINTS, HISTORY_POINTS, CurvePoint, Outage, Vertex, VertexState
from tui.trace import TRACE_VERTICES, CurveTrace, DagTrace, RateTrace, Sighting

OUTAGE = Outage(reason="refused", attempt=1, retry_s=1.0)


@pytest.mark.parametrize(
    ("now_s", "received_s", "outage", "phase", "age_s"),
    [
        (3.0, None, None, Phase.CONNECTING, 3.0),
        (3.0, None, OUTAGE, Phase.DISCONNECTED, 3.0),
        (3.0, 2.5, None, Phase.LIVE, 0.5),
        (STALE_AFTER_S, 0.0, None, Phase.LIVE, STALE_AFTER_S),
        (STALE_AFTER_S + 0.1, 0.0, None, Phase.STALE, STALE_AFTER_S + 0.1),
        (9.0, 8.0, OUTAGE, Phase.DISCONNECTED, 1.0),
    ],
)
def test_connection(
    now_s: float, received_s: float | None, outage: Outage | None, phase: Phase, age_s: float
) -> None:
    link = compute_link(now_s, 0.0, received_s, outage)
    assert link.phase is phase
    assert link.age_s == pytest.approx(age_s)
    assert link.has_data is (received_s is not None)


@pytest.mark.parametrize(
    ("size", "arrangement"),
    [
        ((71, 24), Arrangement.TINY),
        ((80, 19), Arrangement.TINY),
        ((72, 20), Arrangement.COMPACT),
        ((80, 24), Arrangement.COMPACT),
        ((200, 30), Arrangement.COMPACT),
        ((120, 40), Arrangement.MEDIUM),
        ((109, 60), Arrangement.COMPACT),
        ((200, 60), Arrangement.WIDE),
    ],
)
def test_arrangement(size: tuple[int, int], arrangement: Arrangement) -> None:
    assert compute_arrangement(*size) is arrangement


def test_a_transaction_keeps_its_place_and_changes_its_state() -> None:
    trace = DagTrace()
    first = trace.update(
        [Sighting("a", (), VertexState.ATTACHED, None), Sighting("b", ("a",), VertexState.WAITING, None)]
    )
    second = trace.update([Sighting("b", ("a",), VertexState.CONFLICTING, 5, "funds")])
    assert [vertex.layer for vertex in second] == [0, 1]
    assert second[1].lane == first[1].lane
    assert (second[1].state, second[1].checkpoint, second[1].reason) == (VertexState.CONFLICTING, 5, "funds")


def test_a_stranger_joins_the_newest_layer() -> None:
    trace = DagTrace()
    trace.update(
        [Sighting("a", (), VertexState.ATTACHED, None), Sighting("b", ("a",), VertexState.ATTACHED, None)]
    )
    assert trace.update([Sighting("c", ("unknown",), VertexState.ATTACHED, None)])[-1].layer == 1


def test_memory_is_bounded() -> None:
    dag, rate = DagTrace(), RateTrace()
    vertices: tuple[Vertex, ...] = ()
    history: tuple[float, ...] = ()
    for number in range(2 * TRACE_VERTICES):
        vertices = dag.update([Sighting(str(number), (str(number - 1),), VertexState.ATTACHED, None)])
        history = rate.update(number)
    assert len(vertices) == TRACE_VERTICES
    assert vertices[-1].layer - vertices[0].layer == TRACE_VERTICES - 1
    assert len(history) == HISTORY_POINTS
    assert history[-1] == 2 * TRACE_VERTICES - 1


@given(st.lists(st.integers(1, 4_000), max_size=6))
def test_the_curve_keeps_its_ends_and_stays_small(pieces: list[int]) -> None:
    trace, total = CurveTrace(), 0
    points: tuple[CurvePoint, ...] = ()
    for piece in pieces:
        assert trace.next_generation == total
        points = trace.update(CurvePoint(generation, generation) for generation in range(total + piece))
        total += piece
    assert len(points) <= CURVE_POINTS
    assert all(one.generation < other.generation for one, other in pairwise(points))
    if pieces:
        assert (points[0].generation, points[-1].generation) == (0, total - 1)


@pytest.mark.parametrize(
    ("topic", "body", "text"),
    [
        (
            "checkpoint",
            {"index": "7", "ordered": 21, "price": "10"},
            "#7 is final: 21 transactions, price 10",
        ),
        ("checkpoint", {"index": "7", "ordered": 1, "price": "10"}, "#7 is final: 1 transaction, price 10"),
        ("model", {"generation": "59", "score": 180}, "generation 59: 50.0% on the holdout"),
        ("transaction", {"id": "ab" * 32, "status": "applied"}, "abababab is applied"),
        ("novelty", {"one": 1, "two": "2"}, "one=1 two=2"),
    ],
)
def test_events_in_words(topic: str, body: dict[str, object], text: str) -> None:
    assert describe_event(topic, body, 360) == text


def test_nothing_changed_is_nothing_said() -> None:
    snapshot = record_devnet(3)[-1]
    assert list(find_changes(snapshot, snapshot)) == []


def test_changes_are_noticed() -> None:
    before = record_devnet(3)[-1]
    assert before.committee is not None
    vertices = tuple(
        replace(vertex, state=VertexState.CONFLICTING, reason="funds") for vertex in before.dag.vertices[:6]
    )
    after = replace(
        before,
        node=replace(before.node, is_ready=False, uptime_s=1.0),
        dag=replace(before.dag, vertices=vertices),
        committee=replace(before.committee, equivocations=2, epoch=3),
        peers=(*before.peers[1:], replace(before.peers[0], key="ff" * 32)),
    )
    found = list(find_changes(before, after))
    texts = [text for _, text in found]
    assert "ffffffff connected, 127.0.0.1:15601" in texts
    assert "91b07e44 is gone, 127.0.0.1:15601" in texts
    assert sum("conflicts: funds" in text for text in texts) == CONFLICTS_SHOWN
    assert "and 2 more conflict" in texts
    assert "the node was started again" in texts
    assert any(text.startswith("the node is not ready") for text in texts)
    assert "2 new pieces of evidence of double signing" in texts
    assert "epoch 3 begins" in texts
    assert ("log", "the node is ready") in list(find_changes(after, before))


def test_an_output_wants_the_pixels_with_its_largest_weights() -> None:
    weights = np.zeros((4, 2), dtype="<i4")
    weights[0] = (100, -100)
    weights[3] = (-50, 50)
    one, other = compute_portraits(weights.tobytes(), (4, 2))
    assert (one.label, one.side) == ("0", 2)
    assert list(one.levels) == [255, 128, 128, 64]
    assert list(other.levels) == [1, 128, 128, 192]


@pytest.mark.parametrize("sizes", [(), (4,), (5, 2), (4, 3), (4, 2, 2), (400, 2), (4, 99)])
def test_weights_that_are_no_pictures_give_none(sizes: tuple[int, ...]) -> None:
    assert compute_portraits(bytes(4 * 4 * 2), sizes) == ()
