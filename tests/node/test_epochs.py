"""Committees come and go: epochs end, others begin, and nobody loses anything or signs a slot twice."""

from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from shards.blocks import Attestation
from shards.committee import Committee
from shards.epochs import EpochEnd, follow_epochs, make_genesis_committee
from shards.errors import EpochUnknown
from shards.guard import decode_last_signed
from shards.proofs import verify_transaction_proof
from tangle.core.genesis import Validator
from tangle.core.parameters import Parameters
from tangle.core.types import Milliseconds
from tangle.ledger.election import Election
from tangle.ledger.state import LedgerState
from tangle.node.epochs import Instance
from tests.node.traffic import send_everywhere
from tests.node.twins import make_key
from tests.node.world import (
    PARAMETERS,
    Member,
    assert_no_slot_signed_twice,
    assert_same_history,
    network_of,
    wait_all_final,
    wait_until,
)

SHORT = replace(PARAMETERS, epoch_ms=Milliseconds(2_000))
"""Epochs of a few checkpoints."""


def elect(*committees: Sequence[int]) -> Election:
    """An election that gives the seats of each further epoch to these members; the last ones stay."""

    def choose(
        _state: LedgerState, _parameters: Parameters, _committee: Committee, epoch: int
    ) -> tuple[Validator, ...]:
        seats = committees[min(epoch, len(committees)) - 1]
        return tuple(Validator(make_key(f"validator {index}").public_key, 1) for index in seats)

    return choose


def get_epoch(member: Member) -> int:
    return member.node.epochs.epoch


async def wait_epoch(members: Sequence[Member], epoch: int) -> None:
    await wait_until(lambda: all(get_epoch(member) >= epoch for member in members), timeout_s=60)


def list_ends(member: Member) -> list[EpochEnd]:
    """The ends of epochs that a node has."""
    views = member.service.explorer.get_epochs(0, 0, 1_000)
    return [view.end for view in views if view.end is not None]


async def follow(member: Member) -> tuple[Committee, ...]:
    """What a light client makes of them."""
    first = make_genesis_committee(member.world.genesis)
    return follow_epochs(first, list_ends(member), member.node.chain)


async def test_epochs_end_and_others_begin_under_load() -> None:
    async with network_of(4, parameters=SHORT) as world:
        sent = await send_everywhere(world, 10, pause_s=0.4)
        await wait_all_final(world.members, sent)
        await wait_epoch(world.members, 3)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)
        committees = await follow(world.members[0])
        assert [committee.epoch for committee in committees] == list(range(len(committees)))
        assert len(committees) >= 4
        service, genesis = world.services[1], world.genesis
        views = service.explorer.get_epochs(0, 0, 100)
        ends = [view.end for view in views if view.end is not None]
        last = (await send_everywhere(world, 1))[0]
        await wait_all_final(world.members, [last])
        proof = service.get_transaction_proof(last)
        proven = verify_transaction_proof(proof, genesis, [*ends, *list_ends(world.members[0])[len(ends) :]])
        assert proven.committee.epoch == proven.checkpoint.committee_epoch >= 3
        with pytest.raises(EpochUnknown):
            verify_transaction_proof(proof, genesis, ends[:2])


