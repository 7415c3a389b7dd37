"""What an operator does about peers of a running node, and what of it outlives the node."""

from contextlib import suppress

import anyio
import pytest

from tangle.net.address_book import CONFIGURED_MAX
from tangle.net.bans import InvalidSubject
from tangle.net.errors import HandshakeTruncated, InvalidAddress, PeerSaidGoodbye, SessionClosed
from tangle.net.messages import PeerList
from tangle.net.peers import POINTS_MAX
from tangle.node.peer import PeerKind
from tangle.node.peer_desk import PeerDesk, PeerSettled, PeersFull
from tangle.node.peer_memory import MEMORY_KEY, StoredPeers
from tangle.node.views import NotFound
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Table, WriteBatch
from tests.node.meeting import HERE, Meeting, make_address, meet
from tests.node.twins import make_key
from tests.node.world import wait_until

STRANGER = "10.0.0.9"
MALLORY = make_key("mallory").public_key


async def is_refused(meeting: Meeting, name: str, host: str) -> bytes | None:
    """What a comer is told; empty where the node says nothing, none where it is let in."""
    try:
        session = await meeting.visit(name, host)
    except (HandshakeTruncated, SessionClosed):
        return b""
    if isinstance(session.ending, PeerSaidGoodbye):
        return session.ending.reason
    return None


async def test_a_banned_identity_is_parted_from_and_told_so_from_whatever_host() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        desk = PeerDesk(peering)
        session = await meeting.visit("mallory", STRANGER)
        ban = await desk.ban(MALLORY.hex(), "spam", 60)
        assert (ban.is_manual, ban.reason, ban.until_ms - ban.since_ms) == (True, "spam", 60_000)
        await wait_until(lambda: session.ending is not None)
        assert isinstance(session.ending, PeerSaidGoodbye)
        assert session.ending.reason == b"peer-banned"
        assert await is_refused(meeting, "mallory", "10.0.1.1") == b"peer-banned"
        assert await is_refused(meeting, "bob", STRANGER) is None
        await anyio.sleep(60)
        assert await is_refused(meeting, "mallory", STRANGER) is None
        assert desk.list_bans() == ()


async def test_a_banned_network_is_not_even_shaken_hands_with_and_not_dialled() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        desk = PeerDesk(peering)
        await meeting.open("carol", "10.0.7.7", target=0)
        session = await meeting.visit("mallory", "10.0.7.8")
        bob = await meeting.visit("bob", STRANGER)
        await desk.ban("10.0.7.0/24", "", None)
        await wait_until(lambda: session.ending is not None)
        assert await is_refused(meeting, "alice", "10.0.7.9") == b""
        await bob.send(PeerList((make_address("10.0.7.7"),)))
        await anyio.sleep(60)
        assert [peer.public_key for peer in peering.get_peers()] == [make_key("bob").public_key]
        await desk.unban("10.0.7.0/24")
        await bob.send(PeerList((make_address("10.0.7.7"),)))
        await wait_until(lambda: peering.is_connected(make_key("carol").public_key), timeout_s=1_000)


async def test_lifting_a_ban_of_the_node_forgives_the_faults_that_led_to_it() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        desk = PeerDesk(peering)
        session = await meeting.visit("mallory", STRANGER)
        await session.send(PeerList((make_address("10.0.0.7"),)))
        (peer,) = peering.get_peers()
        for _ in range(2):
            peering.blame(peer, InvalidSubject("x" * 1_000))
        while not peering.is_banned(MALLORY):
            peering.blame(peer, InvalidSubject("x"))
        (ban,) = desk.list_bans()
        assert (ban.subject, ban.reason, ban.is_manual) == (MALLORY.hex(), "ban-subject-invalid", False)
        await desk.unban(ban.subject)
        assert await is_refused(meeting, "mallory", STRANGER) is None
        assert peering.get_score(peering.get_peers()[0]) == POINTS_MAX


async def test_bans_and_added_peers_outlive_a_restart() -> None:
    disk = MemoryStore().disk
    async with meet() as meeting:
        store = MemoryStore(disk)
        meeting.tasks.start_soon(store.run)
        await meeting.open("node 2", "10.0.0.2", target=0)
        peering = await meeting.open(target=0, store=StoredPeers(store))
        desk = PeerDesk(peering)
        assert await desk.add("10.0.0.2:15600") == "10.0.0.2:15600"
        await desk.ban(MALLORY.hex(), "spam", None)
        await wait_until(lambda: peering.is_connected(make_key("node 2").public_key))
        assert peering.get_traffic()[PeerKind.CONFIGURED].bytes_in > 0
        assert peering.get_traffic()[PeerKind.INBOUND].bytes_in == 0
        store.stop()
    async with meet() as meeting:
        store = MemoryStore(disk)
        await meeting.open("node 2", "10.0.0.2", target=0)
        peering = await meeting.open(target=0, store=StoredPeers(store))
        await wait_until(lambda: peering.is_connected(make_key("node 2").public_key))
        assert await is_refused(meeting, "mallory", STRANGER) == b"peer-banned"
        (known,) = PeerDesk(peering).list_addresses()
        assert (known.address, known.is_added, known.is_settled, known.is_connected) == (
            "10.0.0.2:15600",
            True,
            False,
            True,
        )


