"""Protocol parameters, and the presets that fix them.

Every number that two nodes must agree on and that a network may choose is a field of ``Parameters``; the
record is part of the genesis, so its hash binds the chain id. ``minimal`` makes rare paths common in tests,
``devnet`` suits four nodes on one machine, ``main`` a wide network.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tangle.core.errors import InvalidParameters
from tangle.core.staking_rules import DEVNET_STAKING, StakingRules, check_staking_rules
from tangle.core.transactions import RESULTS_MAX
from tangle.core.types import Grains, Milliseconds, Natural

SHARE_WHOLE: Final = 1_000_000
"""Shares of a fee are counted in millionths."""

RECEIPTS_MAX: Final = 8_192
"""Widest window of receipts: all of one in a single checkpoint, 59 bytes each, still travel in one message of
half a mebibyte."""


class Parameters(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What every node of one network agrees on."""

    address_prefix: bytes
    """Human-readable part of addresses: ``mst``, ``dmst`` (devnet), ``tmst`` (test)."""

    shard_bits: Natural
    """There are 2**shard_bits shards."""

    anchor_gap: Natural
    """Most checkpoints by which a transaction's anchor may exceed a parent's: a cone cannot reach back for
    ever."""

    expiry_gap: Natural
    """A transaction ordered more than this many checkpoints after its anchor has expired."""

    lazy_youngest_gap: Natural
    """A tip whose youngest reached checkpoint is further back than this is not offered to wallets."""

    lazy_oldest_gap: Natural
    """A tip whose oldest reached checkpoint is further back than this is not offered to wallets."""

    leaders_per_round: Natural
    """Ranked leader slots in every round."""

    commit_depth: Natural
    """Rounds below the last committed leader that a commit still takes blocks from (``gc_depth``)."""

    tips_per_block: Natural
    """Most tips that one committee block names."""

    attestations_per_block: Natural
    """Most checkpoint attestations that one committee block carries."""

    block_drift_ms: Milliseconds
    """A block whose timestamp is further ahead of the local clock than this waits."""

    checkpoint_interval_ms: Milliseconds
    """A commit that orders nothing still makes a checkpoint when the last is this old by commit time."""

    epoch_ms: Milliseconds
    """Length of an epoch by commit time; emission decays once an epoch."""

    price_interval_ms: Milliseconds
    """Price and difficulty move at the first checkpoint after each interval of this length."""

    price_floor: Grains
    """Lowest price per weight, and the price at genesis."""

    weight_target: Natural
    """Weight ordered in one price interval at which the price stands still (half the limit of EIP-1559)."""

    price_change_denominator: Natural
    """The price moves by at most one part in this per interval."""

    difficulty_max: Natural
    """Most evaluations that a transaction can be asked to carry; 1 at rest."""

    operation_weight: Natural
    """Weight of executing one transfer, in the units of one byte."""

    macs_per_weight: Natural
    """Multiply-accumulates of work that weigh as much as one byte."""

    burn_share: Natural
    """Part of each fee that is burned, in millionths."""

    fund_share: Natural
    """Part of each fee that goes to the sustainability fund, in millionths; the rest goes to the committee.
    """

    emission_per_generation: Grains
    """Grains paid for the counted evaluations of one generation in the first epoch."""

    emission_decay: Natural
    """``d`` of the decay per epoch: ``e <- e * (2**32 - d) >> 32``."""

    receipt_weight: Natural
    """Weight that a transfer to another shard adds: its receipt travels and is credited there."""

    receipts_window: Natural
    """Most receipts from one shard to another that are not acknowledged yet; more transfers wait."""

    staking: StakingRules
    """What stakes, candidates and elections go by."""


