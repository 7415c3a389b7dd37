"""Several shards: every machine runs a node of each, each is judged by itself, and mix-ups are caught."""

from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec.structs import replace

import simnet
from shards.bundles import Bundle, get_bundle_reference
from shards.checkpoints import SupplyTotals
from simnet.adversaries import Adversary, Strategy
from simnet.artefacts import DAG, PICTURE, compute_replay_line, write_course
from simnet.errors import ImpossiblePlan
from simnet.fail_points import FailPoint
from simnet.faults import Crash, CrashAt, Cut, Direction, HalfOpen, OldHandshake, Partition, Tamper
from simnet.homes import find_home, make_wallet_key
from simnet.load import Wallet
from simnet.options import SHARED_NODES_MAX, SimulationOptions, check_options, draw_options
from simnet.run import Report, Simulation, run_simulation
from simnet.scenario import load_scenario
from simnet.supplies import SupplyChecker
from simnet.tampering import Tampering
from simnet.verdicts import Diverged, Finding, Invariant, NoProgress, Pass, Violated
from simnet.world import World
from tangle.core.genesis import Genesis
from tangle.core.transactions import Operation, Transaction, Transfer
from tangle.core.types import PublicKey, Shard
from tangle.ledger.accounts import Account
from tangle.ledger.receipts import Crossing, OrderedBundle
from tangle.ledger.state import LedgerState, make_genesis_state
from tangle.node.crossing.courier import Courier
from tangle.node.crossing.shelf import Shelf
from tangle.node.node import Node
from tangle.node.views import PreparedTransaction
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

SCENARIOS: Final = Path(simnet.__file__).parent / "scenarios"

FAULTS: Final = (
    Partition(1.0, 1.6, (0,), Direction.BOTH),
    Crash(2.0, 2.6, (1,)),
    Tamper(2.2, 2.5, 0, 2, Tampering.CHANGED, 0.3),
    CrashAt(2.7, 3.2, FailPoint.EXECUTED_AFTER, (0, 2), is_everybody=False),
    Cut(3.3, 3.3, 0, 1),
    HalfOpen(3.3, 3.3, 2, 0),
    OldHandshake(3.4, 3.4, 1, 2),
    Crash(3.5, 4.0, (0, 1, 2, 3)),
)


def make_sharded(shards: int = 2, **settings: Any) -> SimulationOptions:
    return replace(make_options(**settings), shards=shards, wallets=max(4, shards))


@pytest.fixture(scope="module")
def ended() -> tuple[Simulation, Report, list[str]]:
    """Two shards of four machines that meet a bit of everything."""
    kept: list[tuple[Simulation, Report]] = []
    lines: list[str] = []
    run_simulation(
        make_sharded(faults=FAULTS, double_spends=0.2),
        sink=lines.append,
        on_end=lambda simulation, report: kept.append((simulation, report)),
    )
    return *kept[0], lines


def test_every_shard_goes_on_and_the_whole_is_their_sum(ended: tuple[Simulation, Report, list[str]]) -> None:
    _, report, _ = ended
    assert isinstance(report.verdict, Pass), report.verdict
    assert [shard.shard for shard in report.shards] == [0, 1]
    for shard in report.shards:
        assert shard.wallets == 2
        assert shard.ordered > 5
        assert shard.checkpoints > 5
    assert report.ordered == sum(shard.ordered for shard in report.shards)
    assert report.credited > 10
    assert report.crossing_p50_ms is not None
    assert report.accepted == sum(shard.accepted for shard in report.shards)
    assert report.generation == min(shard.generation for shard in report.shards)


def test_the_same_seed_gives_the_same_log(ended: tuple[Simulation, Report, list[str]]) -> None:
    lines: list[str] = []
    assert run_simulation(ended[1].options, sink=lines.append).digest == ended[1].digest
    assert lines == ended[2]


