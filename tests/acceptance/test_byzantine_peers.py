"""Strangers that lie at the peer port of real nodes: garbage, replayed frames, floods, slow loris. Each loses
its connection or its welcome, while honest transfers go on and memory stays flat.
"""

import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from anyio.abc import ByteStream

from tangle.client.client import TangleClient
from tangle.core.encoding import encode
from tangle.core.genesis import compute_chain_id
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Shard, TransactionId
from tangle.net.addresses import parse_address
from tangle.net.handshake import Established, Handshake, Role
from tangle.net.ledger_messages import ShardStatus
from tangle.net.messages import (
    Announce,
    Blocks,
    Hello,
    Message,
    Ping,
    Transactions,
    prepare_message,
)
from tangle.net.network import TcpNetwork
from tests.acceptance.forging import forge_encodings, forge_fields, forge_signatures, make_flood, prepare_body
from tests.acceptance.load import RecordedLoad
from tests.acceptance.support import NetworkUnderTest, NodeUnderTest, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MALLORY = SigningKey(b"m" * 32)

STRANGER = SigningKey(b"s" * 32)

CUT_TIMEOUT_S = 15.0
"""For a node to hang up on somebody; its own limits are shorter."""

GROWTH_MAX_BYTES = 32 * 1024 * 1024

LORISES = 200
"""Slow connections at each port."""


class Stranger:
    """A node that shook hands properly and has no manners otherwise."""

    def __init__(self, stream: ByteStream, established: Established) -> None:
        self.stream = stream
        self._encoder = established.encoder
        self._decoder = established.decoder

    def seal(self, message: Message | bytes) -> bytes:
        """One frame with a message, or with any payload."""
        return self._encoder.encode(
            message if isinstance(message, bytes) else prepare_message(message).payload
        )

    async def send(self, *messages: Message | bytes) -> None:
        """Send frames; the node may hang up meanwhile."""
        for message in messages:
            await self.stream.send(self.seal(message))


@asynccontextmanager
async def stranger_at(
    node: NodeUnderTest, chain: ChainId, key: SigningKey = STRANGER
) -> AsyncIterator[Stranger]:
    """Dial a node and shake hands."""
    stream = await TcpNetwork().dial(parse_address(f"127.0.0.1:{node.peer_port}"))
    async with stream:
        handshake = Handshake(Role.INITIATOR, key, chain, secrets.token_bytes(32))
        answer = handshake.start()
        while True:
            if answer:
                await stream.send(answer)
            if handshake.established is not None:
                break
            answer = handshake.receive(await stream.receive())
        yield Stranger(stream, handshake.established)


async def wait_cut(stream: ByteStream) -> None:
    """Wait until the other side hangs up."""
    with anyio.fail_after(CUT_TIMEOUT_S), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            await stream.receive()


async def wait_blame(node: NodeUnderTest, *codes: str) -> None:
    """Wait until the node's log names each of these faults."""

    async def are_named() -> bool:
        log = node.read_log()
        return all(f'"{code}"' in log for code in codes)

    await wait_until(are_named, f"{codes} in the log of {node.home.name}", 30)


