"""A devnet that exists only on paper: the same snapshots every time, like those of four nodes."""

from collections.abc import Iterator, Sequence

import anyio
import numpy as np

from tui.resource_facts import ResourceFacts
from tui.snapshot import (
    PULSES,
    Check,
    CommitteeFacts,
    CurvePoint,
    DagFacts,
    JobFacts,
    LogEntry,
    MarketFacts,
    ModelFacts,
    NodeFacts,
    PeerFacts,
    Portrait,
    Snapshot,
    Tick,
    ValidatorFacts,
    VertexState,
)
from tui.sources import Publish
from tui.trace import CurveTrace, DagTrace, RateTrace, ResourceTrace, Sighting

START_MS = 1_764_000_000_000
HOLDOUT_ROWS = 360
POPULATION = 64
VALIDATORS = 4
KEYS = tuple(f"{number:08x}" + "5e" * 28 for number in (0x3FA2C01D, 0x91B07E44, 0xC55D12A8, 0x07E9F3B6))

FONT = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def draw_portraits(random: np.random.Generator, clarity: float) -> tuple[Portrait, ...]:
    """Digits as a model of that clarity would see them."""
    portraits = []
    for label, rows in enumerate(FONT):
        levels = random.normal(0.0, 30.0, (8, 8)) - 25.0 * clarity
        for y, row in enumerate(rows.split()):
            for x, bit in enumerate(row):
                levels[y, x + 1] += 125.0 * clarity * int(bit)
        pixels = np.clip(128 + levels, 0, 255).astype(np.uint8).tobytes()
        portraits.append(Portrait(label=str(label), side=8, levels=pixels))
    return tuple(portraits)


def make_market(now_ms: int) -> MarketFacts:
    """A market with a job in every state of interest."""
    rows = (
        ("inference", "assigned", 3_000, "dmst1qzdkyes5hmre2f7g6qtk6pyuuukva2wtk39", 12_000),
        ("optimisation", "collecting", 2_000_000_000, "", 45_000),
        ("training", "learning", 10_000_000_000, "", 3_600_000),
        ("inference", "disputed", 3_000, "dmst1qpr4ttdu9guukx3lvsnv0fl6g3eggqxly26", 90_000),
        ("transformation", "claimed", 812_000, "dmst1qqtnmmgguuag25x0c85srs39zs7s37e6s08", 4_000),
        ("inference", "paid", 3_000, "dmst1qzdkyes5hmre2f7g6qtk6pyuuukva2wtk39", None),
        ("inference", "failed", 6_000, "", None),
        ("optimisation", "expired", 1_000_000_000, "", None),
        ("inference", "cancelled", 3_000, "", None),
    )
    jobs = tuple(
        JobFacts(
            id=f"{0x9E3779B1 * (place + 1) % 2**32:08x}" + "a7" * 28,
            kind=kind,
            phase=phase,
            is_live=left_ms is not None,
            price=price,
            worker=worker,
            next_ms=None if left_ms is None else now_ms + left_ms,
        )
        for place, (kind, phase, price, worker, left_ms) in enumerate(rows)
    )
    prices = (("inference", 1_000), ("transformation", 1_060), ("optimisation", 1_000), ("training", 1_125))
    return MarketFacts(now_ms, prices, 3, 4, 5, 41, 416_230_000_000, jobs)


