"""Shards side by side in memory: a pure machine for each, and bundles that a test carries between them."""

from collections.abc import Sequence
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.presets import DIGITS
from shards.blocks import BlockReference
from shards.bundles import Bundle, make_bundle
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest, sign_attestation
from shards.commits import CommitRecord
from shards.committee import Committee
from tangle.core.encoding import encode
from tangle.core.genesis import Allocation, BoardEntry, Genesis, Validator
from tangle.core.hashing import compute_home_shard
from tangle.core.parameters import MINIMAL, Parameters
from tangle.core.transactions import Transaction
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account
from tangle.ledger.board import start_board
from tangle.ledger.machine import CheckpointOutcome, ShardMachine, make_genesis_checkpoint
from tangle.ledger.state import link_checkpoint, make_genesis_state
from tests.drawing.blocks import make_keys
from tests.drawing.subdag import CHAIN, GENESIS_ID, get_account, make_transaction

START_MS = 1_000_000
RICH = 10**12
BACKEND = NumpyBackend()
KEYS = make_keys(4)
COMMITTEE = Committee(0, tuple(Validator(key.public_key, 1) for key in KEYS))

WALLETS_PER_SHARD = 2
"""Funded accounts of every shard."""


@cache
def find_names(shard: int, shard_bits: int) -> tuple[str, ...]:
    """Words whose accounts live in a shard."""
    words = (f"wallet {number}" for number in range(10_000))
    homes = (word for word in words if compute_home_shard(get_account(word), shard_bits) == shard)
    return tuple(next(homes) for _ in range(WALLETS_PER_SHARD))


class Executed(Struct, frozen=True):
    """A checkpoint of a shard and what it sent."""

    outcome: CheckpointOutcome
    certificate: Certificate


class OneShard:
    """A machine with its accounts and its history."""

    def __init__(self, genesis: Genesis, shard: int) -> None:
        self.shard = Shard(shard)
        state, self.accounts = make_genesis_state(genesis, self.shard)
        board, _ = start_board(genesis, BACKEND)
        first = make_genesis_checkpoint(CHAIN, self.shard, state, board)
        self.history: list[Executed] = []
        self.machine = ShardMachine(
            genesis=genesis,
            chain=CHAIN,
            shard=self.shard,
            state=link_checkpoint(state, compute_checkpoint_digest(first)),
            board=board,
            backend=BACKEND,
            read_account=self.read,
            list_accounts=lambda: sorted(self.accounts.items()),
            committee=COMMITTEE,
        )

    def read(self, key: PublicKey) -> Account:
        """An account as of the last checkpoint."""
        return self.accounts.get(key, EMPTY_ACCOUNT)

    def run(
        self,
        transactions: Sequence[Transaction] = (),
        bundles: Sequence[Bundle] = (),
        *,
        at_ms: int = 0,
        author: int = 0,
    ) -> CheckpointOutcome:
        """Make the next checkpoint."""
        number = self.machine.state.checkpoint_index + 1
        leader = BlockReference(number, author, Digest(bytes(32)))
        time_ms = Milliseconds(START_MS + at_ms)
        commit = CommitRecord(number, Digest(bytes(32)), time_ms, leader, (leader,))
        assert self.machine.is_checkpoint_due(commit, len(transactions), 0, len(bundles)) or at_ms == 0
        outcome = self.machine.process_commit(commit, transactions, (), bundles)
        self.accounts.update(outcome.accounts)
        self.history.append(Executed(outcome, certify(outcome.checkpoint)))
        return outcome

    def bundle(self, index: int, target: int) -> Bundle:
        """What checkpoint ``index`` brings to ``target``."""
        executed = self.history[index - 1]
        crossing = executed.outcome.crossing
        receipts = crossing.outgoing.get(Shard(target), ())
        return make_bundle(
            executed.outcome.checkpoint, executed.certificate, crossing.batches, receipts, Shard(target)
        )


class Shards:
    """All shards of one network."""

    def __init__(self, shard_bits: int, parameters: Parameters = MINIMAL) -> None:
        self.shard_bits = shard_bits
        names = [name for shard in range(1 << shard_bits) for name in find_names(shard, shard_bits)]
        self.genesis = Genesis(
            version=1,
            name=b"test",
            timestamp_ms=Milliseconds(START_MS),
            parameters=replace(parameters, shard_bits=shard_bits),
            validators=COMMITTEE.validators,
            allocations=tuple(Allocation(get_account(name), Grains(RICH)) for name in names),
            board=(BoardEntry(1, encode(DIGITS)),),
        )
        self.every = tuple(OneShard(self.genesis, shard) for shard in range(1 << shard_bits))
        self.sequences = dict.fromkeys(names, 0)

    def pay(self, issuer: str, recipient: str, amount: int = 5) -> Transaction:
        """The next payment of ``issuer``; a conflict gives its number back with ``take_back``."""
        home = self.every[compute_home_shard(get_account(issuer), self.shard_bits)]
        sequence = self.sequences[issuer]
        self.sequences[issuer] += 1
        return make_transaction(
            [GENESIS_ID],
            name=f"{issuer} {sequence} {home.machine.state.checkpoint_index}",
            issuer=issuer,
            sequence=sequence,
            recipient=recipient,
            amount=amount,
            anchor=home.machine.state.checkpoint_index,
        )

    def count_in_flight(self) -> int:
        """Grains between shards, as the books say."""
        return -sum(each.machine.state.supply.inflow for each in self.every)


def certify(checkpoint: Checkpoint, authors: Sequence[int] = (0, 1, 3)) -> Certificate:
    """Signatures of some validators under a checkpoint."""
    digest = compute_checkpoint_digest(checkpoint)
    return Certificate(
        checkpoint.index,
        digest,
        tuple(
            AuthorSignature(
                author,
                sign_attestation(
                    digest, checkpoint.index, checkpoint.shard, KEYS[author], checkpoint.chain
                ).signature,
            )
            for author in authors
        ),
    )
