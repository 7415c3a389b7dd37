"""What becomes of verdicts when another committee goes on."""

from collections.abc import Mapping

from msgspec.structs import replace

from poi.disputes.outcomes import BothSilent
from poi.market.operations import ChallengeResult
from poi.market.outcomes import DisputeSettled, Event, ProgramConfirmed
from poi.market.records import Ballot, Claimed, Disputed
from poi.market.votes import (
    Verdict,
    compute_dispute_subject,
    compute_program_subject,
    get_dispute_verdict,
)
from tangle.core.types import Digest
from tests.poi.market.builders import (
    CHALLENGER,
    PROGRAM,
    REGISTER,
    WEIGHTS,
    WORKER,
    Scene,
    claim,
    make_key,
    make_reject,
    start,
)

OWNER = make_key(9)
RIVAL = Digest(b"s" * 32)


def change(scene: Scene, places: Mapping[int, int], weights: tuple[int, ...]) -> tuple[Event, ...]:
    return scene._book(scene.market.change_validators(places, replace(scene.moment, weights=weights)))


def register() -> Scene:
    scene = Scene()
    scene.apply(OWNER, REGISTER)
    return scene


def vote_for_program(scene: Scene, *validators: int) -> None:
    entry = scene.market.get_program(PROGRAM)
    assert entry is not None
    scene.vote(compute_program_subject(entry), Verdict.RIGHT, *validators)


def test_whoever_stays_keeps_its_verdict_under_its_new_place() -> None:
    scene = register()
    vote_for_program(scene, 0, 3)
    assert change(scene, {1: 0, 2: 1, 3: 2}, (1, 1, 1, 1)) == ()
    entry = scene.market.get_program(PROGRAM)
    assert entry is not None
    assert entry.votes == (Ballot(2, Verdict.RIGHT),)


def test_verdicts_are_kept_in_order_of_the_new_places() -> None:
    scene = start()
    job = claim(scene)
    scene.find(make_reject(job, WORKER, 0))
    scene.find(make_reject(job, WORKER, 3))
    change(scene, {0: 3, 1: 2, 2: 1, 3: 0}, WEIGHTS)
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Claimed)
    assert [ballot.validator for ballot in phase.votes] == [0, 3]


def test_what_the_remaining_verdicts_decide_is_decided_at_once() -> None:
    """They are all of the new committee, so nobody would ever vote again."""
    scene = register()
    vote_for_program(scene, 0, 3)
    assert ProgramConfirmed(PROGRAM) in change(scene, {0: 1, 3: 0}, (1, 1))
    entry = scene.market.get_program(PROGRAM)
    assert entry is not None
    assert entry.confirmed == 1


def test_a_dispute_is_settled_by_the_verdicts_that_are_left() -> None:
    scene = start()
    job = claim(scene)
    scene.apply(CHALLENGER, ChallengeResult(job, RIVAL))
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Disputed)
    subject = compute_dispute_subject(job, phase)
    scene.vote(subject, get_dispute_verdict(BothSilent()), 1, 2)
    assert DisputeSettled(job, BothSilent()) in change(scene, {1: 0, 2: 1}, (2, 1))
