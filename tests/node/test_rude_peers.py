"""Peers that lie, stay silent or send rubbish: they lose their welcome, and the node goes on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace

from shards.blocks import Block, decode_block, sign_block
from shards.checkpoints import sign_attestation
from tangle.core.errors import TangleError
from tangle.core.types import Digest, Grains, Shard, TransactionId
from tangle.net.addresses import Address
from tangle.net.errors import RequestTimeout
from tangle.net.handshake import Role
from tangle.net.ledger_messages import GetTransactions, ShardStatus, TransactionItems
from tangle.net.messages import (
    Announce,
    Blocks,
    Hello,
    News,
    Request,
    Response,
    Transactions,
)
from tangle.net.session import Incoming, Session, establish
from tangle.node.computer import InlineComputer
from tangle.node.finality import StateForked
from tangle.node.pool import ComputeFailed
from tests.node.test_refusals import off_by_one
from tests.node.traffic import send_everywhere
from tests.node.twins import make_key, make_secret
from tests.node.wallets import Wallet, wait_final, with_parents
from tests.node.world import (
    BACKEND,
    PORT,
    Member,
    World,
    assert_same_history,
    network_of,
    wait_all_final,
    wait_until,
)

UNKNOWN = TransactionId(b"?" * 32)

Answer = Callable[[Request], Response | None]


class Stranger:
    """A peer with a node's key and manners of its own."""

    def __init__(self, session: Session, answer: Answer) -> None:
        self.session = session
        self.heard: list[Incoming] = []
        self._answer = answer

    async def listen(self) -> None:
        async for message in self.session:
            self.heard.append(message)
            if not isinstance(message, News):
                response = self._answer(message)
                if response is not None:
                    self.session.send_nowait(replace(response, request=message.request))


