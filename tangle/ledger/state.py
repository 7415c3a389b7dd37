"""The ledger's state apart from the accounts: a few numbers and a running sum over the accounts.

The shell stores it in the same write as the accounts and effects of a checkpoint. Two nodes at the same
checkpoint have the same bytes.
"""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from poi.market.limits import DEVNET_RULES, MarketRules
from poi.market.machine import make_first_head
from poi.market.records import MarketHead
from shards.checkpoints import SHARDS_MAX, SupplyTotals
from shards.epochs import LEADING_SHARD
from tangle.core.encoding import decode, encode
from tangle.core.genesis import Allocation, Genesis
from tangle.core.hashing import HASH_SIZE, STATE, compute_home_shard, compute_record_hash
from tangle.core.multiset import STATE_SIZE, MultisetHash
from tangle.core.parameters import Parameters
from tangle.core.types import (
    CheckpointIndex,
    Digest,
    Grains,
    Milliseconds,
    Natural,
    PublicKey,
    Sequence,
    Shard,
)
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, encode_account_entry
from tangle.ledger.staking.book import make_first_entries
from tangle.ledger.staking.records import compute_staking_entry

LEDGER_STATE_SIZE_MAX = 16_384
"""Longest encoded state in bytes: the running sum has 2,048, the numbers of 256 shards 6,912."""


ShardNumbers = Annotated[tuple[Natural, ...], Meta(max_length=SHARDS_MAX)]
"""A number for every shard, 0 for the own one; empty where there is one shard."""


class LedgerState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The state of one shard after a checkpoint."""

    ordered_total: Natural
    """Transactions ordered since genesis."""

    checkpoint_index: CheckpointIndex
    """The checkpoint that ended in this state; 0 is genesis."""

    previous: Digest
    """Digest of the latest checkpoint, which the next one names; zero before the first."""

    timestamp_ms: Milliseconds
    """Commit time of the latest checkpoint."""

    genesis_timestamp_ms: Milliseconds
    """When the network began; epochs count from here."""

    epoch: Natural
    """Number of the epoch of ``timestamp_ms``."""

    committee_epoch: Natural
    """Epoch of the committee that orders, and signs, the next checkpoint."""

    price: Grains
    """Grains per weight that the next checkpoint's transactions pay."""

    difficulty: Natural
    """Evaluations that transactions anchored at this checkpoint must carry."""

    window_start_ms: Milliseconds
    """Commit time at which the current price interval began."""

    window_weight: Natural
    """Weight ordered since then."""

    emission: Grains
    """Grains paid for the evaluations of one generation in this epoch."""

    supply: SupplyTotals
    """Where every grain is."""

    accounts: Annotated[bytes, Meta(min_length=STATE_SIZE, max_length=STATE_SIZE)]
    """Running sum over the live accounts and the entries of the market (``tangle.core.multiset``)."""

    market: MarketHead
    """Prices of the market, and how many jobs were opened."""

    sent: ShardNumbers
    """Number of the next receipt to every shard."""

    acknowledged: ShardNumbers
    """Receipts that every shard has said it credited; never more than were sent."""

    received: ShardNumbers
    """Number of the next receipt expected from every shard."""


def encode_ledger_state(state: LedgerState) -> bytes:
    """Canonical bytes for the store."""
    return encode(state)


def decode_ledger_state(data: bytes) -> LedgerState:
    """Read a stored state.

    :raises OversizeEncoding, MalformedEncoding: not the canonical encoding of one.
    """
    return decode(LedgerState, data, limit=LEDGER_STATE_SIZE_MAX)


def compute_state_digest(state: LedgerState) -> Digest:
    """What a checkpoint commits to: all fields but ``previous``, which would be the checkpoint's own past."""
    return compute_record_hash(STATE, replace(state, previous=Digest(bytes(HASH_SIZE))))


def compute_epoch(state: LedgerState, timestamp_ms: int, parameters: Parameters) -> int:
    """Number of the epoch of a commit time; before the latest checkpoint's no commit can be."""
    now_ms = max(state.timestamp_ms, timestamp_ms)
    return (now_ms - state.genesis_timestamp_ms) // parameters.epoch_ms


def link_checkpoint(state: LedgerState, digest: Digest) -> LedgerState:
    """The state once the digest of its checkpoint, which is computed from it, is known."""
    return replace(state, previous=digest)


def make_genesis_state(
    genesis: Genesis, shard: Shard, rules: MarketRules = DEVNET_RULES
) -> tuple[LedgerState, dict[PublicKey, Account]]:
    """The state before the first checkpoint, and the accounts that exist then.

    :param rules: those of the market.
    """
    parameters = genesis.parameters
    accounts = {
        allocation.account: account
        for allocation in genesis.allocations
        if (account := _make_account(allocation, shard, parameters.shard_bits)) is not None
    }
    live = MultisetHash()
    for key, account in accounts.items():
        if account != EMPTY_ACCOUNT:
            live.add(encode_account_entry(key, account))
    for entry in make_first_entries(genesis, shard):
        live.add(compute_staking_entry(entry))
    balances = Grains(sum(account.balance for account in accounts.values()))
    stakes = Grains(sum(account.stake for account in accounts.values()))
    none = Grains(0)
    nothing = (0,) * (1 << parameters.shard_bits) if parameters.shard_bits else ()
    state = LedgerState(
        ordered_total=0,
        checkpoint_index=CheckpointIndex(0),
        previous=Digest(bytes(HASH_SIZE)),
        timestamp_ms=genesis.timestamp_ms,
        genesis_timestamp_ms=genesis.timestamp_ms,
        epoch=0,
        committee_epoch=0,
        price=parameters.price_floor,
        difficulty=1,
        window_start_ms=genesis.timestamp_ms,
        window_weight=0,
        emission=Grains(parameters.emission_per_generation >> parameters.shard_bits),
        supply=SupplyTotals(Grains(balances + stakes), none, none, balances, stakes, none, none, 0),
        accounts=live.get_state(),
        market=make_first_head(rules, genesis.timestamp_ms),
        sent=nothing,
        acknowledged=nothing,
        received=nothing,
    )
    return state, accounts


def _make_account(allocation: Allocation, shard: Shard, shard_bits: int) -> Account | None:
    """What an allocation is in one shard: its balance at home, its stake where stakes are kept."""
    is_home = compute_home_shard(allocation.account, shard_bits) == shard
    if not is_home and (shard != LEADING_SHARD or not allocation.stake):
        return None
    balance = allocation.amount if is_home else Grains(0)
    stake = allocation.stake if shard == LEADING_SHARD else Grains(0)
    return Account(balance, Sequence(0), stake)
