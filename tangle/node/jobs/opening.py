"""Puts the room for jobs together over a running node.

Every part can be another: the simulator's and the tests' workers cheat by being another ``Workshop`` or
``Deeds``, not by a switch in this package.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from poi.market.limits import MarketRules
from tangle.core.signing import SigningKey
from tangle.node.blobs import BlobRoom
from tangle.node.config import NodeConfig
from tangle.node.jobs.bench import Bench
from tangle.node.jobs.clerk import Clerk, Walk
from tangle.node.jobs.court import Court
from tangle.node.jobs.deeds import Crew
from tangle.node.jobs.examiner import Examiner
from tangle.node.jobs.programs import Library
from tangle.node.jobs.room import JobsRoom, Moment, Setting
from tangle.node.jobs.settings import JobsConfig
from tangle.node.jobs.shelf import RunShelf
from tangle.node.jobs.stock import Stock
from tangle.node.jobs.trainer import Trainer, TrainerSetting
from tangle.node.jobs.workshop import Workshop
from tangle.node.node import Node
from tangle.node.sandbox.runner import ProgramRunner

PATIENCE_DIVISOR: Final = 4
"""A blob is waited for at most a quarter of the window for challenges: who misses it must still say so."""


class JobsParts(Struct, frozen=True):
    """What the room for jobs needs beside the node."""

    walk: Walk
    """The way of transactions into the ledger."""

    blobs: BlobRoom
    """Programs, inputs and results."""

    runner: ProgramRunner
    """Runs programs of strangers."""

    bench: Bench
    """Does what would hold the event loop up."""


def open_jobs(node: Node, parts: JobsParts) -> JobsRoom:
    """The room for jobs of a node, not running yet; the node tells it of checkpoints and takes its votes."""
    room = make_jobs_room(node, parts, make_crew(node, parts))
    node.jobs = room
    return room


def make_crew(node: Node, parts: JobsParts) -> Crew:
    """Those who do the work, as they are in every honest node."""
    config, rules = node.parts.config.jobs, node.executor.machine.market.rules
    stock = Stock(parts.blobs, compute_patience_s(config, rules))
    programs = Library(stock, parts.bench)
    workshop = Workshop(programs, stock, parts.runner, parts.bench)
    court = Court(programs, stock, parts.bench, rules, node.archive.market.list_job_events)
    shelf = RunShelf()
    examiner = Examiner(
        config=config,
        rules=rules,
        workshop=workshop,
        court=court,
        stock=stock,
        bench=parts.bench,
        shelf=shelf,
        randomness=node.parts.randomness,
        find_program=node.executor.machine.market.get_program,
    )
    return Crew(workshop, court, examiner, stock, shelf)


def make_jobs_room(node: Node, parts: JobsParts, crew: Crew) -> JobsRoom:
    """The room over these people."""
    market = node.executor.machine.market
    setting = Setting(
        config=get_jobs_config(node.parts.config),
        rules=market.rules,
        get_seat=lambda: (node.driver.own_index, len(node.committee)),
        get_state=market.make_state,
        get_balance=lambda account: node.archive.get_account(account).balance,
        find_program=market.get_program,
        get_kept=node.depot.get_kept,
        on_votes=lambda: node.driver.on_payload(),  # noqa: PLW0108  # the driver of that moment
        clock=node.parts.clock,
    )
    state = node.executor.machine.state
    clerk = Clerk(parts.walk, get_account_key(node))
    return JobsRoom(setting, crew, clerk, Moment(state.checkpoint_index, state.timestamp_ms))


def make_trainer(node: Node, clerk: Clerk) -> Trainer:
    """Who evaluates while a customer waits, from the account of ``clerk``."""
    return Trainer(TrainerSetting(lambda: node.executor.machine.board, node.book.count_pending), clerk)


def get_jobs_config(config: NodeConfig) -> JobsConfig:
    """What a node does for jobs: without room for blobs it cannot keep results, so it takes no work."""
    return config.jobs if config.blob_quota_bytes else replace(config.jobs, worker=False)


def get_account_key(node: Node) -> SigningKey:
    """The key of the account with which a node acts: its validator's, where it has one."""
    return node.validator_key or node.parts.node_key


def compute_patience_s(config: JobsConfig, rules: MarketRules) -> float:
    """How long a blob is waited for at a time."""
    return min(config.patience_ms, rules.challenge_window_ms // PATIENCE_DIVISOR) / 1000
