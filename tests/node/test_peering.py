"""Peers that send too much, lie or come in crowds; and how nodes find each other."""

from contextlib import suppress
from typing import Final

import anyio
import pytest

from tangle.core.encoding import encode
from tangle.core.types import TransactionId
from tangle.net.address_book import PER_SOURCE_MAX
from tangle.net.addresses import Address
from tangle.net.errors import HandshakeTruncated, PeerSaidGoodbye, SessionClosed
from tangle.net.ledger_messages import IDS_MAX, TRANSACTIONS_MAX, GetTransactions
from tangle.net.messages import (
    ADDRESSES_MAX,
    Announce,
    Lane,
    PeerList,
    Prepared,
    Transactions,
    prepare_message,
)
from tangle.net.peers import BAN_MS, POINTS_MAX
from tangle.net.session import Session
from tangle.node.admission import CONNECTION_RATE, HOST_CONNECTIONS_MAX, STRANGERS_MAX
from tangle.node.dialling import SHARE_INTERVAL_S, SHARE_MAX
from tangle.node.peer import NEWS_RATE, REQUEST_RATE
from tangle.node.peer_memory import StoredPeers
from tangle.node.peering import RACE_S, SAVE_INTERVAL_S, Peering
from tangle.store.memory_store import MemoryStore
from tests.node.meeting import HERE, PORT, Meeting, make_address, meet, read_lists
from tests.node.twins import make_key
from tests.node.world import wait_until

ID: Final = TransactionId(bytes(32))

STRANGER: Final = "10.0.0.9"


def get_score(peering: Peering, name: str) -> int:
    (peer,) = [peer for peer in peering.get_peers() if peer.public_key == make_key(name).public_key]
    return peering.get_score(peer)


