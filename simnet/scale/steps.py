"""The steps that a transaction takes through a node, on the real code, ready to be timed one by one.

What a step needs is made outside of the time: a ``prepare_...`` answers the function that is to be timed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from aivm.backends.protocol import Backend
from shards.blocks import BlockReference
from shards.commits import CommitRecord
from simnet.scale.samples import SHARD, Sample
from tangle.core.genesis import compute_shard_genesis_id
from tangle.core.hashing import HASH_SIZE
from tangle.core.transactions import (
    Transaction,
    check_transaction,
    decode_transaction,
    verify_transaction_signature,
)
from tangle.core.types import Digest, Milliseconds
from tangle.ledger.accounts import EMPTY_ACCOUNT
from tangle.ledger.board import start_board
from tangle.ledger.machine import CheckpointOutcome, ShardMachine
from tangle.ledger.state import make_genesis_state
from tangle.ledger.subdag import SubDag
from tangle.net.frames import FrameDecoder, FrameEncoder, open_cipher
from tangle.net.messages import Announce, Transactions, decode_message, prepare_message

MESSAGE_ITEMS: Final = 32
"""Transactions in one message to a peer: what gathers in a few milliseconds of a busy network."""


def decode_all(sample: Sample) -> None:
    """Decode every transaction and check what needs no context."""
    for transaction in sample.transactions:
        check_transaction(decode_transaction(transaction.encoded), sample.chain, 0)


def verify_all(transactions: Sequence[Transaction]) -> None:
    """Check every signature."""
    for transaction in transactions:
        verify_transaction_signature(transaction)


def prepare_attaching(sample: Sample) -> Callable[[], SubDag]:
    """Put all into an empty sub-DAG."""
    origin = compute_shard_genesis_id(sample.chain, SHARD)
    subdag = SubDag(sample.genesis.parameters, origin)

    def attach_all() -> SubDag:
        for transaction in sample.transactions:
            subdag.process_transaction(transaction)
        return subdag

    return attach_all


def prepare_ordering(sample: Sample) -> Callable[[], None]:
    """Order everything that is attached, by its tips."""
    subdag = prepare_attaching(sample)()

    def order_all() -> None:
        for tip in subdag.select_tips(len(sample.transactions), 1):
            subdag.order_cone(tip)

    return order_all


def make_machine(sample: Sample, backend: Backend) -> ShardMachine:
    """A ledger at its genesis."""
    state, accounts = make_genesis_state(sample.genesis, SHARD)
    board, _ = start_board(sample.genesis, backend)
    return ShardMachine(
        genesis=sample.genesis,
        chain=sample.chain,
        shard=SHARD,
        state=state,
        board=board,
        backend=backend,
        read_account=lambda key: accounts.get(key, EMPTY_ACCOUNT),
        list_accounts=lambda: iter(accounts.items()),
    )


def execute(machine: ShardMachine, transactions: Sequence[Transaction]) -> CheckpointOutcome:
    """Execute them as the first commit."""
    leader = BlockReference(1, 0, Digest(bytes(HASH_SIZE)))
    record = CommitRecord(1, Digest(bytes(HASH_SIZE)), Milliseconds(1_001), leader, (leader,))
    return machine.process_commit(record, transactions)


def prepare_sending(sample: Sample) -> Callable[[], None]:
    """Seal and open the bytes of every transaction once, and one announcement of it."""
    encoder = FrameEncoder(open_cipher(bytes(32), bytes(24)))
    decoder = FrameDecoder(open_cipher(bytes(32), bytes(24)))
    messages = [
        (
            Transactions(tuple(transaction.encoded for transaction in batch)),
            Announce(tuple(transaction.id for transaction in batch)),
        )
        for batch in _split(sample.transactions)
    ]

    def send_all() -> None:
        for pair in messages:
            for message in pair:
                for payload in decoder.decode(encoder.encode(prepare_message(message).payload)):
                    decode_message(payload)

    return send_all


def _split(transactions: Sequence[Transaction]) -> Iterator[Sequence[Transaction]]:
    for start in range(0, len(transactions), MESSAGE_ITEMS):
        yield transactions[start : start + MESSAGE_ITEMS]
