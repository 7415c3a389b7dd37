"""Transactions that a node must refuse, each made from an honest one by one change."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from tangle.client.client import TangleClient
from tangle.client.sending import make_transaction, read_work
from tangle.core.encoding import encode
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.hashing import TRANSACTION
from tangle.core.signing import SigningKey
from tangle.core.transactions import SignedEnvelope, TransactionBody, Transfer, Work, sign_transaction
from tangle.core.types import ChainId, Grains, JobId, PublicKey, Shard, Signature, TransactionId

GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""Order of ed25519's main subgroup (RFC 8032 section 5.1)."""

LOW_ORDER_KEYS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
)
"""Points of small order, with which a signature of zeros verifies under careless implementations."""

RECIPIENT: Final = PublicKey(SigningKey(b"r" * 32).public_key)


async def prepare_body(client: TangleClient, key: SigningKey, amount: int = 1) -> TransactionBody:
    """An honest transaction's body, with its work done by the node."""
    prepared = await client.prepare(key.public_key, work=True)
    assert prepared.work is not None
    operation = Transfer(RECIPIENT, Grains(amount))
    return make_transaction(prepared, operation, read_work(prepared.work), key).body


def sign(body: TransactionBody, key: SigningKey) -> bytes:
    """The encoded transaction of an honest signer."""
    return sign_transaction(body, key).encoded


def sign_bytes(body: bytes, key: SigningKey, chain: ChainId) -> bytes:
    """A transaction whose body is any bytes, honestly signed."""
    return encode(SignedEnvelope(body, key.sign(TRANSACTION, chain, body)))


def forge_encodings(body: TransactionBody, key: SigningKey, genesis: Genesis) -> Iterator[tuple[str, bytes]]:
    """Other encodings of an honest transaction, and bytes that are none; all ``encoding-malformed``."""
    chain, honest = compute_chain_id(genesis), encode(body)
    head, rest = honest[:1], honest[2:]
    assert honest[:2] == b"\x8a\x01", "an array of ten that begins with version 1"
    yield "a longer integer", sign_bytes(head + b"\x18\x01" + rest, key, chain)
    yield "a float", sign_bytes(head + b"\xf9\x3c\x00" + rest, key, chain)
    yield "a bignum", sign_bytes(head + b"\xc2\x41\x01" + rest, key, chain)
    yield "a boolean", sign_bytes(head + b"\xf5" + rest, key, chain)
    yield "an indefinite array", sign_bytes(b"\x9f" + honest[1:] + b"\xff", key, chain)
    yield "a tagged body", sign_bytes(b"\xd9\xd9\xf7" + honest, key, chain)
    yield "a trailing byte in the body", sign_bytes(honest + b"\x00", key, chain)
    yield "a missing byte", sign_bytes(honest[:-1], key, chain)
    yield "a map", sign_bytes(b"\xa1\x00" + honest, key, chain)
    yield "deep nesting", sign_bytes(b"\x81" * 2_000 + b"\x00", key, chain)
    yield "a huge array head", sign_bytes(b"\x9b" + b"\x7f" * 8, key, chain)
    yield "an eleventh field", sign_bytes(b"\x8b" + honest[1:] + b"\x00", key, chain)
    encoded = sign(body, key)
    yield "a trailing byte", encoded + b"\x00"
    yield "an envelope of three", b"\x83" + encoded[1:] + b"\x00"
    yield "a body in pieces", b"\x82\x5f" + encoded[1:2] + encoded[2:]
    yield "nothing", b""
    yield "text", b"GET / HTTP/1.1\r\n\r\n"
    yield "nine parents", sign(replace(body, parents=tuple(_make_parents(9))), key)
    yield "no parents", sign(replace(body, parents=()), key)
    yield "a short key", sign_bytes(encode(replace(body, max_fee=Grains(0)))[:-1], key, chain)
    yield "seventeen results", sign(_with_work(body, results=(0,) * 17), key)


