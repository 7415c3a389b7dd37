"""How the network of a simulation is founded: its numbers, who is there at first, and who is elected."""

from typing import Final

from msgspec.structs import replace

from poi.presets import DIGITS
from shards.committee import Committee
from simnet.chance import make_key
from simnet.clock import START_MS
from simnet.homes import make_forger_key, make_staker_key, make_trader_key, make_wallet_key
from simnet.options import SimulationOptions
from tangle.core.encoding import encode
from tangle.core.genesis import Allocation, BoardEntry, Genesis, Validator
from tangle.core.parameters import DEVNET, Parameters
from tangle.core.types import Grains, Milliseconds, PublicKey
from tangle.ledger.election import Election
from tangle.ledger.state import LedgerState
from tangle.node.founding import found_network

PARAMETERS: Final[Parameters] = replace(
    DEVNET,
    address_prefix=b"smst",
    commit_depth=20,
    tips_per_block=16,
    attestations_per_block=8,
    checkpoint_interval_ms=Milliseconds(500),
    price_interval_ms=Milliseconds(500),
    staking=replace(DEVNET.staking, jail_epochs=2),
)
"""A devnet in which rare paths are common: shallow commits, small blocks, and jails that whoever signed twice
leaves to do it again; a plan says how long epochs are."""

TIGHT: Final[Parameters] = replace(
    PARAMETERS, anchor_gap=40, expiry_gap=40, lazy_youngest_gap=8, lazy_oldest_gap=32
)
"""The same, with transactions that expire after some seconds."""

JOB: Final = replace(DIGITS, population=6, generation_interval_ms=Milliseconds(500))
"""Handwritten digits, in generations of a few transactions."""

RICHES: Final = Grains(10**15)
"""What each wallet holds from the start."""

FOUNDER_STAKE: Final = Grains(100 * PARAMETERS.staking.stake_min)
"""What each validator of a genesis with stakes has at stake: a candidate's least is little beside it."""


def make_genesis(options: SimulationOptions) -> Genesis:
    """The network of these options: equal validators, rich wallets, the digits."""
    founders = range(options.founders or options.nodes)
    keys = [make_validator_key(options, node) for node in (options.seats or (founders,))[0]]
    parameters = replace(
        TIGHT if options.is_tight else PARAMETERS,
        shard_bits=options.shard_bits,
        epoch_ms=Milliseconds(options.epoch_ms),
    )
    genesis = found_network("simnet", parameters, keys, None, START_MS)
    wallets = [make_wallet_key(options, index).public_key for index in range(options.wallets)]
    wallets += [
        make_trader_key(options, index, shard).public_key
        for shard in range(options.shards)
        for index in range(options.traders)
    ]
    wallets += [
        make_forger_key(options, adversary.node, shard).public_key
        for adversary in options.adversaries
        for shard in range(options.shards)
    ]
    wallets += [make_staker_key(options, index).public_key for index in range(count_stakers(options))]
    allocations = tuple(Allocation(key, RICHES) for key in wallets)
    if options.is_staked:
        allocations += tuple(Allocation(key, Grains(0), FOUNDER_STAKE) for key in keys)
    return replace(genesis, allocations=allocations, board=(BoardEntry(1, encode(JOB)),))


def count_stakers(options: SimulationOptions) -> int:
    """Accounts that stake: the operators of nodes that are not of the first committee, then the others."""
    return options.stakers + (options.nodes - options.founders if options.founders else 0)


def make_validator_key(options: SimulationOptions, node: int) -> PublicKey:
    """The key with which a node validates, if it does."""
    return make_key(options.seed, "validator", options.find_validator(node)).public_key


def make_election(options: SimulationOptions) -> Election:
    """Gives the seats of each epoch to whom the options name; those named last stay."""

    def elect(
        _state: LedgerState, _parameters: Parameters, committee: Committee, epoch: int
    ) -> tuple[Validator, ...]:
        seats = options.seats[min(epoch, len(options.seats) - 1)]
        return tuple(Validator(make_validator_key(options, node), 1) for node in seats)

    return elect
