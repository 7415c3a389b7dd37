"""The market of the double: the real one, kept in memory, with the history that a store would have."""

from collections.abc import Sequence

from poi.market.limits import DEVNET_RULES
from poi.market.machine import Market
from poi.market.operations import Caller, CastVote, Finding, Moment, Operation, decode_operation
from poi.market.outcomes import Burn, Credit, Debit, JobEnded, Outcome, get_subject
from poi.market.votes import Verdict, compute_program_subject
from tangle.core.transactions import MarketCall, Transaction
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, PublicKey, TransactionId
from tangle.node.market_desk import MarketDesk
from tangle.node.market_views import JobEventView, JobView


class MarketDouble:
    """A market between the balances of one double."""

    def __init__(self, balances: dict[PublicKey, int], sequences: dict[PublicKey, int], now_ms: int) -> None:
        """:param balances: of all accounts; changed as the market moves grains."""
        self.market = Market.start(DEVNET_RULES, Milliseconds(now_ms))
        self.jobs: list[JobView] = []
        self.events: dict[Digest, list[JobEventView]] = {}
        self.desk = MarketDesk(self, self)
        self.burned = 0
        self._balances = balances
        self._sequences = sequences
        self._index, self._now_ms = 0, now_ms

    def get_moment(self) -> Moment:
        beacon = Digest(self._index.to_bytes(32, "big"))
        return Moment(CheckpointIndex(self._index + 1), Milliseconds(self._now_ms), 0, beacon, (1,))

    def try_operation(self, operation: Operation, account: PublicKey) -> Outcome:
        return self.market.copy().apply(operation, self._make_caller(account, 0), self.get_moment())

    def call(self, transaction: Transaction, call: MarketCall, fee: int) -> None:
        """Do what a transaction asks.

        :raises MarketFault: it is refused.
        """
        caller = self._make_caller(transaction.body.issuer, fee)
        operation = decode_operation(call.data)
        self._book(self.market.apply(operation, caller, self.get_moment()), transaction.id)

    def find(self, finding: Finding) -> None:
        """Hand in what follows from the prefix."""
        self._book(self.market.take_finding(finding, self.get_moment()), None)

    def confirm(self, program: Digest) -> None:
        """The only validator says that a program is right."""
        entry = self.market.get_program(program)
        assert entry is not None
        self.find(CastVote(compute_program_subject(entry), Verdict.RIGHT, 0))

    def advance(self, index: int, now_ms: int) -> None:
        """Close a checkpoint."""
        self._book(self.market.advance(self.get_moment(), lambda _: Grains(0)), None)
        self._index, self._now_ms = index, now_ms

    def pass_time(self, span_ms: int) -> None:
        """Let commit time go on."""
        self._now_ms += span_ms

    # History

    def find_job(self, job: Digest) -> JobView | None:
        return next((view for view in self.jobs if view.job.id == job), None)

    def list_jobs(self, before: int | None, limit: int) -> Sequence[JobView]:
        return [view for view in reversed(self.jobs) if before is None or view.job.order < before][:limit]

    def list_job_events(self, job: Digest, first: int, limit: int) -> Sequence[JobEventView]:
        return self.events.get(job, [])[first:][:limit]

    def _make_caller(self, account: PublicKey, fee: int) -> Caller:
        balance = Grains(max(0, self._balances.get(account, 0) - fee))
        return Caller(account, self._sequences.get(account, 0), balance, Grains(0))

    def _book(self, outcome: Outcome, transaction: TransactionId | None) -> None:
        for movement in outcome.movements:
            match movement:
                case Debit():
                    self._balances[movement.account] -= movement.amount
                case Credit():
                    self._balances[movement.account] = (
                        self._balances.get(movement.account, 0) + movement.amount
                    )
                case Burn():
                    self.burned += movement.amount
        for event in outcome.events:
            told = self.events.setdefault(get_subject(event), [])
            told.append(JobEventView(len(told), self._index, self._now_ms, transaction, event))
        self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        ends = {event.job: event for event in outcome.events if isinstance(event, JobEnded)}
        views = {view.job.id: view for view in self.jobs}
        for job in self.market.make_state().jobs:
            views[job.id] = JobView(job, None, None)
        for job in outcome.ended:
            views[job.id] = JobView(job, ends[job.id].ending, ends[job.id].refunded)
        self.jobs = sorted(views.values(), key=lambda view: view.job.order)