def test_what_happens_to_a_machine_happens_to_all_its_nodes(
    ended: tuple[Simulation, Report, list[str]],
) -> None:
    simulation, _, lines = ended
    (crashed_s,) = {line.split()[0] for line in lines if line.split()[1:] == ["node1/0", "crash"]} & {
        line.split()[0] for line in lines if line.split()[1:] == ["node1/1", "crash"] if float(line[:8]) < 2.5
    }
    assert float(crashed_s) == 2.0
    for first, second in zip(*simulation.world.shards, strict=True):
        assert first.starts == second.starts >= 2
        assert first.validator_key.public_key == second.validator_key.public_key
        assert first.disk is not second.disk
        assert first.guard is not second.guard
        assert first.host != second.host
    assert simulation.world.get_machine(2) == [members[2] for members in simulation.world.shards]


def test_nodes_talk_to_nodes_of_their_shard_only(ended: tuple[Simulation, Report, list[str]]) -> None:
    connects = [line.split() for line in ended[2] if " connect " in line]
    assert len(connects) > 12
    for _, source, _, target, _ in connects:
        assert source.split(".")[2] == target.removeprefix("to=").split(".")[2]


def test_wallets_and_accounts_that_they_change_are_at_home(
    ended: tuple[Simulation, Report, list[str]],
) -> None:
    simulation, report, _ = ended
    for shard in simulation.shards:
        homes = {find_home(report.options, wallet.key.public_key) for wallet in shard.load.wallets}
        assert homes == {shard.shard}
        changed = [change.account for effect in shard.checker.effects for change in effect.changes]
        assert {find_home(report.options, account) for account in changed} == {shard.shard}


def test_graph_and_picture_keep_shards_apart(
    ended: tuple[Simulation, Report, list[str]], tmp_path: Path
) -> None:
    simulation, report, _ = ended
    write_course(tmp_path, simulation, report)
    rows = [msgspec.json.decode(line) for line in (tmp_path / DAG).read_bytes().splitlines()]
    assert [row["shard"] for row in rows] == sorted(row["shard"] for row in rows)
    for shard in report.shards:
        own = [row for row in rows if row["shard"] == shard.shard]
        placed = [row["ordered"] for row in own if row["kind"] == "transaction"]
        assert sorted(place for place in placed if place is not None) == list(range(shard.ordered))
        assert {row["author"] for row in own if row["kind"] == "block"} == {0, 1, 2, 3}
    picture = (tmp_path / PICTURE).read_text()
    assert picture.count("<polyline") == 2
    for run in simulation.shards:
        assert f"shard {run.shard}: time to finality of {len(run.stopwatch.final_ms)}" in picture


def test_eight_shards_with_one_wallet_each() -> None:
    report = run_simulation(make_sharded(8, nodes=1, time_s=4.0, rate=20.0))
    assert isinstance(report.verdict, Pass), report.verdict
    assert len(report.shards) == 8
    assert all(shard.ordered > 0 and shard.wallets == 1 for shard in report.shards)


@pytest.mark.parametrize("strategy", [Strategy.EQUIVOCATING_TWO, Strategy.ECLIPSE, Strategy.SPAM])
def test_an_adversary_plays_in_every_shard(strategy: Strategy) -> None:
    seen: list[World] = []
    options = replace(make_sharded(time_s=5.0), adversaries=(Adversary(3, strategy),))
    report = run_simulation(options, prepare=seen.append)
    assert isinstance(report.verdict, Pass), report.verdict
    benders = [member.bender for member in seen[0].get_machine(3)]
    assert all(bender is not None and bender.actions > 0 for bender in benders)
    if strategy is Strategy.EQUIVOCATING_TWO:
        assert [checker.caught for checker in seen[0].checkers] == [{3}, {3}]
        assert report.caught == 1


# ── planted bugs ────────────────────────────────────────────────────────────────────────────────────────────


def execute_as_shard_zero(node: Node) -> None:
    node.executor.machine._shard = Shard(0)


def test_one_node_that_executes_with_the_id_of_another_shard() -> None:
    def prepare(world: World) -> None:
        world.shards[1][3].on_opened = execute_as_shard_zero

    verdict = run_simulation(make_sharded(), prepare=prepare).verdict
    assert isinstance(verdict, Diverged), verdict
    assert "node3/1" in verdict.nodes
    assert "shard" in verdict.detail