class Devnet:
    """Advances one second a step."""

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        self._dag, self._curve = DagTrace(), CurveTrace()
        self._rate_in, self._rate_final = RateTrace(), RateTrace()
        self._rates = ResourceTrace()
        self._tips: list[str] = []
        self._recent: list[tuple[str, tuple[str, ...], int]] = []
        self._log: list[LogEntry] = []
        self._pulses: list[int] = []
        self._second, self._born, self._checkpoint, self._generation = 0, 0, 1_180, 0
        self._counted, self._score = 0, 36

    def step(self) -> Snapshot:
        """One second later."""
        self._second += 1
        arrivals = max(4, int(self._random.normal(20, 3)))
        for _ in range(arrivals):
            self._attach()
        self._checkpoint += 3
        self._counted += arrivals
        self._learn(arrivals)
        certified = self._checkpoint
        self._say("checkpoint", f"#{certified} certified by 3 of 4, {arrivals} transactions, 0 conflicts")
        rate = float(arrivals)
        final = rate if self._second > 1 else 0.0
        committee = self._get_committee(certified)
        return Snapshot(
            node=self._get_node(certified),
            dag=self._get_dag(rate, final),
            model=self._get_model(),
            committee=committee,
            peers=self._get_peers(certified),
            log=tuple(self._log[-200:]),
            market=make_market(START_MS + 1_000 * self._second),
            resources=self._get_resources(),
        )

    def _attach(self) -> None:
        name = f"{self._born:06x}{int(self._random.integers(2**32)):08x}"
        self._born += 1
        count = min(len(self._tips), int(self._random.choice([1, 2, 2, 2, 3])))
        picks = (
            [int(pick) for pick in self._random.choice(len(self._tips), count, replace=False)]
            if count
            else []
        )
        parents = tuple(self._tips[pick] for pick in sorted(picks))
        stay = {pick for pick in picks if self._random.random() < 0.45}
        self._tips = [tip for place, tip in enumerate(self._tips) if place not in set(picks) - stay][-7:]
        self._tips.append(name)
        self._recent.append((name, parents, self._second * 3 + self._born % 3))
        self._recent = self._recent[-300:]
        self._pulses.append(int(self._random.normal(60_000, 240_000)))

    def _sight(self) -> Iterator[Sighting]:
        newest = len(self._recent)
        for place, (name, parents, slot) in enumerate(self._recent):
            age = newest - place
            state = VertexState.CHECKPOINTED
            if age <= 5:
                state = VertexState.ATTACHED
            elif age <= 13:
                state = VertexState.ORDERED
            elif name.endswith(("00", "7f")):
                state = VertexState.CONFLICTING
            if age == 2:
                state = VertexState.WAITING
            checkpoint = None if age <= 5 else 1_180 + slot
            yield Sighting(id=name, parents=parents, state=state, checkpoint=checkpoint)

    def _learn(self, arrivals: int) -> None:
        self._curve.update([CurvePoint(generation=self._generation, score=self._score)])
        if self._counted // POPULATION > self._generation:
            self._generation = self._counted // POPULATION
            ceiling = 0.965 - 0.87 * np.exp(-self._generation / 34.0)
            self._score = int(HOLDOUT_ROWS * ceiling + self._random.normal(0, 2))
            percent = 100 * self._score / HOLDOUT_ROWS
            self._say("model", f"digits generation {self._generation}: {percent:.1f}% on the holdout")
        if self._second % 9 == 0:
            self._say("transaction", f"{arrivals:04x}c1f0… conflicts: sequence 18 is already used")
        if self._second % 14 == 0:
            self._say("peer", "127.0.0.1:15603 round trip 1.8 ms")
        if self._second % 11 == 0:
            self._say("committee", f"round {self._checkpoint + 31}: leader v2 was late, skipped")

    def _say(self, topic: str, text: str) -> None:
        moment = START_MS + 1_000 * self._second
        self._log.append(LogEntry(id=len(self._log) + 1, timestamp_ms=moment, topic=topic, text=text))

    def _get_node(self, certified: int) -> NodeFacts:
        return NodeFacts(
            name="node-0",
            version="0.1.0",
            network="devnet",
            role="validator",
            uptime_s=11_400.0 + self._second,
            is_ready=True,
            checks=(Check("peers", True, "3 of 3"), Check("checkpoint", True, "0.4 s old")),
            checkpoint_executed=certified,
            checkpoint_certified=certified,
            checkpoint_age_ms=380,
            resident_bytes=171_000_000,
            database_bytes=64_300_000,
        )

    def _get_resources(self) -> ResourceFacts:
        cores = 0.42 + 0.2 * float(np.sin(self._second / 7))
        lag_ms = 4.0 + 40.0 * (self._second % 29 == 0)
        history_cores, history_lag_ms = self._rates.remember(cores, lag_ms)
        return ResourceFacts(
            cores=cores - 0.11,
            worker_cores=0.11,
            history_cores=history_cores,
            loop_lag_ms=lag_ms,
            history_lag_ms=history_lag_ms,
            resident_bytes=171_000_000,
            database_bytes=64_300_000,
            disk_free_bytes=48_200_000_000,
            workers=1,
            work=(("numpy CPU", 1_204, 0.0), ("tinygrad CPU", 8 * self._counted, 162.4)),
            queues=(("intake", 12), ("parked", 0), ("blocks", 1), ("commits", 0), ("store", 640)),
        )

    def _get_dag(self, rate: float, final: float) -> DagFacts:
        return DagFacts(
            rate_in=rate,
            rate_final=final,
            history_in=self._rate_in.update(rate),
            history_final=self._rate_final.update(final),
            tips=len(self._tips),
            pending=13,
            waiting=1,
            ordered_total=self._born,
            finality_p50_ms=float(self._random.normal(520, 20)),
            finality_p95_ms=float(self._random.normal(880, 30)),
            price=10,
            difficulty=1,
            vertices=self._dag.update(self._sight()),
        )

    def _get_model(self) -> ModelFacts:
        clarity = self._score / HOLDOUT_ROWS
        return ModelFacts(
            name="digits",
            layer_sizes=(64, 32, 10),
            generation=self._generation,
            score=self._score,
            holdout_rows=HOLDOUT_ROWS,
            counted_total=self._counted,
            counted_open=self._counted % POPULATION,
            population=POPULATION,
            device="CPU · clang",
            curve=self._curve.update([CurvePoint(generation=self._generation, score=self._score)]),
            pulses=tuple(self._pulses[-PULSES:]),
            portraits=draw_portraits(np.random.default_rng(3), clarity),
        )

    def _get_committee(self, certified: int) -> CommitteeFacts:
        current = certified + 31
        members = []
        for index in range(VALIDATORS):
            votes = tuple((current - back) * 7 % 29 != index * 5 or index == 0 for back in range(120, 0, -1))
            members.append(
                ValidatorFacts(
                    index=index,
                    key=KEYS[index],
                    weight=1,
                    round=current,
                    attested=certified,
                    votes=votes,
                    is_self=index == 0,
                    is_leader=index == current % VALIDATORS,
                )
            )
        return CommitteeFacts(
            shard=0,
            epoch=2,
            round=current,
            commit=current - 3,
            quorum=3,
            total_weight=VALIDATORS,
            equivocations=0,
            validators=tuple(members),
        )

    def _get_peers(self, certified: int) -> tuple[PeerFacts, ...]:
        return tuple(
            PeerFacts(
                key=KEYS[index],
                address=f"127.0.0.1:{15_600 + index}",
                is_outbound=index != 2,
                is_validator=True,
                round_trip_ms=1.2 + 0.4 * index,
                score=1.0,
                checkpoint=certified,
                bytes_in=4_200_000 * index + 9_000 * self._second,
                bytes_out=3_900_000 * index + 8_000 * self._second,
                connected_s=11_380.0 + self._second,
            )
            for index in range(1, VALIDATORS)
        )


def record_devnet(seconds: int) -> tuple[Snapshot, ...]:
    """The first seconds of the devnet."""
    devnet = Devnet()
    return tuple(devnet.step() for _ in range(seconds))


class ScriptedSource:
    """Publishes what a test tells it to, when the test says so."""

    label = "http://127.0.0.1:14265"

    def __init__(self, ticks: Sequence[Tick] = ()) -> None:
        self._first = ticks
        self.publish: Publish | None = None
        self.followed: list[str | None] = []
        """What it was told to follow, in order."""

    def follow(self, identity: str | None) -> None:
        """Write it down."""
        self.followed.append(identity)

    async def run(self, publish: Publish) -> None:
        """Hand the publisher to the test, then stay."""
        self.publish = publish
        for tick in self._first:
            publish(tick)
        await anyio.sleep_forever()


class StillClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s
