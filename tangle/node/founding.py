"""Founding a network: the genesis of a devnet, and of anything else that a preset and a few keys describe."""

from collections.abc import Sequence
from typing import Final

from poi.presets import DIGITS
from tangle.core.encoding import encode
from tangle.core.genesis import GENESIS_VERSION, Allocation, BoardEntry, Genesis, Validator
from tangle.core.parameters import Parameters
from tangle.core.types import GRAINS_PER_TOKEN, Grains, Milliseconds, PublicKey

FAUCET_SUPPLY: Final = Grains(1_000_000_000 * GRAINS_PER_TOKEN)
"""What a devnet's faucet starts with: a billion MST."""

VALIDATOR_SUPPLY: Final = Grains(1_000 * GRAINS_PER_TOKEN)
"""What each validator of a devnet starts with: bonds for its work and its challenges, and fees."""

VALIDATOR_STAKE: Final = Grains(10_000 * GRAINS_PER_TOKEN)
"""What each validator of a devnet has at stake from the start: ten times what a candidate needs."""

FAUCET_PORTION: Final = Grains(100 * GRAINS_PER_TOKEN)
"""What the faucet gives at a time."""


def found_network(
    name: str,
    parameters: Parameters,
    validators: Sequence[PublicKey],
    faucet: PublicKey | None,
    timestamp_ms: int,
    *,
    further_faucets: Sequence[PublicKey] = (),
) -> Genesis:
    """A genesis with equal validators, and handwritten digits as the standing job.

    :param faucet: where there is one, it has its supply, and validators have a stake and can put up bonds
        from the start; nobody has anything otherwise, and the first committee goes on until others stake.
    :param further_faucets: accounts that share its supply, so that the faucet has one in every shard.
    """
    allocations: tuple[Allocation, ...] = ()
    if faucet is not None:
        faucets = (faucet, *further_faucets)
        portion = Grains(FAUCET_SUPPLY // len(faucets))
        funded = tuple(
            Allocation(key, VALIDATOR_SUPPLY, VALIDATOR_STAKE) for key in validators if key not in faucets
        )
        allocations = (*(Allocation(key, portion) for key in faucets), *funded)
    return Genesis(
        version=GENESIS_VERSION,
        name=name.encode("ascii"),
        timestamp_ms=Milliseconds(timestamp_ms),
        parameters=parameters,
        validators=tuple(Validator(key, 1) for key in validators),
        allocations=allocations,
        board=(BoardEntry(1, encode(DIGITS)),),
    )
