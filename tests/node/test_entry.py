"""Entering the committee: only what validators signed for this very question counts."""

from collections.abc import Callable

import anyio
import pytest
from anyio.abc import TaskGroup
from msgspec.structs import replace

from shards.blocks import BlockReference
from shards.errors import UnknownAuthor
from tangle.core.errors import InvalidSignature
from tangle.core.signing import SigningKey
from tangle.core.types import Digest, Shard, Signature
from tangle.net.ledger_messages import GetOwnLatest, OwnLatest, ShardStatus
from tangle.net.messages import Hello
from tangle.node.catch_up import LAG_ROUNDS
from tangle.node.committee_driver import CommitteeSetting
from tangle.node.vouching import NotValidator, check_voucher, vouch
from tangle.store.guard_file import MemoryGuard
from tests.node.test_rude_peers import Answer, stranger_at
from tests.node.traffic import send_everywhere
from tests.node.twins import make_key
from tests.node.world import Member, World, network_of, wait_all_final, wait_until

VALIDATORS = [make_key(f"validator {index}") for index in range(4)]


def make_setting(world: World, key: SigningKey | None) -> CommitteeSetting:
    return replace(world.members[0].node.driver.setting, key=key)


def answer_as(world: World, key: SigningKey | None, change: Callable[[OwnLatest], OwnLatest]) -> Answer:
    """A stranger's answer to a validator that asks for its own latest block: there is none."""
    setting = make_setting(world, key)

    def answer(message: object) -> OwnLatest | None:
        if not isinstance(message, GetOwnLatest):
            return None
        return change(vouch(message, None, setting))

    return answer


BOAST = 10**6
"""A round that nobody has reached."""

OTHERS = (0, 2, 3)
"""Places of those whom the validator asks."""


def name_another(number: int) -> Callable[[OwnLatest], OwnLatest]:
    return lambda answer: replace(answer, voucher=OTHERS[number % 3])


def make_liar(lie: str, number: int) -> tuple[SigningKey, Callable[[OwnLatest], OwnLatest]]:
    """Whose key signs a stranger's answer, and what it makes of it; the word of two validators would do."""
    real = VALIDATORS[OTHERS[number % 3]]
    match lie:
        case "unsigned":
            return real, lambda answer: replace(answer, signature=Signature(bytes(64)))
        case "in another's name":
            return VALIDATORS[0], name_another(number)
        case "of no validator":
            return VALIDATORS[0], lambda answer: replace(answer, voucher=9 + number)
        case "changed on the way":
            return real, lambda answer: replace(answer, round=5)
        case "its own word":
            return VALIDATORS[1], lambda answer: answer
        case _:
            return VALIDATORS[0], lambda answer: answer


@pytest.mark.parametrize(
    "lie",
    [
        "unsigned",
        "in another's name",
        "of no validator",
        "changed on the way",
        "its own word",
        "of one validator, from many nodes",
    ],
)
async def test_a_validator_that_lost_everything_believes_proven_validators_only(lie: str) -> None:
    """It is cut off from all the others; five strangers that say they are validators tell it that it never
    signed anything.
    """
    async with network_of(4) as world:
        member = world.members[1]
        await wait_all_final(world.members, await send_everywhere(world, 2))
        answers = [answer_as(world, *make_liar(lie, number)) for number in range(5)]
        await member.stop()
        member.lose_disk()
        member.guard = MemoryGuard()
        await world.network.isolate(member.host, *(f"stranger {number}" for number in range(5)))
        await member.start()
        async with anyio.create_task_group() as tasks:
            for number, answer in enumerate(answers):
                tasks.start_soon(stand_by, world, member, f"stranger {number}", answer)
            await anyio.sleep(30)
            assert not member.node.driver.is_proposing
            tasks.cancel_scope.cancel()


async def stand_by(world: World, member: Member, name: str, answer: Answer, told_round: int = 0) -> None:
    async with stranger_at(world, member, name, answer) as stranger:
        hello = Hello(1, (ShardStatus(Shard(0), 0, 0, told_round),), 0, b"rude", True)
        await stranger.session.send(hello)
        await anyio.sleep_forever()


async def test_words_of_two_validators_suffice_through_whomever_they_come() -> None:
    async with network_of(4) as world:
        member = world.members[1]
        words = [answer_as(world, key, lambda answer: answer) for key in VALIDATORS[2:]]
        await member.stop()
        await world.network.isolate(member.host, "stranger 0", "stranger 1")
        await member.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stand_by, world, member, "stranger 0", words[0])
            await anyio.sleep(10)
            assert not member.node.driver.is_proposing
            tasks.start_soon(stand_by, world, member, "stranger 1", words[1])
            await wait_until(lambda: member.node.driver.is_proposing)
            tasks.cancel_scope.cancel()


