"""Elections from stakes in simulations: validators join, leave, crash and are slashed; nobody honest is."""

from importlib.resources import files
from pathlib import Path

import pytest
from msgspec.structs import replace

from shards.commits import CommitRecord
from simnet.adversaries import Adversary, Strategy
from simnet.chance import make_chance, make_key
from simnet.errors import ImpossiblePlan
from simnet.founding import FOUNDER_STAKE, make_genesis, make_validator_key
from simnet.options import SimulationOptions, check_options, draw_options
from simnet.run import Report, Simulation, run_simulation
from simnet.scenario import load_scenario
from simnet.staking import Staker
from simnet.verdicts import Invariant, Pass, Violated
from simnet.world import World
from tangle.core.genesis import compute_chain_id
from tangle.core.transactions import Register, Retire, Stake, Unstake
from tangle.core.types import Grains, PublicKey
from tangle.ledger.staking.book import StakingBook
from tangle.ledger.staking.records import NEVER, Candidate
from tangle.node.archive import Archive
from tangle.node.node import Node
from tangle.store.memory_store import MemoryStore
from tests.simnet.builders import make_options
from tests.simnet.test_epochs import Watch

pytestmark = [pytest.mark.sim, pytest.mark.timeout(600)]

PLAY = Path(str(files("simnet"))) / "scenarios" / "twenty-epochs.toml"


class Look(Watch):
    """A light client that was away, and who sat on which committee."""

    def __init__(self) -> None:
        super().__init__()
        self.members: list[set[PublicKey]] = []
        self.stakes: dict[PublicKey, int] = {}

    def look(self, simulation: Simulation, report: Report) -> None:
        super().look(simulation, report)
        archive = Archive(MemoryStore(simulation.world.honest[0].disk))
        self.members = [
            {each.public_key for each in committee.validators}
            for committee, _ in archive.committees.list_committees(0, 1_000)
        ]
        self.stakes = {key: account.stake for key, account in archive.list_accounts()}


def make_staked(seed: int = 1, *, nodes: int = 4, time_s: float = 7.0, stakers: int = 2) -> SimulationOptions:
    options = make_options(seed, nodes=nodes, time_s=time_s, epoch_ms=1_500)
    return replace(options, is_staked=True, stakers=stakers)


def play(options: SimulationOptions) -> tuple[Report, Look]:
    look = Look()
    return run_simulation(options, on_end=look.look), look


def test_stakes_are_moved_and_elections_held_while_everything_goes_on() -> None:
    report, look = play(make_staked())

    assert isinstance(report.verdict, Pass), report.verdict
    assert report.stakes["Elected"] >= 4
    assert report.stakes["Rewarded"] >= 4
    founders = {make_validator_key(report.options, node) for node in range(4)}
    assert all(founders <= members for members in look.members)
    assert any(members > founders for members in look.members), "somebody else was elected"


def test_who_signs_twice_is_slashed_and_sits_out() -> None:
    options = replace(make_staked(2, stakers=0), adversaries=(Adversary(3, Strategy.EQUIVOCATING_ALL),))
    report, look = play(options)

    assert isinstance(report.verdict, Pass), report.verdict
    assert report.stakes["Slashed"] >= 1
    key = make_validator_key(options, 3)
    assert look.stakes[key] < FOUNDER_STAKE
    assert any(key not in members for members in look.members)
    assert all(look.stakes[make_validator_key(options, node)] == FOUNDER_STAKE for node in range(3))


def slash_somebody(node: Node) -> None:
    """A planted bug: validator 1 is taken for one that signed twice."""
    desk = node.executor.machine._desk
    observe = desk.observe

    def observe_wrongly(commit: CommitRecord) -> None:
        observe(commit)
        desk._twins.append(1)

    desk.observe = observe_wrongly  # type: ignore[method-assign]  # what planting is


def test_a_ledger_that_slashes_somebody_honest_is_found() -> None:
    def plant(world: World) -> None:
        for member in world.members:
            member.on_opened = slash_somebody

    report = run_simulation(make_staked(stakers=0), prepare=plant)
    assert isinstance(report.verdict, Violated)
    assert report.verdict.invariant is Invariant.HONEST_STAKES


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_epochs_of_joining_leaving_crashing_and_slashing(seed: int) -> None:
    report, look = play(load_scenario(PLAY, seed))

    assert isinstance(report.verdict, Pass), report.verdict
    assert look.epochs >= 20
    assert look.proven_epoch >= 20, "who was away verifies the newest proof by the ends of epochs alone"
    founders = {make_validator_key(report.options, node) for node in range(4)}
    joined = {make_validator_key(report.options, node) for node in (4, 5)}
    assert all(any(key in members for members in look.members[1:]) for key in joined), "both came"
    assert founders == look.members[0]
    assert any(make_validator_key(report.options, 3) not in members for members in look.members), "jailed"
    assert report.stakes["Slashed"] >= 2
    assert look.stakes[make_validator_key(report.options, 3)] < FOUNDER_STAKE


def test_a_staker_does_everything_and_asks_for_what_is_refused() -> None:
    options = make_staked()
    genesis = make_genesis(options)
    chance, owner = make_chance(1, "test"), make_key(1, "owner").public_key
    staker = Staker(owner, make_key(1, "ghost"), 1_000, compute_chain_id(genesis), chance)
    stranger = StakingBook((), genesis.parameters.staking)
    candidate = Candidate(make_key(1, "ghost").public_key, owner, 0, NEVER, NEVER, 0, 0, 0)
    standing = StakingBook((candidate,), genesis.parameters.staking)
    books, stakes = (stranger, standing), (0, 1_000)
    asked = {type(staker.choose(book, stake, 0)) for book in books for stake in stakes for _ in range(200)}

    assert asked == {Stake, Unstake, Register, Retire}


@pytest.mark.parametrize(
    "changes",
    [
        {"founders": 5},
        {"founders": 3, "is_staked": False},
        {"stakers": 1, "is_staked": False},
        {"seats": ((0, 1, 2),)},
    ],
    ids=str,
)
def test_plans_of_elections_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ImpossiblePlan):
        check_options(replace(make_staked(), **changes))


def test_half_of_the_seeds_without_given_committees_elect_them() -> None:
    drawn = [draw_options(seed) for seed in range(200)]
    plain = [options for options in drawn if not options.seats]

    assert 0.35 < sum(options.is_staked for options in plain) / len(plain) < 0.65
    assert any(options.stakers for options in plain)
    allocated = make_genesis(next(options for options in plain if options.is_staked)).allocations
    assert sum(each.stake for each in allocated) % Grains(FOUNDER_STAKE) == 0
