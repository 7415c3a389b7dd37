"""Any course of payments, checkpoints and bundles between shards: no grain is lost, none comes twice.

Bundles arrive in any order, again, with gaps before them; forged ones never pass the check. After every step
the books of all shards, the receipts on their way and what wallets hold are compared with a model.
"""

from collections import Counter
from itertools import permutations
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shards.bundles import Bundle, decode_bundle, encode_bundle, verify_bundle
from shards.checkpoints import check_supply
from shards.receipts import Receipt
from tangle.core.errors import TangleError
from tangle.core.hashing import compute_home_shard
from tangle.core.parameters import MINIMAL
from tangle.core.transactions import Transaction
from tangle.core.types import ChainId, Grains, Shard
from tangle.ledger.effects import Status
from tests.drawing.subdag import CHAIN, get_account
from tests.ledger.crossing import COMMITTEE, RICH, OneShard, Shards, certify, find_names

WINDOW: Final = 4

Name = tuple[int, int, int]
"""Source, target and number of a receipt."""

FORGERIES: Final = (
    "another target",
    "another chain",
    "uncertified",
    "too few signatures",
    "another certificate",
    "more",
    "fewer",
    "another account",
    "another amount",
    "another number",
    "another path",
)


class Model:
    """Shards, what happens between them, and what must be true of it."""

    def __init__(self, shard_bits: int) -> None:
        self.bits = shard_bits
        self.count = 1 << shard_bits
        self.world = Shards(shard_bits, replace(MINIMAL, receipts_window=WINDOW))
        self.names = [name for shard in range(self.count) for name in find_names(shard, shard_bits)]
        self.waiting: dict[int, list[Transaction]] = {shard: [] for shard in range(self.count)}
        self.sent: dict[Name, Receipt] = {}
        self.credited: dict[Name, Receipt] = {}
        self.seen: Counter[str] = Counter()

    def pay(self, issuer: int, recipient: int, times: int) -> None:
        """Some payments wait for the issuer's shard."""
        source, target = (self.names[number % len(self.names)] for number in (issuer, recipient))
        home = compute_home_shard(get_account(source), self.bits)
        self.waiting[home] += [self.world.pay(source, target, 1_000 + recipient) for _ in range(times)]

    def execute(self, shard: int, way: int) -> None:
        """A shard executes what waits, with bundles chosen in one of the ways."""
        here = self.world.every[shard % self.count]
        bundles = self.choose_bundles(here, way)
        for bundle in bundles:
            verify_bundle(decode_bundle(encode_bundle(bundle)), COMMITTEE, CHAIN, here.shard, self.bits)
        before = here.machine.state
        outcome = here.run(self.waiting[here.shard], bundles)
        self.waiting[here.shard] = []
        for name in find_names(here.shard, self.bits):
            self.world.sequences[name] = here.read(get_account(name)).sequence
        for target, receipts in outcome.crossing.outgoing.items():
            for receipt in receipts:
                name_out = (here.shard, target, receipt.sequence)
                assert name_out not in self.sent
                self.sent[name_out] = receipt
        for receipt in outcome.crossing.credited:
            name_in = (receipt.source, here.shard, receipt.sequence)
            assert name_in not in self.credited, "a receipt is credited once"
            assert self.sent[name_in] == receipt
            self.credited[name_in] = receipt
        for bundle, ordered in zip(bundles, outcome.crossing.bundles, strict=True):
            is_new = bundle.first_sequence >= before.received[bundle.checkpoint.shard]
            kind = "credited" if ordered.credited else "early" if is_new else "replayed"
            self.seen[kind if bundle.receipts else "empty"] += 1
            self.seen["acknowledged"] += ordered.has_acknowledged
        for effect in outcome.effects:
            if effect.status is Status.CONGESTED:
                self.seen["congested"] += 1
                assert effect.figures[1] == WINDOW
        after = outcome.state.acknowledged
        assert all(old <= new for old, new in zip(before.acknowledged, after, strict=True))
        check_supply(outcome.checkpoint.supply)

    def choose_bundles(self, here: OneShard, way: int) -> list[Bundle]:
        """Bundles of other shards: all in order, the newest, backwards, the oldest, one that leaves a gap."""
        others = [each for each in self.world.every if each is not here and each.history]
        every = [each.bundle(index + 1, here.shard) for each in others for index in range(len(each.history))]
        filled = [bundle for bundle in every if bundle.receipts]
        match way % 6:
            case 0:
                return []
            case 1:
                return filled
            case 2:
                return [each.bundle(len(each.history), here.shard) for each in others]
            case 3:
                return filled[-4:][::-1] * 2
            case 4:
                return every[:4]
            case _:
                return filled[-1:]

    def forge(self, place: int, target: int) -> None:
        """Whoever changes a bundle is refused."""
        target %= self.count
        sources = [each for each in self.world.every if each.shard != target and each.history]
        every = [each.bundle(index + 1, target) for each in sources for index in range(len(each.history))]
        candidates = [each for each in every if each.receipts] or every
        if not candidates:
            return
        bundle = candidates[place % len(candidates)]
        for forgery in FORGERIES:
            forged = forge(bundle, forgery, target, self.count)
            if forged is None:
                continue
            self.seen[forgery] += 1
            with pytest.raises(TangleError):
                verify_bundle(
                    decode_bundle(encode_bundle(forged)), COMMITTEE, CHAIN, Shard(target), self.bits
                )

    def check(self) -> None:
        """The books of all shards, what is on its way, and the window."""
        in_flight = sum(receipt.amount for name, receipt in self.sent.items() if name not in self.credited)
        assert self.world.count_in_flight() == in_flight
        held = sum(account.balance for each in self.world.every for account in each.accounts.values())
        supplies = [each.machine.state.supply for each in self.world.every]
        gone = sum(supply.burned + supply.fund for supply in supplies)
        assert held + gone + in_flight == RICH * len(self.names)
        for source, target in permutations(self.world.every, 2):
            sent = source.machine.state.sent[target.shard]
            acknowledged = source.machine.state.acknowledged[target.shard]
            received = target.machine.state.received[source.shard]
            pair = (source.shard, target.shard)
            assert acknowledged <= received <= sent <= acknowledged + WINDOW
            assert sent == sum(name[:2] == pair for name in self.sent)
            numbers = sorted(name[2] for name in self.credited if name[:2] == pair)
            assert numbers == list(range(received)), "credited in order and without gaps"