async def announce(session: Session, ids: int) -> None:
    for _ in range(ids // IDS_MAX):
        await session.send(Announce((ID,) * IDS_MAX))


async def ask(session: Session, times: int) -> None:
    for _ in range(times):
        await session.request(GetTransactions(0, (ID,)))


async def test_a_peer_within_its_allowance_is_not_held_up() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        began_s = anyio.current_time()
        for _ in range(NEWS_RATE.burst // TRANSACTIONS_MAX):
            await session.send(Transactions((b"x",) * TRANSACTIONS_MAX))
        await wait_until(lambda: meeting.heard.items > NEWS_RATE.burst - TRANSACTIONS_MAX)
        assert anyio.current_time() - began_s < 0.5
        assert get_score(peering, "mallory") == POINTS_MAX


async def test_a_flood_of_news_is_slowed_and_costs_score() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        began_s = anyio.current_time()
        excess_s = 6
        ids = NEWS_RATE.burst + excess_s * NEWS_RATE.per_second
        await announce(session, ids)
        await wait_until(lambda: meeting.heard.items > ids - IDS_MAX)
        assert anyio.current_time() - began_s > excess_s - 1
        assert POINTS_MAX // 2 < get_score(peering, "mallory") < POINTS_MAX


async def test_a_flood_of_requests_is_slowed_and_costs_score() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        askers = 20
        each = (REQUEST_RATE.burst + 2 * REQUEST_RATE.per_second) // askers
        began_s = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(askers):
                tasks.start_soon(ask, session, each)
        assert meeting.heard.requests == askers * each
        assert anyio.current_time() - began_s > 1.5
        assert get_score(peering, "mallory") < POINTS_MAX


async def test_who_never_stops_flooding_is_banned() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        with anyio.fail_after(60), suppress(SessionClosed):
            while True:
                await announce(session, IDS_MAX)
        assert isinstance(session.ending, PeerSaidGoodbye)
        assert session.ending.reason == b"throttled"
        assert peering.is_banned(make_key("mallory").public_key)


async def test_a_ban_lasts_for_its_time_whatever_the_host() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        # A list that is none: no honest session could send it.
        garbage = Prepared(encode([7, [[b"h"]]]), Lane.BULK)
        await session.send(garbage)
        await wait_until(lambda: peering.is_banned(make_key("mallory").public_key))
        banned_s = anyio.current_time()
        await wait_until(lambda: session.ending is not None)
        for number in range(3):
            await anyio.sleep(BAN_MS / 1_000 / 4)
            refused = await meeting.visit("mallory", f"10.0.1.{number}")
            assert isinstance(refused.ending, PeerSaidGoodbye)
            assert refused.ending.reason == b"peer-banned"
        assert not peering.get_peers()
        await meeting.visit("bob", STRANGER)
        await anyio.sleep(banned_s + BAN_MS / 1_000 - anyio.current_time() + 0.1)
        await meeting.visit("mallory", STRANGER)
        assert get_score(peering, "mallory") == POINTS_MAX


@pytest.mark.parametrize("host", [b"224.0.0.1", b"0.0.0.0", b"a.name", b"white space", b"255.255.255.255"])
async def test_a_list_of_what_no_node_can_be_costs_score_and_is_left_out(host: bytes) -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        await session.send(PeerList((make_address("10.0.0.7"), Address(host, PORT))))
        await anyio.sleep(1)
        assert POINTS_MAX // 2 < get_score(peering, "mallory") < POINTS_MAX
        await meeting.open("carol", "10.0.0.7")
        await anyio.sleep(60)
        assert not peering.is_connected(make_key("carol").public_key)


async def test_lists_are_small_whatever_a_peer_told() -> None:
    async with meet() as meeting:
        await meeting.open()
        for index in range(2 * SHARE_MAX):
            await meeting.visit(f"peer {index}", f"10.0.2.{index + 1}", listen_port=PORT)
        liar = await meeting.visit("mallory", STRANGER)
        for index in range(10):
            told = tuple(Address(b"10.1.%d.%d" % (index, last), PORT) for last in range(ADDRESSES_MAX))
            await liar.send(PeerList(told))
        lists = await read_lists(await meeting.visit("bob", "10.0.0.8"), 2 * SHARE_INTERVAL_S + 1)
        assert len(lists) == 3
        assert len({message.addresses for message in lists}) == 3
        # Only of peers that are here: nobody is sent after what one peer said.
        assert all(address.host.startswith(b"10.0.2.") for one in lists for address in one.addresses)
        assert {len(message.addresses) for message in lists} == {SHARE_MAX}


async def test_peers_are_told_only_of_what_they_can_reach() -> None:
    async with meet() as meeting:
        await meeting.open()
        for host in ("127.0.0.1", "10.0.0.3", "8.8.8.8"):
            await meeting.visit(f"peer {host}", host, listen_port=PORT)
        seen = {}
        for host in ("127.0.0.2", "10.0.0.4", "9.9.9.9"):
            (told,) = await read_lists(await meeting.visit(f"guest {host}", host), 1)
            seen[host] = {address.host for address in told.addresses}
        assert seen == {
            "127.0.0.2": {b"127.0.0.1", b"10.0.0.3", b"8.8.8.8"},
            "10.0.0.4": {b"10.0.0.3", b"8.8.8.8"},
            "9.9.9.9": {b"8.8.8.8"},
        }


async def test_word_of_nearer_networks_is_passed_over_without_blame() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        await meeting.open("carol", "10.0.0.7")
        session = await meeting.visit("mallory", "9.9.9.9")
        await session.send(PeerList((make_address("10.0.0.7"), make_address("127.0.0.1"))))
        await anyio.sleep(60)
        assert not peering.is_connected(make_key("carol").public_key)
        assert get_score(peering, "mallory") == POINTS_MAX


async def test_nodes_that_know_one_node_find_each_other() -> None:
    async with meet() as meeting:
        hosts = [f"10.0.0.{index}" for index in range(2, 6)]
        nodes = [await meeting.open(), *[await meeting.open(host, host, peers=[HERE]) for host in hosts]]
        await wait_until(lambda: all(len(node.get_peers()) == 4 for node in nodes), timeout_s=600)


@pytest.mark.parametrize(("target", "dialled"), [(0, 0), (2, 1), (16, 8)])
async def test_addresses_heard_of_are_dialled_only_below_the_target(target: int, dialled: int) -> None:
    async with meet() as meeting:
        peering = await meeting.open(target=target)
        for index in range(8):
            await meeting.open(f"other {index}", f"10.0.3.{index + 1}", target=0)
        session = await meeting.visit("alice", STRANGER)
        await session.send(PeerList(tuple(make_address(f"10.0.3.{index + 1}") for index in range(8))))
        await anyio.sleep(60)
        assert len(peering.get_peers()) == 1 + dialled


async def test_configured_peers_are_kept_even_above_the_target() -> None:
    async with meet() as meeting:
        hosts = [f"10.0.3.{index + 1}" for index in range(3)]
        peering = await meeting.open(peers=hosts, target=0)
        await anyio.sleep(30)
        for host in hosts:
            await meeting.open(host, host, target=0)
        await wait_until(lambda: len(peering.get_peers()) == len(hosts))
        await meeting.network.isolate(hosts[0])
        await wait_until(lambda: len(peering.get_peers()) == len(hosts) - 1)
        await anyio.sleep(300)
        await meeting.network.isolate()
        await wait_until(lambda: len(peering.get_peers()) == len(hosts))


async def fill(meeting: Meeting, host: str, connections: int) -> int:
    """Connections of which the node takes the first word; none says any."""
    streams = [await meeting.network.at(host).dial(make_address(HERE)) for _ in range(connections)]
    await anyio.sleep(0.1)
    taken = 0
    for stream in streams:
        with anyio.move_on_after(0.01):
            try:
                await stream.receive()
            except anyio.EndOfStream:
                continue
        taken += 1
    return taken


async def test_one_host_has_a_few_connections_and_this_machine_as_many_as_there_are_places() -> None:
    async with meet() as meeting:
        await meeting.open()
        assert await fill(meeting, STRANGER, 2 * HOST_CONNECTIONS_MAX) == HOST_CONNECTIONS_MAX
        assert await fill(meeting, "127.0.0.1", STRANGERS_MAX) == STRANGERS_MAX - HOST_CONNECTIONS_MAX


async def come_and_go(meeting: Meeting, times: int) -> None:
    for number in range(times):
        await (await meeting.visit(f"guest {number}", STRANGER)).close()


async def test_a_host_that_connects_all_the_time_has_to_wait() -> None:
    async with meet() as meeting:
        await meeting.open()
        await come_and_go(meeting, CONNECTION_RATE.burst)
        with pytest.raises(HandshakeTruncated):
            await come_and_go(meeting, CONNECTION_RATE.burst)
        await meeting.visit("bob", "10.0.0.8")
        await anyio.sleep(30)
        await come_and_go(meeting, 1)


async def test_what_was_reached_is_known_after_a_restart() -> None:
    disk = MemoryStore().disk
    async with meet() as meeting:
        store = MemoryStore(disk)
        meeting.tasks.start_soon(store.run)
        await meeting.open(peers=["10.0.0.3"], store=StoredPeers(store))
        session = await meeting.visit("bob", STRANGER)
        await session.send(PeerList((make_address("10.0.0.2"),)))
        await meeting.open("node 2", "10.0.0.2", target=0)
        await anyio.sleep(3 * SAVE_INTERVAL_S)
        store.stop()
    async with meet() as meeting:
        store = MemoryStore(disk)
        memory = StoredPeers(store).load()
        assert memory is not None
        assert [entry.address for entry in memory.heard if entry.is_tried] == [make_address("10.0.0.2")]
        await meeting.open("node 2", "10.0.0.2", target=0)
        peering = await meeting.open(store=StoredPeers(store))
        await wait_until(lambda: peering.is_connected(make_key("node 2").public_key))


@pytest.mark.parametrize(("age_s", "is_let_in"), [(0.0, False), (RACE_S, True)])
async def test_who_comes_again_takes_the_place_of_an_old_session_only(
    age_s: float, *, is_let_in: bool
) -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        first = await meeting.visit("alice", STRANGER)
        await anyio.sleep(age_s)
        with suppress(SessionClosed):
            second = await meeting.visit("alice", STRANGER)
            (peer,) = peering.get_peers()
            assert (peer.session.challenge == second.challenge) == is_let_in
        assert (first.ending is not None) == is_let_in


async def test_a_list_that_is_too_long_is_no_list_and_a_ban() -> None:
    async with meet() as meeting:
        peering = await meeting.open()
        session = await meeting.visit("mallory", STRANGER)
        told = tuple(Address(b"10.1.1.1", port + 1) for port in range(ADDRESSES_MAX + 1))
        await session.send(Prepared(prepare_message(PeerList(told)).payload, Lane.BULK))
        await wait_until(lambda: peering.is_banned(make_key("mallory").public_key))
        await wait_until(lambda: session.ending is not None)
        assert len(peering.dialler) == 0


async def test_a_flood_of_addresses_displaces_nobody_who_was_reached() -> None:
    async with meet() as meeting:
        hosts = [f"10.0.3.{index + 1}" for index in range(6)]
        for host in hosts:
            await meeting.open(host, host, target=0)
        peering = await meeting.open(target=6)
        bob = await meeting.visit("bob", STRANGER)
        await bob.send(PeerList(tuple(map(make_address, hosts))))
        await wait_until(lambda: len(peering.get_peers()) >= 6)
        tried = {entry.address for entry in peering.dialler.book.list_heard() if entry.is_tried}
        liar = await meeting.visit("mallory", "8.8.8.8")
        for index in range(200):
            lies = (Address(b"%d.%d.1.1" % (11 + index, 1 + last), PORT) for last in range(ADDRESSES_MAX))
            await liar.send(PeerList(tuple(lies)))
        await anyio.sleep(60)
        known = peering.dialler.book.list_heard()
        assert {entry.address for entry in known if entry.is_tried} == tried
        assert sum(entry.source == make_key("mallory").public_key for entry in known) <= PER_SOURCE_MAX
