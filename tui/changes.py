"""What the log says: the node's events in words, and what a second look finds different from the first.

The node's log holds what is final. Peers, conflicts, evidence and readiness are noticed here.
"""

from collections.abc import Iterator, Mapping

from tui.drawing.units import compute_percent, format_count, format_key
from tui.snapshot import PeerFacts, Snapshot, VertexState

CONFLICTS_SHOWN = 4
"""Conflicts of one tick that get a line each; a double-spend storm must not push everything else away."""

Change = tuple[str, str]
"""Topic and sentence."""


def describe_event(topic: str, body: Mapping[str, object], holdout_rows: int) -> str:
    """An event in words; one of an unknown topic as its fields."""
    match topic, body:
        case "checkpoint", {"index": index, "ordered": int(ordered), "price": price}:
            plural = "" if ordered == 1 else "s"
            return f"#{index} is final: {format_count(ordered)} transaction{plural}, price {price}"
        case "model", {"generation": generation, "score": int(score)} if holdout_rows:
            percent = compute_percent(score, holdout_rows)
            return f"generation {generation}: {percent:.1f}% on the holdout"
        case "transaction", {"id": str(identity), "status": status}:
            return f"{format_key(identity)} is {status}"
        case _:
            return " ".join(f"{name}={value}" for name, value in body.items())


def find_changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """What happened between two looks that the node's log does not tell."""
    yield from _find_peer_changes(before, after)
    yield from _find_conflicts(before, after)
    if before.node.is_ready != after.node.is_ready:
        missing = ", ".join(check.name for check in after.node.checks if not check.is_met)
        yield "log", "the node is ready" if after.node.is_ready else f"the node is not ready: {missing}"
    if after.node.uptime_s < before.node.uptime_s:
        yield "log", "the node was started again"
    if before.committee is not None and after.committee is not None:
        found = after.committee.equivocations - before.committee.equivocations
        if found > 0:
            yield "committee", f"{found} new pieces of evidence of double signing"
        if after.committee.epoch > before.committee.epoch:
            yield "committee", f"epoch {after.committee.epoch} begins"


def _find_peer_changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """Peers that came and went."""

    def by_key(snapshot: Snapshot) -> dict[str, PeerFacts]:
        return {peer.key: peer for peer in snapshot.peers}

    old, new = by_key(before), by_key(after)
    for key in sorted(new.keys() - old.keys()):
        yield "peer", f"{format_key(key)} connected, {new[key].address}"
    for key in sorted(old.keys() - new.keys()):
        yield "peer", f"{format_key(key)} is gone, {old[key].address}"


def _find_conflicts(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """Transactions that turned out to conflict."""
    known = {vertex.id for vertex in before.dag.vertices if vertex.state is VertexState.CONFLICTING}
    found = [
        vertex
        for vertex in after.dag.vertices
        if vertex.state is VertexState.CONFLICTING and vertex.id not in known
    ]
    for vertex in found[:CONFLICTS_SHOWN]:
        yield "transaction", f"{format_key(vertex.id)} conflicts: {vertex.reason or 'no reason given'}"
    if len(found) > CONFLICTS_SHOWN:
        yield "transaction", f"and {len(found) - CONFLICTS_SHOWN} more conflict"