def test_a_key_that_two_nodes_of_one_shard_sign_with() -> None:
    def prepare(world: World) -> None:
        members = world.shards[1]
        members[3].validator_key = members[0].validator_key

    verdict = run_simulation(make_sharded(), prepare=prepare).verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is Invariant.SINGLE_SIGNING
    assert verdict.node.endswith("/1")


def test_a_whole_shard_that_executes_with_the_id_of_another() -> None:
    def prepare(world: World) -> None:
        for member in world.shards[1]:
            member.on_opened = execute_as_shard_zero

    verdict = run_simulation(make_sharded(), prepare=prepare).verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is Invariant.OWN_SHARD
    assert verdict.node.endswith("/1")
    assert verdict.detail.endswith("is one of shard 0")


def send_abroad(monkeypatch: pytest.MonkeyPatch, options: SimulationOptions) -> None:
    """Wallets send to accounts of the other shard, which no wallet of ours does."""
    accounts = [make_wallet_key(options, index).public_key for index in range(options.wallets)]
    sign = Wallet._sign

    def sign_abroad(self: Wallet, prepared: PreparedTransaction, operation: Operation) -> Transaction:
        assert isinstance(operation, Transfer)
        home = find_home(options, operation.recipient)
        abroad = next(account for account in accounts if find_home(options, account) != home)
        return sign(self, prepared, replace(operation, recipient=abroad))

    monkeypatch.setattr(Wallet, "_sign", sign_abroad)


def credit_whatever_comes(self: Crossing, bundle: Bundle) -> None:
    """Order a bundle as if receipts were not numbered."""
    source = bundle.checkpoint.shard
    self._received[source] += len(bundle.receipts)
    self._inflow += sum(receipt.amount for receipt in bundle.receipts)
    reference = get_bundle_reference(bundle)
    self._bundles.append(OrderedBundle(reference, bundle.checkpoint, bundle.receipts, False))


def test_a_ledger_that_credits_what_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Crossing, "take", credit_whatever_comes)
    monkeypatch.setattr(Shelf, "_is_due", lambda _self, _held, _now_s: True)
    verdict = run_simulation(make_sharded(time_s=4.0)).verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is Invariant.RECEIPTS
    assert "is credited" in verdict.detail


def test_couriers_that_name_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Courier, "take", lambda _self, _limit: ())
    verdict = run_simulation(make_sharded(time_s=4.0)).verdict
    assert isinstance(verdict, NoProgress), verdict
    assert "receipts on their way: " in verdict.detail


def test_a_machine_that_loses_a_neighbour_for_good_gets_bundles_from_peers() -> None:
    """Its courier knows nobody of the other shard: whoever names a bundle gives it."""

    def prepare(world: World) -> None:
        for member in world.get_machine(2):
            member.__dict__["_find_neighbour"] = lambda _source: None

    report = run_simulation(make_sharded(time_s=4.0), prepare=prepare)
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.credited > 0


def test_a_whole_shard_that_keeps_accounts_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_every_account_for_its_own(node: Node) -> None:
        machine = node.executor.machine
        machine._parameters = replace(machine._parameters, shard_bits=0)

    def prepare(world: World) -> None:
        for member in world.shards[1]:
            member.on_opened = take_every_account_for_its_own

    options = make_sharded(time_s=4.0)
    send_abroad(monkeypatch, options)
    verdict = run_simulation(options, prepare=prepare).verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is Invariant.OWN_SHARD
    assert verdict.node.endswith("/1")
    assert "changes an account of shard 0" in verdict.detail


def test_every_shard_begins_with_all_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    def make_whole_state(genesis: Genesis, _: Shard) -> tuple[LedgerState, dict[PublicKey, Account]]:
        whole = replace(genesis, parameters=replace(genesis.parameters, shard_bits=0))
        return make_genesis_state(whole, Shard(0))

    monkeypatch.setattr("tangle.node.recovery.make_genesis_state", make_whole_state)
    verdict = run_simulation(make_sharded(time_s=4.0)).verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is Invariant.SUPPLY
    assert "all shards together hold" in verdict.detail


# ── the sum of all shards ───────────────────────────────────────────────────────────────────────────────────