DEVNET: Final = Parameters(
    address_prefix=b"dmst",
    shard_bits=0,
    anchor_gap=2_000,
    expiry_gap=2_000,
    lazy_youngest_gap=64,
    lazy_oldest_gap=512,
    leaders_per_round=2,
    commit_depth=50,
    tips_per_block=256,
    attestations_per_block=32,
    block_drift_ms=Milliseconds(500),
    checkpoint_interval_ms=Milliseconds(1_000),
    epoch_ms=Milliseconds(3_600_000),
    price_interval_ms=Milliseconds(1_000),
    price_floor=Grains(10),
    weight_target=4_000_000,
    price_change_denominator=8,
    difficulty_max=4,
    operation_weight=100,
    macs_per_weight=1_024,
    burn_share=500_000,
    fund_share=100_000,
    emission_per_generation=Grains(6_400_000_000),
    emission_decay=42_950,
    receipt_weight=200,
    receipts_window=8_192,
    staking=DEVNET_STAKING,
)
"""Four nodes on one machine."""

MAIN: Final = replace(
    DEVNET,
    address_prefix=b"mst",
    shard_bits=0,
    commit_depth=60,
    checkpoint_interval_ms=Milliseconds(2_000),
    epoch_ms=Milliseconds(86_400_000),
    price_floor=Grains(100),
    weight_target=8_000_000,
    emission_decay=1_176_000,
)
"""A wide network: daily epochs, emission halves in about 2,500 of them."""

MINIMAL: Final = replace(
    DEVNET,
    address_prefix=b"tmst",
    anchor_gap=8,
    expiry_gap=8,
    lazy_youngest_gap=3,
    lazy_oldest_gap=5,
    commit_depth=10,
    tips_per_block=4,
    attestations_per_block=4,
    checkpoint_interval_ms=Milliseconds(200),
    epoch_ms=Milliseconds(2_000),
    price_interval_ms=Milliseconds(200),
    weight_target=4_000,
    receipts_window=16,
)
"""Small numbers that make rare paths common; for tests."""

PRESETS: Final = {"minimal": MINIMAL, "devnet": DEVNET, "main": MAIN}
"""Presets by the name that the command line uses."""


def check_parameters(parameters: Parameters) -> None:
    """Relations that the protocol relies on.

    :raises InvalidParameters: one of them does not hold.
    """
    prefix = parameters.address_prefix
    relations = {
        "an address prefix of lower-case letters": prefix.isalpha() and prefix.islower(),
        "there are at most 256 shards": parameters.shard_bits <= 8,
        "an anchor gap of at least 1": parameters.anchor_gap >= 1,
        "an expiry gap of at least 1": parameters.expiry_gap >= 1,
        "a lazy tip is lazy before it is unusable": parameters.lazy_oldest_gap <= parameters.anchor_gap,
        "at least one leader a round": parameters.leaders_per_round >= 1,
        "a commit reaches past one wave of three rounds": parameters.commit_depth > 3,
        "a block can name a tip": parameters.tips_per_block >= 1,
        "a block can carry an attestation": parameters.attestations_per_block >= 1,
        "a price above zero": parameters.price_floor >= 1,
        "a weight target above zero": parameters.weight_target >= 1,
        "a price that can move": parameters.price_change_denominator >= 1,
        "intervals above zero": min(
            parameters.price_interval_ms, parameters.epoch_ms, parameters.checkpoint_interval_ms
        )
        >= 1,
        "a difficulty that fits into a transaction": 1 <= parameters.difficulty_max <= RESULTS_MAX,
        "work weighs something": parameters.macs_per_weight >= 1,
        "shares of a fee within the whole": parameters.burn_share + parameters.fund_share <= SHARE_WHOLE,
        "a decay below one": parameters.emission_decay < 2**32,
        "a window of receipts that one message holds": 1 <= parameters.receipts_window <= RECEIPTS_MAX,
    }
    for relation, is_kept in relations.items():
        if not is_kept:
            raise InvalidParameters(f"{relation} is required")
    check_staking_rules(parameters.staking)


for _preset in PRESETS.values():
    check_parameters(_preset)
