"""Planted bugs: each is put into otherwise real nodes, and the simulation must name it."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import pytest
from msgspec.structs import replace

from shards.events import SubDagCommitted
from simnet.faults import Crash
from simnet.run import Report, run_simulation
from simnet.verdicts import Diverged, Invariant, NoProgress, Violated
from simnet.world import Member, World
from tangle.core.transactions import Transaction
from tangle.core.types import Grains, JobId, PublicKey, TransactionId
from tangle.ledger.accounts import Account
from tangle.node.node import Node
from tangle.node.views import TransactionStatus
from tangle.store.guard_file import MemoryGuard
from tangle.store.memory_store import Disk
from tangle.store.store import Table, WriteBatch
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

ONE_DOWN = (Crash(3.0, 4.0, (1,)),)
"""A node is killed and started again."""

ONE_DISK_LOST = (Crash(3.0, 4.0, (1,), is_disk_lost=True),)
"""A node starts again from an empty disk."""


def plant(bug: Callable[[Node], None], *nodes: int) -> Callable[[World], None]:
    """Put ``bug`` into these nodes at every start."""

    def prepare(world: World) -> None:
        for index in nodes:
            world.members[index].on_opened = bug

    return prepare


def run_planted(prepare: Callable[[World], None], faults: tuple[Crash, ...] = ()) -> Report:
    return run_simulation(make_options(faults=faults), prepare=prepare)


def assert_violated(report: Report, invariant: Invariant, node: str | None = None) -> Violated:
    verdict = report.verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is invariant, verdict
    assert node is None or verdict.node == node
    return verdict


def test_without_a_bug_these_simulations_pass() -> None:
    report = run_simulation(
        make_options(faults=(*ONE_DOWN, replace(ONE_DISK_LOST[0], at_s=4.5, until_s=5.0)))
    )
    assert report.verdict.__class__.__name__ == "Pass", report.verdict
    assert report.starts == 6
    assert report.accepted > 20
    assert report.ordered >= report.accepted - report.refused
    assert report.generation > 2


def test_a_store_that_forgets_its_last_committed_batch() -> None:
    def forget(member: Member) -> None:
        events = member.disk[Table.EVENTS]
        if events.keys:
            events.delete(events.keys[-1])

    def prepare(world: World) -> None:
        member = world.members[1]
        start = member.start

        def start_forgetful(tasks: object) -> None:
            forget(member)
            start(tasks)  # type: ignore[arg-type]  # handed on as it came

        member.start = start_forgetful  # type: ignore[method-assign]  # the planted bug

    assert_violated(run_planted(prepare, ONE_DOWN), Invariant.FINALITY, "node1")


def test_an_execution_that_adds_a_grain_to_an_account() -> None:
    def add_grain(node: Node) -> None:
        put_accounts = node.archive.put_accounts

        def put_more(batch: WriteBatch, accounts: dict[PublicKey, Account]) -> None:
            more = {key: replace(each, balance=Grains(each.balance + 1)) for key, each in accounts.items()}
            put_accounts(batch, more)

        node.archive.put_accounts = put_more  # type: ignore[method-assign]  # the planted bug

    assert_violated(run_planted(plant(add_grain, 2)), Invariant.SUPPLY, "node2")


def test_a_node_that_comes_to_another_price() -> None:
    def raise_price(node: Node) -> None:
        machine = node.executor.machine
        machine.state = replace(machine.state, price=Grains(machine.state.price + 1))

    verdict = run_planted(plant(raise_price, 3)).verdict
    assert isinstance(verdict, Diverged)
    assert verdict.index == 1
    assert "node3" in verdict.nodes


def test_a_validator_that_neither_keeps_its_guard_nor_asks_its_peers() -> None:
    class SkippedGuard(MemoryGuard):
        async def save(self, record: bytes) -> None:
            if not self.record:
                await super().save(record)

    def prepare(world: World) -> None:
        member = world.members[1]
        member.guard = SkippedGuard()
        member.on_opened = lambda node: node.driver.allow_proposing()

    assert_violated(run_planted(prepare, ONE_DISK_LOST), Invariant.SINGLE_SIGNING)


def test_a_key_that_two_nodes_sign_with() -> None:
    def prepare(world: World) -> None:
        world.members[3].validator_key = world.members[0].validator_key

    assert_violated(run_planted(prepare), Invariant.SINGLE_SIGNING)


def test_every_node_orders_a_transaction_twice() -> None:
    def order_twice(node: Node) -> None:
        order_cone, seen = node.subdag.order_cone, list[Transaction]()

        def order_again(tip: TransactionId) -> Sequence[Transaction]:
            ordered = order_cone(tip)
            again = seen[:1] if len(seen) < 5 <= len(seen) + len(ordered) else []
            seen.extend(ordered)
            return [*ordered, *again]

        node.subdag.order_cone = order_again  # type: ignore[method-assign,assignment]  # the planted bug

    assert_violated(run_planted(plant(order_twice, 0, 1, 2, 3)), Invariant.AT_MOST_ONCE)


def test_a_node_that_forgets_what_it_accepted() -> None:
    def skip_some(node: Node) -> None:
        put_transactions = node.archive.put_transactions

        def put_fewer(batch: WriteBatch, transactions: Sequence[Transaction]) -> None:
            put_transactions(batch, [each for each in transactions if each.id[0] % 4])

        node.archive.put_transactions = put_fewer  # type: ignore[method-assign]  # the planted bug

    verdict = assert_violated(run_planted(plant(skip_some, 2)), Invariant.NODE_SOUND, "node2")
    assert "AssertionError" in verdict.detail


def test_a_disk_that_loses_what_it_said_is_synced() -> None:
    def prepare(world: World) -> None:
        member, (crash,) = world.members[1], ONE_DOWN
        kept: list[Disk] = []
        world.timeline.add(crash.at_s - 0.4, lambda: kept.append(deepcopy(member.disk)))
        world.timeline.add(crash.until_s - 0.1, lambda: setattr(member, "disk", kept[0]))

    assert_violated(run_planted(prepare, ONE_DOWN), Invariant.FINALITY, "node1")


def expire_soon(node: Node) -> None:
    machine = node.executor.machine
    machine._parameters = replace(machine._parameters, expiry_gap=1)


def forget_weight_of_work(node: Node) -> None:
    def weigh_nothing(_: JobId) -> int:
        return 0

    setattr(node.executor.machine, "get_evaluation_macs", weigh_nothing)  # noqa: B010  # the planted bug


def reverse_commits(node: Node) -> None:
    def add(commit: SubDagCommitted) -> None:
        node.executor.add(replace(commit, blocks=commit.blocks[::-1]))

    node.driver._hooks = replace(node.driver._hooks, on_committed=add)


def drop_a_commit(node: Node) -> None:
    dropped: list[SubDagCommitted] = []

    def add(commit: SubDagCommitted) -> None:
        if dropped or not any(block.body.tips for block in commit.blocks):
            node.executor.add(commit)
        else:
            dropped.append(commit)

    node.driver._hooks = replace(node.driver._hooks, on_committed=add)


@pytest.mark.parametrize("bug", [expire_soon, forget_weight_of_work, reverse_commits, drop_a_commit])
def test_a_node_that_executes_otherwise_than_the_others(bug: Callable[[Node], None]) -> None:
    report = run_simulation(make_options(rate=60.0), prepare=plant(bug, 1))
    assert isinstance(report.verdict, Diverged), report.verdict
    assert "node1" in report.verdict.nodes


def test_a_node_that_does_not_know_what_it_accepted() -> None:
    def know_less(node: Node) -> None:
        find_status = node.find_status

        def find_less(identity: TransactionId) -> TransactionStatus | None:
            return find_status(identity) if identity[0] % 4 else None

        node.find_status = find_less  # type: ignore[method-assign]  # the planted bug

    assert_violated(run_planted(plant(know_less, 2)), Invariant.ACCEPTED_KEPT, "node2")


def test_a_queue_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simnet.world.INBOX_MAX", -1)
    assert_violated(run_planted(plant(lambda _: None)), Invariant.BOUNDED_QUEUES)


def test_a_committee_without_a_quorum_makes_no_progress() -> None:
    def never_propose(node: Node) -> None:
        node.driver.allow_proposing = lambda: None  # type: ignore[method-assign]  # the planted bug

    report = run_planted(plant(never_propose, 0, 1))
    assert isinstance(report.verdict, NoProgress)
    assert report.recovery_s is None