@asynccontextmanager
async def stranger_at(
    world: World, member: Member, name: str = "stranger", answer: Answer = lambda _: None
) -> AsyncIterator[Stranger]:
    """A stranger's running session with ``member``."""
    stream = await world.network.at(name).dial(Address(member.host.encode(), PORT))
    session = await establish(
        stream, Role.INITIATOR, make_key(name), member.node.chain, make_secret(f"{name} ephemeral")
    )
    stranger = Stranger(session, answer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        tasks.start_soon(stranger.listen)
        await session.send(Hello(1, (ShardStatus(Shard(0), 0, 0, 0),), 0, b"rude", False))
        yield stranger
        tasks.cancel_scope.cancel()


async def find_latest_block(member: Member) -> Block:
    blocks = member.node.driver.core.get_latest_blocks()
    return decode_block(blocks[0].encoded)


async def make_garbage(_: Member, number: int) -> Transactions | Blocks:
    return Transactions((bytes([number % 256]) * 60,))


async def make_garbage_block(_: Member, number: int) -> Transactions | Blocks:
    return Blocks((bytes([number % 256]) * 60,))


async def make_forged_work(member: Member, number: int) -> Transactions | Blocks:
    built = await Wallet("alice").build(member.service, sequence=number, bend=off_by_one)
    return Transactions((built.encoded,))


async def make_forged_block(member: Member, number: int) -> Transactions | Blocks:
    """In the name of a validator, signed by somebody else."""
    body = (await find_latest_block(member)).body
    later = replace(body, timestamp_ms=type(body.timestamp_ms)(body.timestamp_ms + number))
    return Blocks((sign_block(later, make_key("stranger")).encoded,))


@pytest.mark.parametrize("make", [make_garbage, make_garbage_block, make_forged_work, make_forged_block])
async def test_who_sends_rubbish_is_thrown_out_and_stays_out(
    make: Callable[[Member, int], object],
) -> None:
    async with network_of(1) as world:
        (member,) = world.members
        peering, identity = member.node.peering, make_key("stranger").public_key
        async with stranger_at(world, member) as stranger:
            await wait_until(lambda: peering.is_connected(identity))
            for number in range(60):
                if stranger.session.ending is not None:
                    break
                message = await make(member, number)  # type: ignore[misc]  # each of them is a coroutine
                with anyio.move_on_after(1):
                    try:
                        await stranger.session.send(message)
                    except TangleError:
                        break
                await anyio.sleep(0.05)
            await wait_until(lambda: not peering.is_connected(identity), timeout_s=5)
        assert peering.is_banned(identity)
        async with stranger_at(world, member):
            await anyio.sleep(1)
            assert not peering.is_connected(identity)
        await wait_final(member.service, (await Wallet("alice").send(member.service)).id)
        assert member.failure is None


async def test_who_answers_with_something_else_is_blamed_and_others_are_asked() -> None:
    """A liar announces a transaction and gives another one; an honest peer has it."""
    alice = Wallet("alice")
    async with network_of(1, observers=1) as world:
        member = world.members[0]
        junk = await alice.build(member.service, bend=off_by_one)
        wanted = await alice.build(member.service)

        def lie(request: Request) -> Response | None:
            return TransactionItems(0, (junk.encoded,)) if isinstance(request, GetTransactions) else None

        async with stranger_at(world, member, answer=lie) as stranger:
            await stranger.session.send(Announce((wanted.id,)))
            await wait_until(lambda: any(isinstance(m, GetTransactions) for m in stranger.heard))
            await anyio.sleep(0.1)
            (peer,) = [p for p in member.node.peering.get_peers() if p.public_key == stranger_key()]
            assert member.node.peering.get_score(peer) < 100
            assert member.node.find_status(junk.id) is None
            await world.members[1].service.submit((wanted.encoded,))
            await wait_all_final(world.members, [wanted.id])


def stranger_key() -> object:
    return make_key("stranger").public_key


async def test_a_silent_peer_that_has_everything_is_not_relied_on() -> None:
    """It announces what it never gives, and says that it is far ahead."""
    alice = Wallet("alice")
    async with network_of(4) as world:
        member = world.members[0]
        async with stranger_at(world, member) as stranger:
            await stranger.session.send(Hello(1, (ShardStatus(Shard(0), 0, 0, 9),), 0, b"rude", True))
            sent = await alice.build(world.services[1])
            await stranger.session.send(Announce((sent.id, UNKNOWN)))
            await anyio.sleep(1)
            await world.services[1].submit((sent.encoded,))
            await wait_all_final(world.members, [sent.id])
            (peer,) = [p for p in member.node.peering.get_peers() if p.public_key == stranger_key()]
            with pytest.raises(RequestTimeout):
                await peer.request(GetTransactions(0, (UNKNOWN,)))
            assert_same_history(world.members)


async def test_what_a_liar_claims_to_wait_for_is_given_up() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (member,) = world.members
        async with stranger_at(world, member) as stranger:
            for number in range(20):
                parent = TransactionId(bytes([number]) * 32)
                orphan = await alice.build(member.service, sequence=number, bend=with_parents(parent))
                await stranger.session.send(Transactions((orphan.encoded,)))
            await wait_until(lambda: member.node.subdag.get_statistics().waiting == 20)
            await wait_until(lambda: member.node.subdag.get_statistics().waiting == 0, timeout_s=200)
        await wait_until(lambda: member.node.fetcher.depth == 0, timeout_s=200)


async def test_another_digest_than_the_quorum_s_stops_the_node() -> None:
    async with network_of(4) as world:
        member = world.members[2]
        archive = member.node.archive
        await wait_all_final(world.members, await send_everywhere(world, 1))
        machine = member.node.executor.machine
        machine.state = replace(machine.state, emission=Grains(machine.state.emission + 1))
        with anyio.fail_after(30):
            await member.ended.wait()
        failure = member.failure
        assert isinstance(failure, StateForked)
        assert failure.code == "state-forked"
        checkpoint = archive.get_checkpoint(failure.index)
        assert checkpoint is not None
        witness = world.members[0].node
        await wait_until(lambda: witness.finality.certified >= failure.index)
        certificate = witness.archive.get_certificate(failure.index)
        assert certificate is not None
        assert certificate.digest == failure.certified != failure.own
        sent = await send_everywhere(world, 2, members=2)
        await wait_all_final([world.members[0], world.members[1], world.members[3]], sent)


async def test_one_liar_s_attestations_change_nothing() -> None:
    async with network_of(4) as world:
        liar = world.members[3].node
        key = make_key("validator 3")
        take = liar.finality.attester.take_attestations

        def lie(limit: int) -> tuple[object, ...]:
            wrong = Digest(b"wrong" + bytes(27))
            return tuple(sign_attestation(wrong, a.index, a_shard, key, liar.chain) for a in take(limit))

        a_shard = liar.driver.setting.shard
        liar.driver._hooks = replace(liar.driver._hooks, take_attestations=lie)
        sent = await send_everywhere(world, 3)
        await wait_all_final(world.members, sent)
        assert_same_history(world.members)


class FailingComputer(InlineComputer):
    """Fails as a pool does whose workers die, as often as it is told to."""

    def __init__(self) -> None:
        super().__init__(BACKEND)
        self.failures = 0

    async def verify_signatures(self, chain, claims):  # type: ignore[no-untyped-def]  # as InlineComputer's
        if self.failures:
            self.failures -= 1
            raise ComputeFailed("verify_signatures", "the process died")
        return await super().verify_signatures(chain, claims)


async def test_blocks_whose_verification_failed_are_fetched_again() -> None:
    async with network_of(4, is_started=False) as world:
        computer = FailingComputer()
        world.members[1].computer = computer
        for member in world.members:
            await member.start()
        await world.wait_ready()
        computer.failures = 5
        sent = await send_everywhere(world, 4)
        await wait_all_final(world.members, sent)
        assert computer.failures == 0
        assert world.members[1].failure is None
        assert_same_history(world.members)