async def test_garbage_before_and_in_the_handshake(one_node: NetworkUnderTest) -> None:
    (node,) = one_node.nodes
    chain = compute_chain_id(one_node.genesis)
    await node.wait_ready()
    opening = Handshake(Role.INITIATOR, STRANGER, chain, secrets.token_bytes(32)).start()
    elsewhere = Handshake(Role.INITIATOR, STRANGER, ChainId(b"another!"), secrets.token_bytes(32)).start()
    for first in (
        secrets.token_bytes(1_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        elsewhere,
        opening[:8] + b"\x09" + opening[9:],
        opening[:9] + b"\x02" + opening[10:],
        opening[:-32] + bytes(32),
        opening + secrets.token_bytes(113),
    ):
        async with await TcpNetwork().dial(parse_address(f"127.0.0.1:{node.peer_port}")) as stream:
            await stream.send(first)
            await wait_cut(stream)
    await wait_blame(
        node,
        "handshake-malformed",
        "handshake-chain",
        "handshake-version",
        "handshake-role",
        "handshake-low-order",
        "handshake-unauthentic",
    )
    async with stranger_at(node, chain):  # a proper stranger is still let in
        await wait_blame(node, "peer-connected")


UNKNOWN_TAG = 1_000
"""Far above the tags in use, which grow with every kind of message."""


@pytest.mark.parametrize("trick", ["replayed", "garbage", "cut", "oversize", "unknown", "malformed"])
async def test_frames_that_break_a_session(one_node: NetworkUnderTest, trick: str) -> None:
    (node,) = one_node.nodes
    await node.wait_ready()
    codes = {
        "replayed": "frame-unauthentic",
        "garbage": "frame-unauthentic",
        "cut": "stream-truncated",
        "oversize": "frame-oversize",
        "unknown": "message-unknown",
        "malformed": "encoding-malformed",
    }
    async with stranger_at(node, compute_chain_id(one_node.genesis)) as stranger:
        match trick:
            case "replayed":
                data = stranger.seal(Ping(1)) * 2
            case "garbage":
                data = (100).to_bytes(4, "big") + secrets.token_bytes(100)
            case "cut":
                data = stranger.seal(Ping(1))[:-1]
            case "oversize":
                data = b"\x7f\xff\xff\xff"
            case "unknown":
                data = stranger.seal(encode([UNKNOWN_TAG, 0]))
            case _:
                data = stranger.seal(encode([5, b"no number"]))
        await stranger.stream.send(data)
        if trick != "cut":
            await wait_cut(stranger.stream)
    await wait_blame(node, codes[trick])


async def test_lies_in_frames_cost_the_sender_its_welcome(
    four_nodes: NetworkUnderTest, record_property: Callable[[str, object], None]
) -> None:
    """10,000 bad items come in as news from ever new identities; the sender of each is blamed and banned."""
    await four_nodes.wait_ready()
    target = four_nodes.nodes[0]
    chain = compute_chain_id(four_nodes.genesis)
    hello = Hello(1, (ShardStatus(Shard(0), 10**6, 0, 10**6),), 0, b"stranger", True)
    load = RecordedLoad(four_nodes.urls, 10, 4)
    await load.fund()
    async with TangleClient(target.url) as client, anyio.create_task_group() as tasks:
        await client.wait_transaction(await client.request_faucet(MALLORY.public_key))
        body = await prepare_body(client, MALLORY)
        tasks.start_soon(load.run)
        await load.wait_final(20)
        forged = [item for _, item in forge_encodings(body, MALLORY, four_nodes.genesis) if item]
        forged += [item for _, _, item in forge_fields(body, MALLORY)]
        forged += [item for _, item in forge_signatures(body, MALLORY)]
        for place, item in enumerate(forged):
            key = SigningKey(bytes([1, place]) * 16)
            async with stranger_at(target, chain, key) as stranger:
                with suppress(anyio.BrokenResourceError):  # it hangs up on the worst
                    await stranger.send(hello, Transactions((item,)))
        await wait_blame(target, "work-forged", "signature-invalid", "encoding-malformed", "chain-wrong")
        await wait_blame(target, "shard-wrong", "parents-duplicate", "work-job", "work-generation")
        sizes = [int((await client.get_status()).resident_bytes)]
        for flood in range(1, 41):
            items = make_flood(body, MALLORY, flood * 250, 250)
            key = SigningKey(bytes([2, flood]) * 16)
            async with stranger_at(target, chain, key) as stranger:
                with suppress(anyio.BrokenResourceError):
                    ids = tuple(TransactionId(secrets.token_bytes(32)) for _ in range(500))
                    await stranger.send(hello, Announce(ids), Blocks((secrets.token_bytes(300),)))
                    for first in range(0, len(items), 50):
                        await stranger.send(Transactions(tuple(items[first : first + 50])))
                await wait_cut(stranger.stream)
            sizes.append(int((await client.get_status()).resident_bytes))
        async with stranger_at(
            target, chain, SigningKey(bytes([2, 40]) * 16)
        ) as stranger:  # the last one is not welcome again
            await wait_cut(stranger.stream)
        record_property("resident", f"{sizes[0]:,} at first, {sizes[20]:,} half way, {sizes[-1]:,} after all")
        assert sizes[-1] - sizes[20] < GROWTH_MAX_BYTES
        await load.wait_final(20)
        tasks.cancel_scope.cancel()
    assert all(node.is_running for node in four_nodes.nodes)
    assert "peer-banned" in target.read_log()
    assert "Traceback" not in target.read_log()


async def test_slow_loris_at_both_ports(four_nodes: NetworkUnderTest) -> None:
    await four_nodes.wait_ready()
    target = four_nodes.nodes[0]
    load = RecordedLoad(four_nodes.urls, 10, 4)
    await load.fund()
    lorises = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run)
        for port, first in ((target.api_port, b"POST /v1/transactions HT"), (target.peer_port, b"TANG")):
            for _ in range(LORISES):
                loris = socket.create_connection(("127.0.0.1", port))
                lorises.append(loris)
                with suppress(OSError):
                    loris.send(first)
        await load.wait_final(50)  # wallets are served meanwhile, at this node too

        async def are_cut() -> bool:
            return all(map(is_cut, lorises))

        await wait_until(are_cut, "every slow connection to be cut", 60)
        await load.wait_final(20)
        tasks.cancel_scope.cancel()
    for loris in lorises:
        loris.close()
    async with stranger_at(target, compute_chain_id(four_nodes.genesis)):
        pass


def is_cut(loris: socket.socket) -> bool:
    """Whether the other side has hung up, perhaps after saying why."""
    loris.setblocking(False)
    try:
        while loris.recv(4_096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