async def test_silent_peers_do_not_hold_up_those_who_answer() -> None:
    """They take the first places in the list, and a request's patience is some seconds."""
    async with network_of(4) as world:
        member = world.members[1]
        await member.stop()
        await member.start()
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(stand_by, world, member, f"stranger {number}", lambda _: None)
            await wait_until(lambda: member.node.driver.is_proposing, timeout_s=5)
            tasks.cancel_scope.cancel()


def keep_silent(_: object) -> None:
    """Of whom nobody ever gets an answer."""


async def surround(world: World, member: Member, tasks: TaskGroup) -> None:
    """Boasters that answer nothing take most places for peers."""
    for number in range(8):
        tasks.start_soon(stand_by, world, member, f"stranger {number}", keep_silent, BOAST)


async def test_silent_boasters_do_not_keep_a_validator_out() -> None:
    """Nobody signed that the committee is as far as they say."""
    async with network_of(4) as world:
        member = world.members[1]
        await member.stop()
        await member.start()
        async with anyio.create_task_group() as tasks:
            await surround(world, member, tasks)
            await wait_until(lambda: member.node.driver.is_proposing, timeout_s=5)
            tasks.cancel_scope.cancel()


async def test_a_validator_that_is_behind_catches_up_among_silent_boasters_before_it_enters() -> None:
    async with network_of(4) as world:
        member, other = world.members[1], world.members[0]
        await wait_all_final(world.members, await send_everywhere(world, 2))
        await member.stop()
        (signed,) = (
            block for block in other.node.driver.core.get_latest_blocks() if block.reference.author == 1
        )
        member.lose_disk()
        member.guard = MemoryGuard()
        await wait_until(lambda: other.node.driver.core.highest_round > signed.reference.round + 60)
        met_round = other.node.driver.core.highest_round
        await member.start()
        async with anyio.create_task_group() as tasks:
            await surround(world, member, tasks)
            await wait_until(lambda: member.node.driver.is_proposing, timeout_s=60)
            tasks.cancel_scope.cancel()
        core = member.node.driver.core
        assert core.highest_round >= met_round - LAG_ROUNDS
        assert core.is_known(signed.reference)
        own = next(block for block in core.get_latest_blocks() if block.reference.author == 1)
        assert own.reference.round >= signed.reference.round


async def test_a_validator_without_the_history_that_two_vouch_for_stays_out() -> None:
    """It is cut off from all others; two validators' words, brought by strangers, say how far it once was."""
    latest = BlockReference(50, 1, Digest(b"\x05" * 32))

    async with network_of(4) as world:
        member = world.members[1]
        settings = [make_setting(world, key) for key in VALIDATORS[2:]]

        def make_answer(setting: CommitteeSetting) -> Answer:
            return lambda message: (
                vouch(message, latest, setting) if isinstance(message, GetOwnLatest) else None
            )

        await member.stop()
        member.lose_disk()
        member.guard = MemoryGuard()
        await world.network.isolate(member.host, "stranger 0", "stranger 1")
        await member.start()
        async with anyio.create_task_group() as tasks:
            for number, setting in enumerate(settings):
                tasks.start_soon(stand_by, world, member, f"stranger {number}", make_answer(setting))
            await wait_until(lambda: member.node.driver.vouched.round == latest.round)
            await anyio.sleep(20)
            assert not member.node.driver.is_proposing
            tasks.cancel_scope.cancel()


async def test_a_word_holds_for_its_question_alone() -> None:
    async with network_of(4, observers=1) as world:
        setting = make_setting(world, VALIDATORS[2])
        committee, chain = setting.committee, setting.chain
        request = GetOwnLatest(0, Shard(0), 0, VALIDATORS[1].public_key, Digest(b"\x01" * 32))
        latest = BlockReference(7, 1, Digest(b"\x02" * 32))
        answer = vouch(request, latest, setting)
        assert (answer.round, answer.digest, answer.voucher) == (7, latest.digest, 2)
        check_voucher(request, answer, committee, chain)
        for other in (
            replace(request, challenge=Digest(b"\x03" * 32)),
            replace(request, shard=Shard(1)),
            replace(request, public_key=VALIDATORS[0].public_key),
        ):
            with pytest.raises(InvalidSignature):
                check_voucher(other, answer, committee, chain)
        for bent in (
            replace(answer, round=8),
            replace(answer, digest=Digest(bytes(32))),
            replace(answer, voucher=3),
        ):
            with pytest.raises(InvalidSignature):
                check_voucher(request, bent, committee, chain)
        with pytest.raises(UnknownAuthor):
            check_voucher(request, replace(answer, voucher=4), committee, chain)
        for key in (None, make_key("nobody")):
            with pytest.raises(NotValidator):
                vouch(request, latest, make_setting(world, key))
        with pytest.raises(NotValidator):
            world.members[4].node.answer(request)
