"""Who orders next: the seam between the end of an epoch and whoever elects committees.

An election is a function of what every node has in common at the epoch's last checkpoint, so that all of them
come to the same committee. Nobody elects anything by default: the validators of the genesis go on.
"""

from collections.abc import Callable, Sequence

from shards.committee import Committee
from tangle.core.genesis import Validator
from tangle.core.parameters import Parameters
from tangle.ledger.state import LedgerState

Election = Callable[[LedgerState, Parameters, Committee, int], tuple[Validator, ...]]
"""Asked with the state before an epoch's last checkpoint, the network's numbers, the committee whose epoch
ends, and the epoch that begins. Answers the next validators in index order, their keys all different, and
none when the same go on."""


def keep_committee(
    _state: LedgerState, _parameters: Parameters, _committee: Committee, _epoch: int
) -> tuple[Validator, ...]:
    """The same validators go on."""
    return ()


def find_places(before: Sequence[Validator], after: Sequence[Validator]) -> dict[int, int]:
    """The new place of each validator that stays, by its old one."""
    places = {validator.public_key: place for place, validator in enumerate(after)}
    return {
        place: places[validator.public_key]
        for place, validator in enumerate(before)
        if validator.public_key in places
    }
