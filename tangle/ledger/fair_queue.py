"""A queue that many share fairly: who floods it waits behind itself, and loses its own when there is no room.

Items belong to flows (a peer, a host, an issuer), and each flow has a weight. Flows of like weight, within a
factor of two, form a stratum; within it deficit round robin (Shreedhar and Varghese, SIGCOMM 1995) serves
them by bytes, each with a quantum by its weight. Between the strata goes start-time fair queueing (Goyal, Vin
and Cheng, SIGCOMM 1996), each stratum as heavy as its waiting flows together; there are at most
``WEIGHT_MAX.bit_length()`` of them. So a heavy flow need not wait until ten thousand light ones had a turn,
and every operation takes constant time. Strata to that end are those of stratified round robin (Ramabhadran
and Pasquale, SIGCOMM 2003).

When the queue is full, the newest item goes of a flow that holds most for its weight, which may be the one
that came last (IOTA's scheduler drops by the same measure).
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from msgspec import Struct, field

WEIGHT_MAX: Final = 2**20
"""Heaviest flow: a million times the lightest is more than any policy here tells apart."""

SERVICE_UNIT: Final = 2**30
"""Fractional part of a stratum's clock, so that integers tell apart what a byte of the heaviest costs."""

LOAD_BITS: Final = 20
"""Fractional bits of a flow's load, bytes for each unit of weight."""

Flow = TypeVar("Flow", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class FairLimits(Struct, frozen=True):
    """How much a fair queue holds."""

    items_max: int
    """Most items."""

    bytes_max: int
    """Most bytes."""

    flow_items_max: int
    """Most items of one flow."""

    flow_bytes_max: int
    """Most bytes of one flow."""

    size_max: int
    """Largest item in bytes; a flow's turn is at least as much, so that every turn serves something."""


class _Line(Struct, Generic[Flow, Key, Item], eq=False):
    """One flow while it has something waiting."""

    flow: Flow
    weight: int
    items: OrderedDict[Key, tuple[Item, int]] = field(default_factory=OrderedDict)
    size: int = 0
    """Bytes that wait."""

    deficit: int = 0
    """Bytes that it may still send in this turn."""

    is_served: bool = False
    """Whether its turn has begun."""

    load: int = 0
    """Binary logarithm of the bytes that wait for each unit of weight, scaled."""


class _Stratum(Struct, Generic[Flow, Key, Item], eq=False):
    """Flows of like weight."""

    lines: OrderedDict[Flow, _Line[Flow, Key, Item]] = field(default_factory=OrderedDict)
    """In the order of their turns."""

    weight: int = 0
    """Of all of them."""

    start: int = 0
    """Virtual time at which its next item may be served."""


class FairQueue(Generic[Flow, Key, Item]):
    """Items by flow, each under a key of its own."""

    def __init__(self, limits: FairLimits) -> None:
        self.limits = limits
        self._lines: dict[Flow, _Line[Flow, Key, Item]] = {}
        self._places: dict[Key, Flow] = {}
        self._strata: list[_Stratum[Flow, Key, Item]] = [_Stratum() for _ in range(WEIGHT_MAX.bit_length())]
        self._loads: dict[int, OrderedDict[Flow, None]] = {}
        self._now = 0
        self.bytes = 0
        """Bytes that wait."""

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    @property
    def flows(self) -> int:
        """Flows with something waiting."""
        return len(self._lines)

    def count(self, flow: Flow) -> int:
        """Items of one flow."""
        line = self._lines.get(flow)
        return 0 if line is None else len(line.items)

    def push(self, flow: Flow, key: Key, item: Item, size: int, weight: int) -> list[Item]:
        """Add an item; answers what must go for it, which may be itself.

        :param key: of no item that waits.
        :param size: in bytes, at most ``size_max``.
        :param weight: 1 to ``WEIGHT_MAX``; that of a flow holds until nothing of it waits.
        """
        limits = self.limits
        line = self._lines.get(flow)
        if line is None:
            line = self._open(flow, weight)
        if len(line.items) >= limits.flow_items_max or line.size + size > limits.flow_bytes_max:
            return [item]
        line.items[key] = (item, size)
        self._places[key] = flow
        self._resize(line, size)
        gone: list[Item] = []
        while len(self._places) > limits.items_max or self.bytes > limits.bytes_max:
            victim = self._lines[next(iter(self._loads[max(self._loads)]))]
            newest, (left_out, its_size) = victim.items.popitem()
            self._take_off(victim, newest, its_size)
            gone.append(left_out)
        return gone

    def pop(self) -> Item:
        """The item whose turn it is. There must be one."""
        stratum = min((each for each in self._strata if each.lines), key=lambda each: each.start)
        self._now = stratum.start
        line = next(iter(stratum.lines.values()))
        if not line.is_served:
            line.deficit += self._compute_quantum(line.weight)
            line.is_served = True
        key, (item, size) = line.items.popitem(last=False)
        line.deficit -= size
        stratum.start += size * SERVICE_UNIT // stratum.weight
        self._take_off(line, key, size)
        if line.items and next(iter(line.items.values()))[1] > line.deficit:
            line.is_served = False
            stratum.lines.move_to_end(line.flow)
        return item

    def remove(self, key: Key) -> Item | None:
        """Take one item out of its turn; none when it does not wait."""
        flow = self._places.get(key)
        if flow is None:
            return None
        line = self._lines[flow]
        item, size = line.items.pop(key)
        self._take_off(line, key, size)
        return item

    def _open(self, flow: Flow, weight: int) -> _Line[Flow, Key, Item]:
        line = self._lines[flow] = _Line(flow, min(max(weight, 1), WEIGHT_MAX))
        stratum = self._get_stratum(line)
        if not stratum.lines:
            stratum.start = max(stratum.start, self._now)
        stratum.lines[flow] = line
        stratum.weight += line.weight
        self._loads.setdefault(0, OrderedDict())[flow] = None
        return line

    def _take_off(self, line: _Line[Flow, Key, Item], key: Key, size: int) -> None:
        """Book an item that left its line."""
        del self._places[key]
        self._resize(line, -size)
        if not line.items:
            # What is left of a turn is lost: who comes back begins like everybody.
            stratum = self._get_stratum(line)
            stratum.weight -= line.weight
            del stratum.lines[line.flow], self._lines[line.flow]
            self._leave_load(line)

    def _resize(self, line: _Line[Flow, Key, Item], size: int) -> None:
        self.bytes += size
        line.size += size
        load = ((line.size << LOAD_BITS) // line.weight).bit_length()
        if load != line.load:
            self._leave_load(line)
            line.load = load
            self._loads.setdefault(load, OrderedDict())[line.flow] = None

    def _leave_load(self, line: _Line[Flow, Key, Item]) -> None:
        alike = self._loads[line.load]
        del alike[line.flow]
        if not alike:
            del self._loads[line.load]

    def _get_stratum(self, line: _Line[Flow, Key, Item]) -> _Stratum[Flow, Key, Item]:
        return self._strata[line.weight.bit_length() - 1]

    def _compute_quantum(self, weight: int) -> int:
        """Bytes of one turn: from ``size_max`` for the lightest of a stratum to twice that."""
        return self.limits.size_max * weight >> (weight.bit_length() - 1)
