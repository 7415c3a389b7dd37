"""The protocol once more, from ``docs/protocol.md`` alone: nothing here imports the project.

Slow, plain and partial: names, committee, proofs, state, prices and the evolution job. Section numbers are
the document's.
"""

from collections.abc import Sequence
from hashlib import blake2b, shake_128, shake_256
from math import isqrt
from typing import Any

import cbor2
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

Matrix = list[list[int]]
Vote = tuple[list[tuple[list[int], list[int]]], int]
"""Signs ``(a, b)`` of each layer, and the result."""


class Refused(Exception):
    """A check of the document does not hold."""


def encode(value: Any) -> bytes:
    """Section 1.1."""
    return bytes(cbor2.dumps(value))


def compute_hash(purpose: str, data: bytes) -> bytes:
    """Section 5.2."""
    return blake2b(data, digest_size=32, person=purpose.encode()).digest()


def hash_array(purpose: str, items: Sequence[Any]) -> bytes:
    """Section 5.2, where an array stands for the data."""
    return compute_hash(purpose, encode(list(items)))


def verify_signature(purpose: str, chain: bytes, body: bytes, signature: bytes, key: bytes) -> None:
    """Section 5.3."""
    try:
        VerifyKey(key).verify(purpose.encode() + b"\x00" + chain + body, signature)
    except (BadSignatureError, ValueError) as error:
        raise Refused("signature") from error


def compute_root(leaves: Sequence[bytes]) -> bytes:
    """Section 5.2: Merkle root, split at the largest power of two below the number of leaves."""
    if not leaves:
        return compute_hash("tangle/merkle", b"")
    if len(leaves) == 1:
        return compute_hash("tangle/merkle", b"\x00" + leaves[0])
    half = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = compute_root(leaves[:half]), compute_root(leaves[half:])
    return compute_hash("tangle/merkle", b"\x01" + left + right)


def verify_inclusion(root: bytes, leaf: bytes, proof: list[Any]) -> None:
    """Section 5.2, by walking down the shape of the tree."""
    index, size, path = proof
    if index >= size or _climb(leaf, index, size, path) != root:
        raise Refused("inclusion")


def _climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    if size == 1:
        if path:
            raise Refused("path too long")
        return compute_hash("tangle/merkle", b"\x00" + leaf)
    if not path:
        raise Refused("path too short")
    half = 1 << (size - 1).bit_length() - 1
    *below, sibling = path
    if index < half:
        return compute_hash("tangle/merkle", b"\x01" + _climb(leaf, index, half, below) + sibling)
    return compute_hash("tangle/merkle", b"\x01" + sibling + _climb(leaf, index - half, size - half, below))


def draw_leaders(weights: Sequence[int], epoch: int, shard: int, round_number: int, count: int) -> list[int]:
    """Section 5.5."""
    left = list(range(len(weights)))
    leaders = []
    for rank in range(min(count, len(weights))):
        drawn = int.from_bytes(hash_array("tangle/leader", [epoch, shard, round_number, rank]), "big")
        number = drawn % sum(weights[author] for author in left)
        for author in left:
            number -= weights[author]
            if number < 0:
                break
        left.remove(author)
        leaders.append(author)
    return leaders


def verify_certificate(
    index: int,
    digest: bytes,
    signatures: list[list[Any]],
    validators: Sequence[tuple[bytes, int]],
    chain: bytes,
    shard: int,
) -> None:
    """Section 5.13."""
    authors = [author for author, _ in signatures]
    if authors != sorted(set(authors)) or authors[-1] >= len(validators):
        raise Refused("authors")
    quorum = 2 * sum(weight for _, weight in validators) // 3 + 1
    if sum(validators[author][1] for author in authors) < quorum:
        raise Refused("quorum")
    for author, signature in signatures:
        body = encode([shard, index, digest])
        verify_signature("tangle/attest", chain, body, signature, validators[author][0])


def verify_proof(encoded: bytes, genesis_encoded: bytes) -> list[Any]:
    """Section 5.13; answers the effect."""
    genesis = cbor2.loads(genesis_encoded)
    chain = compute_hash("tangle/genesis", genesis_encoded)[:8]
    proof = cbor2.loads(encoded)
    if encode(proof) != encoded:
        raise Refused("encoding")
    version, transaction, effect_encoded, ordered, effects, checkpoint, certificate = proof
    checkpoint_version, checkpoint_chain, shard, _, committee_epoch, checkpoint_index = checkpoint[:6]
    count = checkpoint[10]
    if (version, checkpoint_version, checkpoint_chain) != (1, 1, chain):
        raise Refused("version or chain")
    index, digest, signatures = certificate
    if index != checkpoint_index or digest != hash_plain("tangle/check", checkpoint):
        raise Refused("certificate of another checkpoint")
    if committee_epoch:
        raise Refused("the genesis does not tell that committee")
    verify_certificate(index, digest, signatures, [tuple(item) for item in genesis[4]], chain, shard)
    body_encoded, signature = cbor2.loads(transaction)
    body = cbor2.loads(body_encoded)
    if encode(body) != body_encoded or body[1] != chain or body[2] != shard:
        raise Refused("transaction")
    verify_signature("tangle/tx", chain, body_encoded, signature, body[3])
    identity = compute_hash("tangle/tx", transaction)
    effect = cbor2.loads(effect_encoded)
    if ordered[:2] != effects[:2] or ordered[1] != count or effect[0] != identity:
        raise Refused("places")
    verify_inclusion(checkpoint[11], identity, ordered)
    verify_inclusion(checkpoint[12], effect_encoded, effects)
    return list(effect)


