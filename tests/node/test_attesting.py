"""Attestations are given again until every checkpoint has a certificate of its own."""

from msgspec.structs import replace

from shards.certificates import Certificate, Certified
from shards.checkpoints import compute_checkpoint_digest
from shards.committee import Committee
from tangle.core.types import CheckpointIndex
from tangle.node.attesting import REPEAT_INTERVAL, REPEATS_PER_BLOCK, Attester, ExecutedCheckpoint
from tests.node.test_finality import CHAIN, CHECKPOINT, GENESIS, KEYS, make_block

COMMITTEE = Committee(0, GENESIS.validators)


def make_executed(index: int) -> ExecutedCheckpoint:
    checkpoint = replace(CHECKPOINT, index=CheckpointIndex(index))
    return ExecutedCheckpoint(checkpoint, compute_checkpoint_digest(checkpoint), ())


class Table:
    """Four validators, whose blocks reach those that are named."""

    def __init__(self) -> None:
        self.attesters = [Attester(COMMITTEE, CHAIN, key, 0) for key in KEYS]
        self.certificates: list[dict[int, Certificate]] = [{} for _ in KEYS]

    def execute(self, *indices: int) -> None:
        for attester in self.attesters:
            for index in indices:
                attester.on_executed(make_executed(index), is_certified=False)

    def propose(self, author: int, *readers: int, limit: int = 32) -> list[int]:
        """A block of an author; answers what it attests."""
        attestations = self.attesters[author].take_attestations(limit)
        block = make_block(author, *attestations)
        for reader in readers:
            for outcome in self.attesters[reader].on_block(block):
                assert isinstance(outcome, Certified)
                self.certificates[reader][outcome.certificate.index] = outcome.certificate
        return [attestation.index for attestation in attestations]


def test_what_lacks_a_certificate_is_attested_again_though_a_later_one_has_its_own() -> None:
    """The first attestations of 1 are lost; validator 3 is gone for ever."""
    table = Table()
    table.execute(1)
    assert table.propose(0, 0, 1, 2) == [1]
    assert table.propose(1, 1) == table.propose(2, 2) == [1]
    table.execute(2)
    for author in range(3):
        assert table.propose(author, 0, 1, 2) == [2]
    assert [list(found) for found in table.certificates[:3]] == [[2], [2], [2]]
    assert not any(attester.is_complete for attester in table.attesters[:3])
    for _ in range(REPEAT_INTERVAL):
        for author in range(3):
            table.propose(author, 0, 1, 2)
    assert [sorted(found) for found in table.certificates[:3]] == [[1, 2]] * 3
    assert all(attester.is_complete for attester in table.attesters[:3])
    for _ in range(4 * REPEAT_INTERVAL):
        assert all(table.propose(author, 0, 1, 2) == [] for author in range(3)), "nobody needs more"


def test_who_has_the_certificate_helps_who_lacks_it() -> None:
    """All attestations reach validator 0; its own and that of 1 are all that reaches the others."""
    table = Table()
    table.execute(1)
    table.propose(2, 0)
    table.propose(1, 0, 1, 2)
    table.propose(0, 0, 1, 2)
    assert [list(found) for found in table.certificates] == [[1], [], [], []]
    assert not table.attesters[1].is_complete
    for _ in range(2 * REPEAT_INTERVAL):
        table.propose(2, 0, 1)  # what it says itself it hears in its next life only
        table.propose(0, 2)
        table.propose(1, 0, 2)
    assert list(table.certificates[1]) == [1]


def test_repeats_leave_room_and_take_turns() -> None:
    attester = Attester(COMMITTEE, CHAIN, KEYS[0], 20, [make_executed(index) for index in range(11, 21)])
    attester.on_executed(make_executed(21), is_certified=False)
    given = [[each.index for each in attester.take_attestations(32)] for _ in range(4)]
    assert given == [[11, 12, 13, 14, 21], [15, 16, 17, 18], [19, 20], []]
    assert all(len(indices) <= REPEATS_PER_BLOCK + 1 for indices in given)
    later = [each.index for _ in range(REPEAT_INTERVAL) for each in attester.take_attestations(32)]
    assert sorted(later) == list(range(11, 22))


def test_after_a_restart_what_only_a_later_certificate_covers_is_counted_still() -> None:
    attester = Attester(COMMITTEE, CHAIN, None, 5, [make_executed(3)])
    outcomes = []
    for author in range(3):
        source = Attester(COMMITTEE, CHAIN, KEYS[author], 2)
        source.on_executed(make_executed(3), is_certified=False)
        source.on_executed(make_executed(4), is_certified=False)
        assert not attester.is_complete
        outcomes += attester.on_block(make_block(author, *source.take_attestations(32)))
    assert [outcome.certificate.index for outcome in outcomes if isinstance(outcome, Certified)] == [3]
    assert attester.is_complete


def test_a_validator_that_is_hundreds_of_checkpoints_behind_still_completes_a_quorum() -> None:
    table = Table()
    table.execute(*range(1, 401))
    for author in range(2):
        for _ in range(13):
            table.propose(author, 0, 1)
    forged = Attester(COMMITTEE, CHAIN, KEYS[3], 0)
    forged.on_executed(make_executed(400), is_certified=False)
    certified = table.attesters[0].on_block(make_block(3, *forged.take_attestations(1)))
    assert [outcome.certificate.index for outcome in certified if isinstance(outcome, Certified)] == [400]
    while table.propose(2, 0, limit=28) and len(table.certificates[0]) < 399:
        pass
    assert sorted(table.certificates[0]) == list(range(1, 400))
    assert table.attesters[0].is_complete