def forge_fields(body: TransactionBody, key: SigningKey) -> Iterator[tuple[str, str, bytes]]:
    """An honest transaction with one field changed: what, the code that refuses it, the bytes."""
    work = body.work
    results = work.results
    yield "another chain", "chain-wrong", sign(replace(body, chain=ChainId(b"another!")), key)
    yield "another shard", "shard-wrong", sign(replace(body, shard=Shard(1)), key)
    yield "a future version", "version-unsupported", sign(replace(body, version=2), key)
    yield "a parent twice", "parents-duplicate", sign(replace(body, parents=body.parents[:1] * 2), key)
    yield "another kind of work", "transaction-invalid", sign(_with_work(body, kind=2), key)
    nothing = Transfer(RECIPIENT, Grains(0))
    yield "nothing moved", "transaction-invalid", sign(replace(body, operation=nothing), key)
    yield "a d one too high", "work-forged", sign(_with_work(body, results=(results[0] + 1,)), key)
    yield "a d one too low", "work-forged", sign(_with_work(body, results=(results[0] - 1,)), key)
    yield "a d of the wrong sign", "work-forged", sign(_with_work(body, results=(-results[0] or 1,)), key)
    yield "the largest d", "work-forged", sign(_with_work(body, results=(2**63 - 1,)), key)
    yield "the d of the next number", "work-forged", sign(replace(body, sequence=body.sequence + 1), key)
    future = _with_work(body, generation=work.generation + 1)
    yield "a generation to come", "work-generation", sign(future, key)
    yield "another job", "work-job", sign(_with_work(body, job=JobId(b"j" * 32)), key)
    yield "too many evaluations", "work-difficulty", sign(_with_work(body, results=results * 2), key)
    yield "an anchor far ahead", "anchor-ahead", sign(replace(body, anchor=body.anchor + 1_000_000), key)


def forge_signatures(body: TransactionBody, key: SigningKey) -> Iterator[tuple[str, bytes]]:
    """Signatures that are not the issuer's over these bytes; all ``signature-invalid``."""
    honest = sign_transaction(body, key)
    signature = bytes(honest.signature)
    yield "a changed bit", _seal(honest.body_encoded, bytes([signature[0] ^ 1]) + signature[1:])
    yield "zeros", _seal(honest.body_encoded, bytes(64))
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    yield "a second form", _seal(honest.body_encoded, signature[:32] + scalar.to_bytes(32, "little"))
    other = SigningKey(b"o" * 32)
    stranger = other.sign(TRANSACTION, body.chain, honest.body_encoded)
    yield "somebody else's", _seal(honest.body_encoded, stranger)
    purpose = key.sign(b"tangle/block", body.chain, honest.body_encoded)
    yield "for another purpose", _seal(honest.body_encoded, purpose)
    chain = key.sign(TRANSACTION, ChainId(b"another!"), honest.body_encoded)
    yield "for another chain", _seal(honest.body_encoded, chain)
    for low in LOW_ORDER_KEYS:
        issuer = encode(replace(body, issuer=PublicKey(low)))
        yield f"low order {low.hex()[:8]} and zeros", _seal(issuer, bytes(64))
        yield f"low order {low.hex()[:8]} and itself", _seal(issuer, low + bytes(32))


def make_flood(body: TransactionBody, key: SigningKey, first: int, count: int) -> list[bytes]:
    """``count`` different transactions, numbered from ``first``, each bad in one of seven ways."""
    makers: list[Callable[[int], bytes]] = [
        lambda n: b"\xff" + n.to_bytes(8, "big") * 30,
        lambda n: sign(replace(body, max_fee=Grains(n)), key)[:-1],
        lambda n: sign(replace(body, max_fee=Grains(n), shard=Shard(1)), key),
        lambda n: sign(_with_work(body, results=(2**40 + n,)), key),
        lambda n: sign(_with_work(replace(body, max_fee=Grains(n)), job=JobId(b"j" * 32)), key),
        lambda n: _seal(encode(replace(body, max_fee=Grains(n))), bytes(64)),
        lambda n: sign(replace(body, max_fee=Grains(n), anchor=body.anchor + 1_000_000), key),
    ]
    return [makers[number % len(makers)](number) for number in range(first, first + count)]


def _seal(body: bytes, signature: bytes) -> bytes:
    return encode(SignedEnvelope(body, Signature(signature)))


def _with_work(body: TransactionBody, **changes: Any) -> TransactionBody:
    work: Work = replace(body.work, **changes)
    return replace(body, work=work)


def _make_parents(count: int) -> Iterator[TransactionId]:
    for number in range(count):
        yield TransactionId(bytes([number]) * 32)
