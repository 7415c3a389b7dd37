"""The round that an honest validator has reached, whatever the faulty ones sign."""

from hypothesis import given
from hypothesis import strategies as st

from shards.committee import Committee
from tangle.core.genesis import Validator
from tangle.node.vouched_rounds import VouchedRounds
from tests.node.twins import make_key

KEYS = [make_key(f"validator {index}").public_key for index in range(5)]


def make_committee(*weights: int) -> Committee:
    return Committee(0, tuple(Validator(key, weight) for key, weight in zip(KEYS, weights, strict=False)))


def test_a_lone_validator_is_taken_at_its_word() -> None:
    vouched = VouchedRounds(make_committee(1))
    vouched.on_word(0, 7)
    assert vouched.round == 7


def test_one_of_four_may_say_what_it_likes() -> None:
    vouched = VouchedRounds(make_committee(1, 1, 1, 1))
    vouched.on_word(3, 10**9)
    assert vouched.round == 0
    vouched.on_word(0, 7)
    assert vouched.round == 7
    vouched.on_word(1, 9)
    assert vouched.round == 9


def test_weight_counts_not_heads() -> None:
    vouched = VouchedRounds(make_committee(7, 1, 1, 1))
    for author in (1, 2, 3):
        vouched.on_word(author, 50)
    assert vouched.round == 0
    vouched.on_word(0, 5)
    assert vouched.round == 5


def test_an_older_word_takes_nothing_back() -> None:
    vouched = VouchedRounds(make_committee(1, 1, 1, 1))
    for author in (0, 1):
        vouched.on_word(author, 9)
    vouched.on_word(1, 3)
    assert vouched.round == 9


@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    words=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60)), max_size=40),
)
def test_it_is_the_highest_round_that_more_than_the_faulty_weight_has_reached(
    weights: list[int], words: list[tuple[int, int]]
) -> None:
    committee = make_committee(*weights)
    vouched = VouchedRounds(committee)
    reached = [0] * len(weights)
    for author, round_number in words:
        if author < len(weights):
            vouched.on_word(author, round_number)
            reached[author] = max(reached[author], round_number)
    expected = max(
        number
        for number in range(61)
        if committee.compute_weight({author for author, top in enumerate(reached) if top >= number})
        >= committee.validity
    )
    assert vouched.round == expected