async def test_validators_join_and_leave() -> None:
    """Seven nodes, of which four validate at a time: in the end none of the first four."""
    election = elect((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (4, 5, 6, 3), (4, 5, 6))
    async with network_of(4, observers=3, parameters=SHORT, election=election) as world:
        sent = await send_everywhere(world, 8, pause_s=1.0)
        await wait_epoch(world.members, 5)
        sent += await send_everywhere(world, 4)
        await wait_all_final(world.members, sent)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)
        for index, member in enumerate(world.members):
            is_validator = member.node.validator_key is not None
            assert is_validator == (index in (4, 5, 6))
            assert member.node.driver.is_proposing == is_validator
            assert member.node.make_hello().is_validator == is_validator
        first = world.members[0]
        await wait_until(
            lambda: (
                {peer.is_validator for peer in first.node.peering.get_peers()[:3]} == {True}
                and not any(peer.is_validator for peer in first.node.peering.get_peers()[3:])
            )
        )
        keys = [
            [validator.public_key for validator in committee.validators] for committee in await follow(first)
        ]
        expected = [(0, 1, 2, 3), (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (4, 5, 6, 3), (4, 5, 6)]
        names = [[make_key(f"validator {index}").public_key for index in seats] for seats in expected]
        assert keys[:6] == names


def hold_back(member: Member) -> None:
    """A validator whose first attestation of every checkpoint but an epoch's last is lost."""

    def bend(instance: Instance) -> None:
        lost: set[int] = set()
        take = instance.driver._hooks.take_attestations

        def give(limit: int) -> tuple[Attestation, ...]:
            taken = take(limit)
            known = {*lost, member.node.epochs.end}
            lost.update(attestation.index for attestation in taken)
            return tuple(attestation for attestation in taken if attestation.index in known)

        instance.driver._hooks = replace(instance.driver._hooks, take_attestations=give)

    member.node.epochs.bend = bend
    bend(member.node.epochs.current)


def list_uncertified(member: Member, epoch: int) -> list[int]:
    """Checkpoints of earlier committees that have no certificate of their own at a node."""
    archive = member.node.archive
    end = archive.committees.find_end(epoch - 1)
    assert end is not None
    return [index for index in range(1, end + 1) if archive.get_certificate(index) is None]


async def test_a_committee_goes_on_until_all_its_checkpoints_have_certificates() -> None:
    """The last one's would make all final, but money on its way out of the others were stuck for ever."""
    async with network_of(4, parameters=SHORT) as world:
        for member in world.members[2:]:
            hold_back(member)
        await wait_epoch(world.members, 2)
        assert [list_uncertified(member, 2) for member in world.members] == [[], [], [], []]


async def test_a_committee_waits_for_certificates_when_all_validators_start_again() -> None:
    """All are killed when the last checkpoint is final and others lack certificates; one stays away."""
    async with network_of(4, parameters=SHORT) as world:
        members = world.members
        for member in members[2:]:
            hold_back(member)
        await wait_until(lambda: members[0].node.epochs._final_s is not None, timeout_s=60)
        assert get_epoch(members[0]) == 0
        for member in members:
            await member.stop()
        for member in members[:3]:
            await member.start()
        assert get_epoch(members[0]) == 0, "it goes back to the committee that has something left to do"
        await wait_epoch(members[:3], 2)
        assert [list_uncertified(member, 2) for member in members[:3]] == [[], [], []]


async def test_a_node_that_was_away_for_many_epochs_follows_one_after_the_other() -> None:
    election = elect((0, 1, 2, 3), (0, 1, 2), (0, 1, 2, 3))
    async with network_of(4, observers=1, parameters=SHORT, election=election) as world:
        sent = await send_everywhere(world, 3)
        await wait_all_final(world.members, sent)
        away = world.members[3:]
        for member in away:
            await member.stop()
        sent += await send_everywhere(world, 8, members=3, pause_s=1.0)
        await wait_epoch(world.members[:3], 5)
        for member in away:
            await member.start()
        await wait_until(lambda: all(member.node.catch_up.is_level for member in away))
        await wait_until(lambda: world.members[3].node.driver.is_proposing, timeout_s=60)
        assert get_epoch(world.members[3]) >= 5
        sent += await send_everywhere(world, 3)
        await wait_all_final(world.members, sent, timeout_s=60)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)


async def test_a_validator_that_lost_its_disk_comes_back_in_a_later_epoch() -> None:
    async with network_of(4, parameters=SHORT) as world:
        await wait_epoch(world.members, 1)
        lost = world.members[3]
        await lost.stop()
        lost.lose_disk()
        signed = decode_last_signed(lost.guard.record)
        await wait_epoch(world.members[:3], 3)
        await lost.start()
        await wait_until(lambda: lost.node.driver.is_proposing, timeout_s=60)
        await wait_until(lambda: decode_last_signed(lost.guard.record).epoch >= 3)
        assert signed.epoch < 3
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)


async def test_everybody_stops_and_starts_again_and_again_across_ends_of_epochs() -> None:
    async with network_of(4, parameters=SHORT) as world:
        pause_s, epoch = 0.4, 0
        while epoch < 4:
            await anyio.sleep(pause_s)
            pause_s = (pause_s + 0.37) % 1.9
            for member in world.members:
                await member.stop()
            for member in world.members:
                await member.start()
            await wait_until(
                lambda: all(member.node.driver.is_proposing for member in world.members), timeout_s=60
            )
            epoch = min(map(get_epoch, world.members))
        sent = await send_everywhere(world, 3)
        await wait_all_final(world.members, sent)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)


async def test_epochs_without_anybody_are_left_out() -> None:
    async with network_of(4, parameters=SHORT) as world:
        await wait_epoch(world.members, 1)
        for member in world.members:
            await member.stop()
        await anyio.sleep(9)
        for member in world.members:
            await member.start()
        await wait_epoch(world.members, 5)
        epochs = [committee.epoch for committee in await follow(world.members[0])]
        assert epochs[:2] == [0, 1]
        assert epochs != list(range(len(epochs)))
        assert_no_slot_signed_twice(world.members)


async def test_a_lone_validator_goes_from_epoch_to_epoch() -> None:
    async with network_of(1, parameters=SHORT) as world:
        await wait_epoch(world.members, 2)
        (member,) = world.members
        await member.stop()
        await member.start()
        await wait_epoch(world.members, 4)
        assert_no_slot_signed_twice(world.members)