async def test_a_memory_that_cannot_be_read_is_given_up() -> None:
    store = MemoryStore()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        for damaged in (b"", b"\xff", b"\x80", b"\x84" * 50):
            batch = WriteBatch()
            batch.put(Table.PEERS, MEMORY_KEY, damaged)
            await store.commit(batch)
            assert StoredPeers(store).load() is None
        store.stop()


async def test_a_removed_peer_is_left_and_forgotten_and_one_of_the_settings_is_not() -> None:
    async with meet() as meeting:
        peering = await meeting.open(peers=["10.0.0.3"], target=0)
        await meeting.open("node 2", "10.0.0.2", target=0)
        desk = PeerDesk(peering)
        await desk.add("10.0.0.2:15600")
        await wait_until(lambda: peering.is_connected(make_key("node 2").public_key))
        assert await desk.remove("10.0.0.2:15600") == "10.0.0.2:15600"
        await wait_until(lambda: not peering.get_peers())
        await anyio.sleep(60)
        assert not peering.get_peers()
        with pytest.raises(PeerSettled):
            await desk.remove("10.0.0.3:15600")
        with pytest.raises(NotFound):
            await desk.remove("10.0.0.2:15600")
        assert [known.address for known in desk.list_addresses()] == ["10.0.0.3:15600"]


async def test_bad_words_of_the_operator() -> None:
    async with meet() as meeting:
        desk = PeerDesk(await meeting.open())
        for text in ("", "10.0.0.1", "10.0.0.1:0", "a b:1", "10.0.0.1:15600:1"):
            with pytest.raises(InvalidAddress):
                await desk.add(text)
        with pytest.raises(InvalidSubject):
            await desk.ban("a.name", "", None)
        with pytest.raises(NotFound):
            await desk.unban("10.0.0.1")
        for index in range(CONFIGURED_MAX):
            await desk.add(f"192.0.2.1:{index + 1}")
        with pytest.raises(PeersFull):
            await desk.add("192.0.2.2:1")


async def test_a_draining_node_keeps_its_sessions_and_begins_none() -> None:
    async with meet() as meeting:
        await meeting.open("node 2", "10.0.0.2", target=0)
        peering = await meeting.open(target=1)
        desk = PeerDesk(peering)
        bob = await meeting.visit("bob", STRANGER)
        assert desk.drain(True) == 1
        await desk.add("10.0.0.2:15600")
        assert await is_refused(meeting, "alice", "10.0.0.8") == b""
        await anyio.sleep(60)
        assert len(peering.get_peers()) == 1
        assert bob.ending is None
        desk.drain(False)
        await wait_until(lambda: len(peering.get_peers()) == 2)


async def test_a_full_node_tells_of_others_and_keeps_places_for_those_it_dials() -> None:
    async with meet() as meeting:
        peering = await meeting.open(target=4, peers_max=4)
        for index in range(3):
            await meeting.visit(f"guest {index}", f"10.0.2.{index + 1}", listen_port=15_600)
        with suppress(SessionClosed):
            late = await meeting.visit("late", STRANGER)
        heard = [message async for message in late]
        assert isinstance(late.ending, PeerSaidGoodbye)
        assert late.ending.reason == b"peers-full"
        (told,) = heard
        assert isinstance(told, PeerList)
        assert {address.host for address in told.addresses} == {b"10.0.2.1", b"10.0.2.2", b"10.0.2.3"}
        await meeting.open("node 2", "10.0.0.2", target=0)
        await PeerDesk(peering).add("10.0.0.2:15600")
        await wait_until(lambda: len(peering.get_peers()) == 4)


async def test_one_who_surrounds_a_node_does_not_choose_all_of_its_peers() -> None:
    async with meet() as meeting:
        peering = await meeting.open(peers=["10.0.0.2"], target=8)
        hosts = [f"10.0.4.{index + 1}" for index in range(4)]
        for host in hosts:
            await meeting.open(host, host, target=0)
        for index in range(12):
            await meeting.visit(f"sybil {index}", f"10.9.{index}.1")
        honest = await meeting.visit("bob", STRANGER)
        await honest.send(PeerList(tuple(map(make_address, hosts))))
        await wait_until(lambda: sum(peer.is_outbound for peer in peering.get_peers()) >= 2, timeout_s=120)
        assert HERE not in hosts
