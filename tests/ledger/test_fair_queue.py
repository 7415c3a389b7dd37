"""Who floods a fair queue waits behind itself."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tangle.ledger.fair_queue import WEIGHT_MAX, FairLimits, FairQueue

SIZE_MAX = 100

LIMITS = FairLimits(
    items_max=1_000_000,
    bytes_max=2**40,
    flow_items_max=1_000_000,
    flow_bytes_max=2**40,
    size_max=SIZE_MAX,
)

weights = st.integers(1, WEIGHT_MAX)
sizes = st.integers(1, SIZE_MAX)


def fill(queue: FairQueue[int, int, int], flow: int, sizes: list[int], weight: int) -> None:
    for size in sizes:
        assert queue.push(flow, len(queue), flow, size, weight) == []


def serve(given_weights: list[int], given_sizes: list[list[int]], rounds: int) -> list[int]:
    """Bytes that each flow got until ``rounds`` items were served, all of them backlogged throughout."""
    queue: FairQueue[int, int, tuple[int, int]] = FairQueue(LIMITS)
    key = 0
    for flow, weight in enumerate(given_weights):
        pattern = given_sizes[flow]
        for place in range(rounds):
            size = pattern[place % len(pattern)]
            assert queue.push(flow, key, (flow, size), size, weight) == []
            key += 1
    served = [0] * len(given_weights)
    for _ in range(rounds):
        flow, size = queue.pop()
        served[flow] += size
    return served


@given(
    st.lists(st.tuples(st.integers(0, 10), st.lists(sizes, min_size=1, max_size=5)), min_size=2, max_size=6),
    st.integers(1, 400),
)
def test_flows_of_one_stratum_get_their_shares(flows: list[tuple[int, list[int]]], rounds: int) -> None:
    # Weights 16 to 26 are of one stratum: its turns are SIZE_MAX * weight / 16 bytes.
    given_weights = [16 + extra for extra, _ in flows]
    served = serve(given_weights, [pattern for _, pattern in flows], rounds)
    normal = [got * 16 / weight for got, weight in zip(served, given_weights, strict=True)]
    # The bound of deficit round robin: a turn of difference, and the rest of a turn at either end.
    assert max(normal) - min(normal) <= 3 * SIZE_MAX


@given(st.lists(st.integers(0, 8), min_size=2, max_size=5, unique=True), st.integers(1, 600))
def test_strata_get_their_shares(exponents: list[int], rounds: int) -> None:
    given_weights = [2**exponent for exponent in exponents]
    served = serve(given_weights, [[SIZE_MAX]] * len(given_weights), rounds)
    # The bound of start-time fair queueing: one item each, by weight.
    for got, weight in zip(served, given_weights, strict=True):
        for other, its_weight in zip(served, given_weights, strict=True):
            assert got / weight - other / its_weight <= SIZE_MAX / weight + SIZE_MAX / its_weight + 1e-9


def test_ten_thousand_light_ones_do_not_make_a_heavy_one_wait() -> None:
    queue: FairQueue[int, int, int] = FairQueue(LIMITS)
    for flow in range(10_000):
        queue.push(flow, flow, flow, SIZE_MAX, 1)
    for _ in range(100):
        queue.pop()
    queue.push(-1, -1, -1, SIZE_MAX, 1_000)
    assert -1 in [queue.pop() for _ in range(2)]


def test_a_flood_of_one_does_not_make_its_equals_wait() -> None:
    queue: FairQueue[str, int, str] = FairQueue(LIMITS)
    for key in range(500):
        queue.push("flood", key, "flood", SIZE_MAX, 64)
    queue.pop()
    queue.push("honest", 1_000, "honest", SIZE_MAX, 64)
    assert "honest" in [queue.pop() for _ in range(2)]


@given(st.lists(st.tuples(st.integers(0, 5), sizes), max_size=80))
def test_each_flow_keeps_its_order(items: list[tuple[int, int]]) -> None:
    queue: FairQueue[int, int, tuple[int, int]] = FairQueue(LIMITS)
    for key, (flow, size) in enumerate(items):
        queue.push(flow, key, (flow, key), size, 1 + flow)
    served = [queue.pop() for _ in items]
    assert len(queue) == queue.bytes == queue.flows == 0
    for wanted in range(6):
        own = [key for flow, key in served if flow == wanted]
        assert own == sorted(own)
        assert len(own) == sum(flow == wanted for flow, _ in items)


def test_the_one_that_has_most_for_its_weight_makes_room() -> None:
    limits = FairLimits(items_max=10, bytes_max=2**20, flow_items_max=10, flow_bytes_max=2**20, size_max=100)
    queue: FairQueue[str, int, str] = FairQueue(limits)
    for key in range(9):
        assert queue.push("flood", key, f"flood {key}", 100, 1) == []
    assert queue.push("heavy", 9, "heavy", 100, 1_000) == []
    # The newest of the flood goes, so that what is left of it can still apply in its order.
    assert queue.push("honest", 10, "honest", 100, 1) == ["flood 8"]
    assert queue.push("flood", 11, "flood again", 100, 1) == ["flood again"]
    assert len(queue) == 10


def test_a_flow_has_its_own_limits() -> None:
    limits = FairLimits(items_max=10, bytes_max=1_000, flow_items_max=3, flow_bytes_max=250, size_max=100)
    queue: FairQueue[str, int, int] = FairQueue(limits)
    assert [queue.push("many", key, key, 1, 1) for key in range(4)] == [[], [], [], [3]]
    assert [queue.push("large", key, key, 100, 1) for key in range(10, 13)] == [[], [], [12]]
    assert queue.count("many") == 3
    assert queue.count("nobody") == 0


class Machine(RuleBasedStateMachine):
    """Whatever is done to it, the books of the queue are right and its limits hold."""

    LIMITS = FairLimits(items_max=12, bytes_max=600, flow_items_max=6, flow_bytes_max=300, size_max=SIZE_MAX)

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int, int, int] = FairQueue(self.LIMITS)
        self.held: dict[int, tuple[int, int]] = {}
        self.next = 0

    @rule(flow=st.integers(0, 4), size=sizes, weight=weights)
    def push(self, flow: int, size: int, weight: int) -> None:
        key = self.next
        self.next += 1
        self.held[key] = (flow, size)
        for gone in self.queue.push(flow, key, key, size, weight):
            del self.held[gone]

    @precondition(lambda self: self.held)
    @rule()
    def pop(self) -> None:
        key = self.queue.pop()
        flow, _ = self.held.pop(key)
        assert all(other > key for other, (its_flow, _) in self.held.items() if its_flow == flow)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        assert self.queue.remove(key) == key
        assert self.queue.remove(key) is None
        del self.held[key]

    @invariant()
    def books_are_right(self) -> None:
        queue, limits = self.queue, self.LIMITS
        assert len(queue) == len(self.held) <= limits.items_max
        assert queue.bytes == sum(size for _, size in self.held.values()) <= limits.bytes_max
        counts = Counter(flow for flow, _ in self.held.values())
        assert queue.flows == len(counts)
        assert all(queue.count(flow) == count <= limits.flow_items_max for flow, count in counts.items())
        assert all(key in queue for key in self.held)


TestMachine = Machine.TestCase
