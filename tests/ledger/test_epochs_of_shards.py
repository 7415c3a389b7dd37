"""Epochs of committees in shards that follow the leading one: only its bundle of the right epoch ends one."""

from collections.abc import Callable
from itertools import count

from msgspec.structs import replace

from shards.committee import Committee
from shards.epochs import is_epoch_end
from tangle.core.genesis import Validator
from tangle.core.parameters import MINIMAL, Parameters
from tangle.ledger.machine import CheckpointOutcome
from tangle.ledger.state import LedgerState
from tests.drawing.blocks import make_keys
from tests.ledger.crossing import COMMITTEE, Shards

EPOCH_MS = 1_000
PARAMETERS: Parameters = replace(MINIMAL, epoch_ms=EPOCH_MS, checkpoint_interval_ms=50)
OTHERS = tuple(Validator(key.public_key, 2) for key in make_keys(6)[3:])


def make_shards(elect: Callable[[int], tuple[Validator, ...]] = lambda _: ()) -> Shards:
    """Two shards whose leading one elects by epoch."""

    def election(
        _state: LedgerState, _parameters: Parameters, _committee: Committee, epoch: int
    ) -> tuple[Validator, ...]:
        return elect(epoch)

    shards = Shards(1, PARAMETERS)
    for one in shards.every:
        one.machine._election = election
    return shards


def end_epochs(shards: Shards, *at_ms: int) -> None:
    """The leading shard makes checkpoints at these times."""
    for time_ms in at_ms:
        shards.every[0].run(at_ms=time_ms)


def test_time_ends_no_epoch_in_a_shard_that_follows() -> None:
    shards = make_shards()
    outcome = shards.every[1].run(at_ms=3 * EPOCH_MS)
    assert outcome.next_committee is None
    assert (outcome.checkpoint.epoch, outcome.checkpoint.committee_epoch) == (3, 0)
    assert not is_epoch_end(outcome.checkpoint)
    later = shards.every[1].run(at_ms=4 * EPOCH_MS).checkpoint
    assert (later.epoch, later.committee_epoch) == (4, 0)


def test_the_leading_shards_bundle_ends_an_epoch_and_brings_the_committee() -> None:
    shards = make_shards(lambda _: OTHERS)
    end_epochs(shards, 2 * EPOCH_MS)
    outcome = shards.every[1].run(bundles=[shards.every[0].bundle(1, 1)], at_ms=EPOCH_MS // 2)
    checkpoint, following = outcome.checkpoint, outcome.next_committee
    assert (checkpoint.epoch, checkpoint.committee_epoch) == (0, 0), "the clock of this shard is its own"
    assert checkpoint.next_committee == OTHERS
    assert is_epoch_end(checkpoint)
    assert following is not None
    assert (following.epoch, following.validators, following.origin) == (2, OTHERS, outcome.digest)
    assert outcome.state.committee_epoch == 2
    assert shards.every[1].run(at_ms=EPOCH_MS).checkpoint.committee_epoch == 2


def test_the_same_committee_is_named_too_where_it_goes_on() -> None:
    shards = make_shards()
    end_epochs(shards, EPOCH_MS)
    assert shards.every[0].history[0].outcome.checkpoint.next_committee == ()
    outcome = shards.every[1].run(bundles=[shards.every[0].bundle(1, 1)])
    assert outcome.checkpoint.next_committee == COMMITTEE.validators
    assert outcome.next_committee is not None
    assert outcome.next_committee.epoch == 1


def test_ends_that_come_again_or_too_early_do_nothing() -> None:
    shards = make_shards(lambda epoch: OTHERS[: epoch + 1])
    end_epochs(shards, EPOCH_MS, EPOCH_MS + 100, 2 * EPOCH_MS)
    first, middle, second = (shards.every[0].bundle(index, 1) for index in (1, 2, 3))
    follower = shards.every[1]

    def get_epoch(outcome: CheckpointOutcome) -> int | None:
        return None if outcome.next_committee is None else outcome.next_committee.epoch

    assert get_epoch(follower.run(bundles=[second, middle])) is None
    assert get_epoch(follower.run(bundles=[middle, first, second])) == 1
    assert get_epoch(follower.run(bundles=[first, middle])) is None
    outcome = follower.run(bundles=[first, second])
    assert get_epoch(outcome) == 2
    assert outcome.checkpoint.next_committee == OTHERS[:3]


def test_a_shard_ends_no_epoch_of_another_that_does_not_lead() -> None:
    shards = make_shards()
    end_epochs(shards, EPOCH_MS)
    follower = shards.every[1]
    follower.run(bundles=[shards.every[0].bundle(1, 1)])
    before = shards.every[0].machine.committee
    outcome = shards.every[0].run(bundles=[follower.bundle(1, 0)], at_ms=EPOCH_MS + 1)
    assert outcome.next_committee is None
    assert shards.every[0].machine.committee is before


def test_an_end_may_bring_receipts_and_ends_the_epoch_even_where_they_come_too_early() -> None:
    shards = make_shards()
    names = list(shards.sequences)
    rich, stranger = names[0], names[-1]
    leading, numbers = shards.every[0], count(1)
    for time_ms in (0, EPOCH_MS):
        leading.run([shards.pay(rich, stranger)], at_ms=time_ms + next(numbers))
    early = shards.every[1].run(bundles=[leading.bundle(2, 1)])
    assert early.crossing.credited == ()
    assert early.next_committee is not None
    both = shards.every[1].run(bundles=[leading.bundle(1, 1), leading.bundle(2, 1)])
    assert len(both.crossing.credited) == 3, "two payments, and a leader's fees that go home"
    assert both.next_committee is None, "it is of an epoch that is over"