def verify_certified(
    checkpoint: list[Any], certificate: list[Any], validators: Sequence[tuple[bytes, int]], chain: bytes
) -> None:
    """Section 5.18: the checkpoint of some shard, and its quorum."""
    version, checkpoint_chain, shard, _, _, index = checkpoint[:6]
    if (version, checkpoint_chain) != (1, chain):
        raise Refused("version or chain")
    if certificate[:2] != [index, hash_plain("tangle/check", checkpoint)]:
        raise Refused("certificate of another checkpoint")
    verify_certificate(index, certificate[1], certificate[2], validators, chain, shard)


def verify_bundle(
    encoded: bytes, validators: Sequence[tuple[bytes, int]], chain: bytes, target: int, shard_bits: int
) -> tuple[bytes, list[Any]]:
    """Sections 4.11 and 5.18; answers the id and the receipts."""
    bundle = cbor2.loads(encoded)
    if encode(bundle) != encoded:
        raise Refused("encoding")
    checkpoint, certificate, first, receipts, path = bundle
    source, index = checkpoint[2], checkpoint[5]
    if source == target or source >= 2**shard_bits:
        raise Refused("source")
    verify_certified(checkpoint, certificate, validators, chain)
    for sequence, receipt in enumerate(receipts, first):
        if receipt[:3] != [source, target, sequence]:
            raise Refused("numbers")
    batch = [target, first, len(receipts), compute_root([encode(receipt) for receipt in receipts])]
    verify_inclusion(checkpoint[13], encode(batch), [target, 2**shard_bits, path])
    identity = hash_array("tangle/bundle", [source, index, hash_plain("tangle/check", checkpoint), target])
    return identity, receipts


def verify_receipt_proof(
    encoded: bytes, validators: Sequence[tuple[bytes, int]], chain: bytes, shard_bits: int
) -> list[Any]:
    """Sections 4.11 and 5.18; answers the receipt."""
    version, receipt, place, batch, path, sent, delivered = cbor2.loads(encoded)
    source, target, sequence = receipt[:3]
    if version != 1 or sent[0][2] != source or batch[0] != target:
        raise Refused("version or shards")
    verify_certified(sent[0], sent[1], validators, chain)
    verify_inclusion(sent[0][13], encode(batch), [target, 2**shard_bits, path])
    if place[:2] != [sequence - batch[1], batch[2]]:
        raise Refused("place")
    verify_inclusion(batch[3], encode(receipt), place)
    for arrived in delivered:
        verify_certified(arrived[0], arrived[1], validators, chain)
        if arrived[0][2] != target or arrived[0][14][source] <= sequence:
            raise Refused("not received")
    return list(receipt)


def hash_plain(purpose: str, value: Any) -> bytes:
    """Hash of the encoding of a decoded record."""
    return compute_hash(purpose, encode(value))


def compute_account_sum(entries: Sequence[bytes]) -> bytes:
    """Section 5.12: LtHash16."""
    lanes = [0] * 1_024
    for entry in entries:
        expanded = shake_128(b"tangle/state\x00" + entry).digest(2_048)
        for place in range(1_024):
            added = int.from_bytes(expanded[2 * place : 2 * place + 2], "little")
            lanes[place] = (lanes[place] + added) % 65_536
    return b"".join(lane.to_bytes(2, "little") for lane in lanes)


