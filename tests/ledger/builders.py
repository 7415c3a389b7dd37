"""A ledger in memory: accounts in a dict, executed checkpoint by checkpoint."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from poi.market.limits import DEVNET_RULES
from poi.market.machine import Market
from poi.market.outcomes import Movement
from tangle.core.genesis import Allocation, BoardEntry, Genesis, Validator
from tangle.core.multiset import MultisetHash
from tangle.core.parameters import MINIMAL, Parameters
from tangle.core.transactions import StakingOperation, Transaction
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, encode_account_entry
from tangle.ledger.execution import Execution, ExecutionContext, execute, finish_checkpoint
from tangle.ledger.marketplace import Marketplace
from tangle.ledger.receipts import Crossing
from tangle.ledger.staking.book import make_first_entries
from tangle.ledger.staking.desk import StakingDesk
from tangle.ledger.staking.records import compute_staking_entry
from tangle.ledger.state import LedgerState, make_genesis_state
from tests.drawing.subdag import get_account

START_MS = 1_000_000
"""Genesis time of test networks."""

LEADER = "leader"
"""Who leads every commit, unless a test says otherwise."""


def make_genesis(balances: Mapping[str, int], parameters: Parameters = MINIMAL) -> Genesis:
    """A genesis with these balances."""
    return Genesis(
        version=1,
        name=b"test",
        timestamp_ms=Milliseconds(START_MS),
        parameters=parameters,
        validators=(Validator(get_account(LEADER), 1),),
        allocations=tuple(Allocation(get_account(name), Grains(amount)) for name, amount in balances.items()),
        board=(BoardEntry(1, b"job"),),
    )


class Ledger:
    """One shard's accounts and state."""

    def __init__(self, balances: Mapping[str, int], parameters: Parameters = MINIMAL) -> None:
        self.parameters = parameters
        self.state: LedgerState
        self.accounts: dict[PublicKey, Account]
        genesis = make_genesis(balances, parameters)
        self.state, self.accounts = make_genesis_state(genesis, Shard(0))
        market = Market.restore(self.state.market, (), DEVNET_RULES)
        self.marketplace = Marketplace(market, (1,))
        self.desk = StakingDesk(Shard(0), parameters, make_first_entries(genesis, Shard(0)), ())
        self.macs = 0
        self.is_work_counted = True

    def read(self, key: PublicKey) -> Account:
        """An account as of the last checkpoint."""
        return self.accounts.get(key, EMPTY_ACCOUNT)

    def get(self, name: str) -> Account:
        """The same by name."""
        return self.read(get_account(name))

    def make_context(
        self, *, after_ms: int = 0, index: int | None = None, leader: str = LEADER
    ) -> ExecutionContext:
        """The context of the next checkpoint, ``after_ms`` after the last."""
        return ExecutionContext(
            parameters=self.parameters,
            shard=Shard(0),
            checkpoint_index=CheckpointIndex(self.state.checkpoint_index + 1 if index is None else index),
            timestamp_ms=Milliseconds(self.state.timestamp_ms + after_ms),
            leader=get_account(leader),
            evaluation_macs=lambda _job: self.macs,
            is_work_counted=lambda _transaction: self.is_work_counted,
            call_market=self.call_market,
            call_staking=self.call_staking,
            crossing=Crossing(Shard(0), self.state, self.parameters),
        )

    def call_market(self, transaction: Transaction, account: Account, fee: int) -> tuple[Movement, ...]:
        """Ask the market at the time of the last checkpoint."""
        state = self.state
        moment = self.marketplace.make_moment(
            state.checkpoint_index + 1, state.timestamp_ms, 0, Digest(bytes(32))
        )
        return self.marketplace.call(transaction, account, fee, moment)

    def call_staking(
        self, transaction: Transaction, operation: StakingOperation, account: Account
    ) -> Account:
        """Ask the book of stakes in the epoch of the last checkpoint."""
        return self.desk.call(transaction.body, operation, account, self.state.epoch)

    def run(
        self,
        transactions: Iterable[Transaction],
        *,
        after_ms: int = 0,
        index: int | None = None,
        leader: str = LEADER,
        payments: Mapping[PublicKey, Grains] | None = None,
    ) -> Execution:
        """Make one checkpoint."""
        context = self.make_context(after_ms=after_ms, index=index, leader=leader)
        execution = execute(transactions, self.state, self.read, context)
        market, staking = self.marketplace.close(), self.desk.close()
        finished = finish_checkpoint(
            self.state,
            execution,
            self.read,
            context,
            payments or {},
            market,
            staking,
            context.crossing.close(),
        )
        self.state = finished.state
        self.accounts.update(finished.accounts)
        return execution

    def at_price(self, price: int) -> "Ledger":
        """Set the price, as if load had moved it there."""
        self.state = replace(self.state, price=Grains(price))
        return self

    def compute_accounts_sum(self) -> bytes:
        """The running sum over the accounts, from scratch."""
        live = MultisetHash()
        for key, account in self.accounts.items():
            if account != EMPTY_ACCOUNT:
                live.add(encode_account_entry(key, account))
        for entry in self.desk.book.list_entries():
            live.add(compute_staking_entry(entry))
        return live.get_state()
