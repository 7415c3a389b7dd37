"""What this machine can do at most: the figures that every other benchmark is read beside.

Signature checks on one and on two processes bound how many transactions a node can admit; decoding says how
much of that is spent before the signature is looked at. Run on a quiet machine: ``make bench``.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter
from typing import Final

from tangle.core.encoding import encode
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    decode_transaction,
    sign_transaction,
    verify_transaction_signature,
)
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)

TRANSACTIONS: Final = 2_000
"""Enough for a run of a fifth of a second at 10,000 a second."""

ROUNDS: Final = 5
"""Each figure is the best of so many runs: the one least disturbed by the rest of the machine."""

PROCESSES: Final = 2
"""Cores of the smallest machine that a node is meant for."""


def make_transactions() -> list[Transaction]:
    """Distinct signed transfers with two parents and one piece of work each."""
    key = SigningKey(bytes(32))
    work = Work(EVOLUTION_WORK, JobId(bytes(32)), 3, PublicKey(bytes(32)), (-1234,))
    transactions = []
    for number in range(TRANSACTIONS):
        tail = number.to_bytes(31, "big")
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=ChainId(bytes(8)),
            shard=Shard(0),
            issuer=key.public_key,
            sequence=Sequence(number),
            anchor=CheckpointIndex(9),
            parents=(TransactionId(b"\1" + tail), TransactionId(b"\2" + tail)),
            operation=Transfer(PublicKey(bytes(32)), Grains(10**9)),
            work=work,
            max_fee=Grains(10**7),
        )
        transactions.append(sign_transaction(body, key))
    return transactions


def verify(transactions: list[Transaction]) -> None:
    """Check every signature, alone."""
    for transaction in transactions:
        verify_transaction_signature(transaction)


def decode_and_verify(encoded: list[bytes]) -> int:
    """What a worker process does with a batch; how many it let through."""
    for data in encoded:
        verify_transaction_signature(decode_transaction(data))
    return len(encoded)


def get_best_rate(count: int, run: Callable[[], object]) -> float:
    """Items a second in the best round of ``run``, which handles ``count`` of them."""
    spans = []
    for _ in range(ROUNDS):
        start = perf_counter()
        run()
        spans.append(perf_counter() - start)
    return count / min(spans)


def main() -> None:
    """Measure and print one line for each limit."""
    transactions = make_transactions()
    encoded = [transaction.encoded for transaction in transactions]
    half = len(encoded) // PROCESSES
    parts = [encoded[:half], encoded[half:]]
    steps: dict[str, Callable[[], object]] = {
        "encode a body": lambda: [encode(transaction.body) for transaction in transactions],
        "decode a transaction": lambda: [decode_transaction(data) for data in encoded],
        "verify a signature, one process": lambda: verify(transactions),
        "decode and verify, one process": lambda: decode_and_verify(encoded),
    }
    with ProcessPoolExecutor(PROCESSES) as pool:
        list(pool.map(decode_and_verify, parts))  # start the processes outside the measurement
        steps[f"decode and verify, {PROCESSES} processes"] = lambda: list(pool.map(decode_and_verify, parts))
        print(f"{os.cpu_count()} cores, transactions of {len(encoded[0])} bytes")
        for name, run in steps.items():
            print(f"  {name:<36}{get_best_rate(TRANSACTIONS, run):>10,.0f} /s")


if __name__ == "__main__":
    main()