def make_supply(genesis: int, **parts: int) -> SupplyTotals:
    given = parts | {"genesis": genesis}
    return msgspec.convert([given.get(name, 0) for name in SupplyTotals.__struct_fields__], SupplyTotals)


def test_all_shards_together_hold_what_was_issued() -> None:
    found: list[Finding] = []
    checker = SupplyChecker(100, 2, found.append)
    checker.on_supply(0, make_supply(60, balances=60))
    checker.on_supply(1, make_supply(40, balances=40))
    checker.on_supply(1, make_supply(40, emitted=7, burned=2, balances=30, stakes=5, escrow=4, fund=6))
    assert found == []
    checker.on_supply(0, make_supply(60, emitted=1, balances=60))
    checker.on_supply(0, make_supply(60, balances=57, inflow=-3))
    checker.on_supply(
        1, make_supply(40, emitted=7, burned=2, balances=33, stakes=5, escrow=4, fund=6, inflow=3)
    )
    (violated,) = found
    assert isinstance(violated, Violated)
    assert violated.invariant is Invariant.SUPPLY
    assert "hold 105 grains, genesis + emitted - burned is 106" in violated.detail


def test_two_shards_that_begin_with_the_same_accounts() -> None:
    """Each balances its own books; only the sum tells."""
    found: list[Finding] = []
    checker = SupplyChecker(100, 2, found.append)
    for shard in range(2):
        checker.on_supply(shard, make_supply(100, balances=100))
    assert len(found) == 1


# ── plans ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (make_sharded(3), "3 shards; choose 1, 2, 4 or 8"),
        (make_sharded(0), "0 shards; choose 1, 2, 4 or 8"),
        (make_sharded(16), "16 shards; choose"),
        (make_sharded(-2), "-2 shards; choose"),
        (make_sharded(8, nodes=26), "208 nodes; take fewer nodes or shards, at most 200"),
        (replace(make_sharded(8), wallets=7), "7 wallets for 8 shards"),
    ],
)
def test_what_cannot_be_is_refused(options: SimulationOptions, reason: str) -> None:
    with pytest.raises(ImpossiblePlan, match=reason):
        check_options(options)


def test_a_small_share_of_small_networks_draws_two_shards() -> None:
    drawn = [draw_options(seed) for seed in range(400)]
    sharded = [options for options in drawn if options.shards > 1]
    assert 10 <= len(sharded) <= 50
    assert {options.shards for options in sharded} == {2}
    assert max(options.nodes for options in sharded) <= SHARED_NODES_MAX
    alone = draw_options(sharded[0].seed, shards=1)
    assert replace(alone, shards=2) == sharded[0], "shards are drawn apart from the rest"
    assert draw_options(7, shards=8).wallets >= 8


def test_the_line_that_repeats_a_run_names_the_shards() -> None:
    assert " --shards 4 --draws" in compute_replay_line(draw_options(7, nodes=2, shards=4))


def test_the_example_passes_and_a_crash_takes_both_nodes_of_a_machine() -> None:
    report = run_simulation(load_scenario(SCENARIOS / "two-shards.toml"))
    assert isinstance(report.verdict, Pass), report.verdict
    assert (len(report.shards), report.caught) == (2, 1)
    assert report.starts == 2 * (4 + 2), "one machine was killed by plan and one at the fail point"


def test_too_many_false_validators_are_caught_in_their_shard() -> None:
    play = load_scenario(SCENARIOS / "two-faces.toml", is_byzantine_allowed=True)
    verdict = run_simulation(replace(play, shards=2)).verdict
    assert isinstance(verdict, Diverged), verdict
    assert len({name.partition("/")[2] for name in verdict.nodes}) == 1


def test_a_scenario_says_its_shards(tmp_path: Path) -> None:
    path = tmp_path / "play.toml"
    path.write_text('about = "two"\nnodes = 3\ntime_s = 6.0\nshards = 2\n')
    assert load_scenario(path).shards == 2
    path.write_text('about = "three"\nnodes = 3\ntime_s = 6.0\nshards = 3\n')
    with pytest.raises(ImpossiblePlan, match="3 shards"):
        load_scenario(path)
