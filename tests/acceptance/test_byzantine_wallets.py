"""Wallets that lie, through the API of real nodes: each lie is refused by its own name, or becomes a conflict
with its reason, while honest transfers go on and memory stays flat.
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.client.sending import read_work
from tangle.core.parameters import DEVNET
from tangle.core.signing import SigningKey
from tangle.core.transactions import TransactionBody, Transfer
from tangle.core.types import CheckpointIndex, Grains, TransactionId
from tangle.core.types import Sequence as SequenceNumber
from tests.acceptance.forging import (
    RECIPIENT,
    forge_encodings,
    forge_fields,
    forge_signatures,
    make_flood,
    prepare_body,
    sign,
)
from tests.acceptance.load import RecordedLoad
from tests.acceptance.support import NetworkUnderTest, found_devnet, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MALLORY = SigningKey(b"m" * 32)

SHORT_MEMORY = replace(DEVNET, anchor_gap=40, expiry_gap=60, lazy_youngest_gap=20, lazy_oldest_gap=30)
"""A network on which parents and anchors grow too old within a test."""

FLOOD = 10_000
"""Bad items of one flood."""

GROWTH_MAX_BYTES = 32 * 1024 * 1024
"""What two more floods may add to a node's memory: remembered refusals, and the allocator's mood."""


async def submit_one(client: TangleClient, item: bytes) -> str:
    """The code by which a single transaction is refused."""
    with pytest.raises(ApiProblem) as caught:
        await client.submit(item)
    return caught.value.code


async def submit_all(client: TangleClient, items: Sequence[bytes]) -> list[str | None]:
    """The codes by which the items of a batch are refused."""
    return [answer.code for answer in await client.submit_batch(items)]


async def get_resident_bytes(client: TangleClient) -> int:
    return int((await client.get_status()).resident_bytes)


async def submit_flood(client: TangleClient, body: TransactionBody, number: int) -> None:
    for first in range(0, FLOOD, 1_000):
        items = make_flood(body, MALLORY, number * FLOOD + first, 1_000)
        assert None not in await submit_all(client, items)


async def fund(client: TangleClient, key: SigningKey) -> None:
    await client.wait_transaction(await client.request_faucet(key.public_key))


async def test_every_lie_has_its_name_and_memory_stays_flat(
    four_nodes: NetworkUnderTest, record_property: Callable[[str, object], None]
) -> None:
    await four_nodes.wait_ready()
    load = RecordedLoad(four_nodes.urls, 10, 4)
    await load.fund()
    async with TangleClient(four_nodes.urls[0]) as client, anyio.create_task_group() as tasks:
        await fund(client, MALLORY)
        tasks.start_soon(load.run)
        body = await prepare_body(client, MALLORY)
        fields = {name: (code, item) for name, code, item in forge_fields(body, MALLORY)}
        signatures = dict(forge_signatures(body, MALLORY))
        malformed = dict(forge_encodings(body, MALLORY, four_nodes.genesis))
        malformed |= {f"random {number}": secrets.token_bytes(number * 40) for number in range(1, 60)}
        for _ in range(2):  # what was refused before is refused by the same name
            codes = await submit_all(client, list(malformed.values()))
            found = dict(zip(malformed, codes, strict=True))
            assert {name: code for name, code in found.items() if code != "encoding-malformed"} == {}
            codes = await submit_all(client, list(signatures.values()))
            assert dict.fromkeys(signatures, "signature-invalid") == dict(zip(signatures, codes, strict=True))
            codes = await submit_all(client, [item for _, item in fields.values()])
            expected = {name: code for name, (code, _) in fields.items()}
            assert expected == dict(zip(fields, codes, strict=True))
        for code, item in fields.values():
            assert await submit_one(client, item) == code
        assert await submit_one(client, secrets.token_bytes(4_097)) == "encoding-oversize"
        assert await submit_one(client, secrets.token_bytes(20_000)) == "body-oversize"
        with pytest.raises(ApiProblem) as caught:
            await client.submit_batch([b"x"] * 1_001)
        assert caught.value.code == "batch-oversize"

        await load.wait_final(20)
        await submit_flood(client, body, 1)  # warms up: pages, queues, the list of refusals
        before = await get_resident_bytes(client)
        await submit_flood(client, body, 2)
        await submit_flood(client, body, 3)
        growth = await get_resident_bytes(client) - before
        record_property("resident after a flood", f"{before:,} bytes; two floods more add {growth:,}")
        assert growth < GROWTH_MAX_BYTES
        await load.wait_final(20)
        tasks.cancel_scope.cancel()
    assert all(node.is_running for node in four_nodes.nodes)
    assert all("Traceback" not in node.read_log() for node in four_nodes.nodes)


async def test_conflicts_have_their_reason(four_nodes: NetworkUnderTest) -> None:
    await four_nodes.wait_ready()
    async with TangleClient(four_nodes.urls[0]) as client, TangleClient(four_nodes.urls[1]) as other:

        async def settle(item: bytes) -> tuple[str, str | None, int | None]:
            submitted = await client.submit(item)
            answer = await client.wait_transaction(submitted.id)
            return str(answer.status), answer.reason_code, answer.fee

        await fund(client, MALLORY)
        spent = await prepare_body(client, MALLORY)
        twice = replace(spent, operation=Transfer(MALLORY.public_key, Grains(2)))
        first, second = await client.submit(sign(spent, MALLORY)), await other.submit(sign(twice, MALLORY))
        outcomes = [await client.wait_transaction(answer.id) for answer in (first, second)]
        assert {(str(answer.status), answer.reason_code) for answer in outcomes} == {
            ("checkpointed", None),
            ("conflicting", "sequence"),
        }
        for answer in outcomes:  # both nodes agree on which one it was
            elsewhere = await other.wait_transaction(answer.id)
            assert (elsewhere.status, elsewhere.fee) == (answer.status, answer.fee)

        gap = await client.prepare(MALLORY.public_key, work=True, sequence=spent.sequence + 5)
        base = await prepare_body(client, MALLORY)
        assert gap.work is not None
        jumped = replace(
            base,
            sequence=SequenceNumber(int(gap.sequence)),
            anchor=CheckpointIndex(int(gap.anchor)),
            work=read_work(gap.work),
        )
        assert await settle(sign(jumped, MALLORY)) == ("conflicting", "sequence", 0)
        overspent = await prepare_body(client, MALLORY, amount=10**12)
        assert await settle(sign(overspent, MALLORY)) == ("conflicting", "funds", 0)
        everything = await prepare_body(client, MALLORY, amount=2**63 - 1)
        assert await settle(sign(everything, MALLORY)) == ("conflicting", "funds", 0)
        stingy = replace(await prepare_body(client, MALLORY), max_fee=Grains(0))
        assert await settle(sign(stingy, MALLORY)) == ("conflicting", "fee", 0)
        penniless = SigningKey(b"p" * 32)
        assert await settle(sign(await prepare_body(client, penniless), penniless)) == (
            "conflicting",
            "funds",
            0,
        )
        # None of this did her any harm: her next number is still good.
        assert (await settle(sign(await prepare_body(client, MALLORY), MALLORY)))[0] == "checkpointed"


async def test_parents_and_anchors_that_are_missing_newer_or_too_old(tmp_path: Path) -> None:
    network = found_devnet(tmp_path / "net", 1, parameters=SHORT_MEMORY)
    alice, bob = SigningKey(b"a" * 32), SigningKey(b"b" * 32)
    with running(network):
        await network.wait_ready()
        async with TangleClient(network.urls[0]) as client:
            for key in (alice, bob, MALLORY):
                await fund(client, key)
            early = await prepare_body(client, MALLORY)
            orphan = sign(replace(early, parents=(TransactionId(b"?" * 32),)), MALLORY)
            answer = await client.submit(orphan)
            assert answer.status == "waiting"

            async def is_later() -> bool:
                return int((await client.get_status()).checkpoint_certified) > early.anchor

            await wait_until(is_later, "the next checkpoint")
            newer = await client.send(alice, Transfer(RECIPIENT, Grains(1)))
            assert newer.anchor > early.anchor
            older = sign(replace(early, parents=(TransactionId(bytes(newer.id)),)), MALLORY)
            assert await submit_one(client, older) == "parent-newer"

            old = newer
            while int((await client.get_status()).checkpoint_certified) <= old.anchor + 75:
                await client.send(bob, Transfer(RECIPIENT, Grains(1)))
            late = await prepare_body(client, MALLORY)
            ancient = sign(replace(late, parents=(TransactionId(bytes(old.id)),)), MALLORY)
            assert await submit_one(client, ancient) == "parent-ancient"
            expired = sign(replace(late, anchor=early.anchor), MALLORY)
            assert await submit_one(client, expired) == "expired"

            async def is_given_up() -> bool:
                return (await client.get_transaction(answer.id)).status == "expired"

            await wait_until(is_given_up, "the orphan to be given up", 120)
            assert "parents-missing" in network.nodes[0].read_log()
            assert int((await client.get_status()).waiting) == 0
