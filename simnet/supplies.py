"""The grains of all shards together: what was issued and not burned is in one of them, once.

Each shard's books are checked by themselves; that no shard begins with what another one has, and that nothing
moves from one to the other on its own, shows in their sum only.
"""

from collections.abc import Callable

from shards.checkpoints import SupplyTotals
from simnet.verdicts import Finding, Invariant, Violated


class SupplyChecker:
    """Adds up the latest checkpoint of every shard."""

    def __init__(
        self,
        allocated: int,
        shards: int,
        report: Callable[[Finding], None],
        count_flying: Callable[[], int] | None = None,
    ) -> None:
        """:param allocated: grains that the genesis gives to all accounts.
        :param report: told when they do not add up.
        :param count_flying: grains of all receipts that were sent and not credited.
        """
        self._count_flying = count_flying
        self._allocated = allocated
        self._shards = shards
        self._report = report
        self._latest: dict[int, SupplyTotals] = {}

    def on_supply(self, shard: int, supply: SupplyTotals) -> None:
        """A shard has a new checkpoint; nothing is said before each has one."""
        self._latest[shard] = supply
        if len(self._latest) < self._shards:
            return
        every = self._latest.values()
        issued = self._allocated + sum(each.emitted - each.burned + each.inflow for each in every)
        held = sum(each.balances + each.stakes + each.escrow + each.fund for each in every)
        if held != issued:
            detail = f"all shards together hold {held} grains, genesis + emitted - burned is {issued}"
            self._report(Violated(Invariant.SUPPLY, f"shard {shard}", detail))
        flying = -sum(each.inflow for each in every)
        counted = flying if self._count_flying is None else self._count_flying()
        if flying != counted:
            detail = f"{flying} grains left shards and arrived in none, receipts on their way hold {counted}"
            self._report(Violated(Invariant.SUPPLY, f"shard {shard}", detail))
