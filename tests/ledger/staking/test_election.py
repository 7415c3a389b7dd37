"""Election: weights by stake and work, what an attacker gains, what absence costs."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tangle.core.genesis import Validator
from tangle.core.staking_rules import DEVNET_STAKING, RATIO_WHOLE
from tangle.core.types import Grains, PublicKey
from tangle.ledger.staking.election import WEIGHT_WHOLE, Standing, compute_rewards, compute_score, elect

RULES = replace(DEVNET_STAKING, stake_min=Grains(1_000))

STAKES = st.integers(0, 10**18)
WORKS = st.integers(0, 10**12)


def _make_key(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(32, "big"))


STANDINGS = st.lists(st.tuples(STAKES, WORKS), min_size=1, max_size=80).map(
    lambda pairs: [Standing(_make_key(number), *pair) for number, pair in enumerate(pairs)]
)


def test_equal_stake_and_work_give_equal_weights() -> None:
    committee = elect([Standing(_make_key(number), 5_000, 70) for number in range(4)], RULES)

    assert [member.weight for member in committee] == [2_500] * 4


def test_work_raises_a_score_by_the_bonus_at_most() -> None:
    idle = compute_score(1_000_000, 0, 50, RULES)
    mean = compute_score(1_000_000, 50, 50, RULES)
    most = compute_score(1_000_000, 10**15, 50, RULES)

    assert (idle, mean, most) == (1_000_000, 1_250_000, 1_500_000)


def test_work_without_stake_elects_nobody() -> None:
    assert elect([Standing(_make_key(1), 999, 10**12)], RULES) == ()


def test_of_too_many_candidates_the_best_scores_are_elected() -> None:
    rules = replace(RULES, committee_max=2)
    standing = [Standing(_make_key(number), 1_000 * number, 0) for number in (1, 2, 3)]

    assert [member.public_key for member in elect(standing, rules)] == [_make_key(2), _make_key(3)]


@given(STANDINGS)
def test_election_depends_on_no_order_and_keeps_its_bounds(standing: list[Standing]) -> None:
    committee = elect(standing, RULES)

    assert committee == elect(standing[::-1], RULES)
    keys = [member.public_key for member in committee]
    assert keys == sorted(set(keys))
    assert len(keys) <= RULES.committee_max
    able = {each.validator for each in standing if each.stake >= RULES.stake_min}
    assert set(keys) <= able
    assert bool(committee) == bool(able)
    # Rounding up to a weight of 1 may add at most one for each member.
    assert sum(member.weight for member in committee) <= WEIGHT_WHOLE + len(committee)


@given(st.integers(1, 10**9), st.integers(2, 20), WORKS)
def test_an_attacker_of_stake_share_a_has_at_most_the_weight_that_the_adr_says(
    unit: int, honest: int, work: int
) -> None:
    """One of n + 1 equal stakes that does all the work there is: (1 + b) a / (1 + b a), whole committee."""
    stake = RULES.stake_min * unit
    standing = [Standing(_make_key(number), stake, 0) for number in range(honest)]
    attacker = _make_key(honest)
    committee = elect([*standing, Standing(attacker, stake, work)], RULES)

    weights = {member.public_key: member.weight for member in committee}
    share = weights[attacker] / sum(weights.values())
    bonus = RULES.work_bonus / RATIO_WHOLE
    part = 1 / (honest + 1)
    assert share <= (1 + bonus) * part / (1 + bonus * part) + 0.01


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)), min_size=1, max_size=40), STAKES)
def test_rewards_never_exceed_the_pool_and_absence_costs_nothing_else(
    members: list[tuple[int, int]], pool: int
) -> None:
    committee = [Validator(_make_key(number), weight) for number, (weight, _) in enumerate(members)]
    rewards = compute_rewards(committee, [blocks for _, blocks in members], pool)

    assert sum(rewards) <= pool
    assert all(reward >= 0 for reward in rewards)
    assert all(reward == 0 for reward, (_, blocks) in zip(rewards, members, strict=True) if blocks == 0)


def test_half_the_blocks_earn_half_the_part() -> None:
    committee = [Validator(_make_key(1), 10), Validator(_make_key(2), 10)]

    assert compute_rewards(committee, [100, 50], 1_000) == (500, 250)