def compute_genesis_checkpoint_digest(encoded: bytes, models: Sequence[tuple[bytes, bytes, int]]) -> bytes:
    """Sections 4.5, 4.9, 5.12; ``models`` are job, digest of the initial weights, and score."""
    genesis = cbor2.loads(encoded)
    chain = compute_hash("tangle/genesis", encoded)[:8]
    timestamp_ms, parameters, allocations = genesis[2], genesis[3], genesis[5]
    price, emission = parameters[14], parameters[22]
    entries = [
        key + amount.to_bytes(8, "big") + bytes(8) + stake.to_bytes(8, "big")
        for key, amount, stake in allocations
        if amount or stake
    ]
    for key, _ in sorted(genesis[4]):
        entries.append(hash_array("tangle/staking", [b"entry", 1, [key, key, 0, 0, 0, 0, 0, 0]]))
    balances, stakes = (sum(allocation[place] for allocation in allocations) for place in (1, 2))
    supply = [balances + stakes, 0, 0, balances, stakes, 0, 0, 0]
    accounts = compute_account_sum(entries)
    zeros = bytes(32)
    state = [
        0,
        0,
        zeros,
        timestamp_ms,
        timestamp_ms,
        0,
        0,
        price,
        1,
        timestamp_ms,
        0,
        emission,
        supply,
        accounts,
        [0, [[1_000, timestamp_ms, 0]] * 4],
        [],
        [],
        [],
    ]
    root = compute_root([])
    leader = [0, 0, zeros]
    head = [1, chain, 0, 0, 0, 0, zeros, leader, timestamp_ms, 0, 0, root, root, root, []]
    listed = [
        [job, 0, digest, score, entry[0]]
        for entry, (job, digest, score) in zip(genesis[6], models, strict=True)
    ]
    tail = [hash_array("tangle/state", [state]), zeros, price, 1, supply, listed, []]
    return hash_plain("tangle/check", head + tail)


class Market:
    """Section 5.9."""

    def __init__(self, parameters: dict[str, int], figures: Sequence[int]) -> None:
        self._parameters = parameters
        self._price, self._difficulty, self._start_ms, self._weight = figures

    def get_figures(self) -> list[int]:
        return [self._price, self._difficulty, self._start_ms, self._weight]

    def move(self, weight: int, timestamp_ms: int) -> None:
        rules = self._parameters
        self._weight += weight
        passed = max(timestamp_ms - self._start_ms, 0) // rules["price_interval_ms"]
        if not passed:
            return
        average, target = self._weight // passed, rules["weight_target"]
        for _ in range(min(passed, 64)):
            step = self._price * min(abs(average - target), target) // target
            step //= rules["price_change_denominator"]
            if average > target:
                self._price += max(1, step)
            elif average < target:
                self._price -= step
            self._price = min(max(self._price, rules["price_floor"]), 10**10)
            self._difficulty += (average > 2 * target) - (average <= target)
            self._difficulty = min(max(self._difficulty, 1), rules["difficulty_max"])
        self._start_ms += passed * rules["price_interval_ms"]
        self._weight = 0


def list_shapes(job: list[Any]) -> list[tuple[int, int]]:
    """Widths of each layer."""
    return list(zip(job[0][:-1], job[0][1:], strict=True))


def compute_initial_weights(job: list[Any], identity: bytes) -> list[Matrix]:
    """Section 5.11."""
    shapes = list_shapes(job)
    stream = iter(shake_256(hash_array("tangle/init", [identity])).digest(sum(a * b for a, b in shapes)))
    return [
        [[(next(stream) % 32 - 16) << job[2] for _ in range(columns)] for _ in range(rows)]
        for rows, columns in shapes
    ]


def compute_weights_digest(job: list[Any], identity: bytes, generation: int, weights: list[Matrix]) -> bytes:
    """Section 5.11."""
    flat = (value for matrix in weights for row in matrix for value in row)
    data = b"".join(value.to_bytes(4, "little", signed=True) for value in flat)
    return hash_array("tangle/weights", [identity, generation, job[0], data])


def compute_batch(job: list[Any], identity: bytes, generation: int, training_rows: int) -> list[int]:
    """Section 5.11."""
    stream = shake_256(hash_array("tangle/batch", [identity, generation])).digest(4 * job[6])
    return [int.from_bytes(stream[4 * j : 4 * j + 4], "little") % training_rows for j in range(job[6])]


def draw_signs(job: list[Any], seed: bytes, evaluations: int) -> list[list[tuple[list[int], list[int]]]]:
    """Section 5.11: for each evaluation, ``(a, b)`` of each layer."""
    shapes = list_shapes(job)
    bits = sum(rows + columns for rows, columns in shapes)
    size = -(-bits // 8)
    stream = shake_256(seed).digest(size * evaluations)
    drawn = []
    for evaluation in range(evaluations):
        part = stream[evaluation * size : (evaluation + 1) * size]
        signs = iter([2 * (part[bit // 8] >> bit % 8 & 1) - 1 for bit in range(bits)])
        drawn.append([([next(signs) for _ in range(a)], [next(signs) for _ in range(b)]) for a, b in shapes])
    return drawn


def fold(job: list[Any], weights: list[Matrix], votes: Sequence[Vote]) -> list[Matrix]:
    """Section 5.11: the weights of the next generation."""
    factor = job[4] * isqrt((job[5] << 16) // len(votes))
    limit = 127 << job[2]
    folded = []
    for layer, matrix in enumerate(weights):
        signed = [(signs[layer], (result > 0) - (result < 0)) for signs, result in votes]
        folded.append(
            [
                [
                    min(
                        max(value + (factor * sum(s * a[i] * b[j] for (a, b), s in signed) >> 8), -limit),
                        limit,
                    )
                    for j, value in enumerate(row)
                ]
                for i, row in enumerate(matrix)
            ]
        )
    return folded