COURSES: Final = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
    min_size=30,
    max_size=60,
)
"""Steps: what kind of step, and three numbers that say which."""


def test_no_grain_is_lost_or_comes_twice() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=50, deadline=None)
    @given(st.sampled_from((0, 1, 1, 2, 2)), COURSES)
    def run(shard_bits: int, course: list[tuple[int, int, int, int]]) -> None:
        model = Model(shard_bits)
        for kind, first, second, third in course:
            if kind < 4:
                model.pay(first, second, 1 + third % WINDOW)
            elif kind < 9:
                model.execute(first, third)
            elif shard_bits:
                model.forge(first, second)
            model.check()
        seen.update(model.seen)

    run()
    # A model that nothing happens to proves nothing.
    wanted = {"credited", "early", "replayed", "empty", "acknowledged", "congested", *FORGERIES}
    assert {kind for kind in wanted if seen[kind]} == wanted


def forge(bundle: Bundle, forgery: str, target: int, shards: int) -> Bundle | None:
    """The bundle with one thing wrong; none where there is nothing to get wrong."""
    receipts, checkpoint = bundle.receipts, bundle.checkpoint
    match forgery:
        case "another target":
            other = next((n for n in range(shards) if n not in (target, checkpoint.shard)), checkpoint.shard)
            moved = tuple(replace(receipt, target=Shard(other)) for receipt in receipts)
            return replace(bundle, receipts=moved) if moved else None
        case "another chain":
            other_chain = replace(checkpoint, chain=ChainId(b"another!"))
            return replace(bundle, checkpoint=other_chain, certificate=certify(other_chain))
        case "uncertified":
            return replace(bundle, checkpoint=replace(checkpoint, price=Grains(checkpoint.price + 1)))
        case "too few signatures":
            return replace(bundle, certificate=certify(checkpoint, (0, 1)))
        case "another certificate":
            return replace(bundle, certificate=certify(replace(checkpoint, price=Grains(7))))
        case "more":
            extra = Receipt(
                checkpoint.shard,
                Shard(target),
                bundle.first_sequence + len(receipts),
                get_account("x"),
                Grains(1),
            )
            return replace(bundle, receipts=(*receipts, extra))
        case "fewer":
            return replace(bundle, receipts=receipts[:-1]) if receipts else None
        case "another account":
            return _change_last(bundle, account=get_account("thief"))
        case "another amount":
            return _change_last(bundle, amount=Grains(10**6 + 1))
        case "another number":
            later = tuple(replace(receipt, sequence=receipt.sequence + 1) for receipt in receipts)
            return replace(bundle, first_sequence=bundle.first_sequence + 1, receipts=later)
        case "another path":
            return replace(bundle, path=bundle.path[::-1] if shards > 2 else bundle.path[1:])
        case _:
            raise AssertionError(forgery)


def _change_last(bundle: Bundle, **fields: object) -> Bundle | None:
    if not bundle.receipts:
        return None
    *others, last = bundle.receipts
    return replace(bundle, receipts=(*others, replace(last, **fields)))
