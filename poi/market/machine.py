"""The market as a state machine: operations, findings and time go in, movements and events come out.

At every checkpoint the ledger applies the operations that it ordered, hands in what follows from the prefix
(votes, decided disputes, closed generations), and then calls ``advance`` once. Equal inputs give equal
states, byte for byte. A refused step changes nothing.

Grains are conserved: ``held`` grows by every debit and shrinks by every credit and every burn, and always is
the sum over deposits, bonds and escrows of the state.
"""

from collections.abc import Iterable, Mapping
from typing import Self, assert_never

from poi.market.assignment import StakeReader
from poi.market.book import Book
from poi.market.contests import close_contest, close_learning, pay_generation, seal_answer, show_answer
from poi.market.entries import Change, Entry
from poi.market.jobs import (
    assign_jobs,
    cancel_job,
    decline_job,
    expire_assigned,
    expire_waiting,
    open_job,
    submit_result,
)
from poi.market.judging import (
    challenge_result,
    close_window,
    expire_dispute,
    make_move,
)
from poi.market.limits import MarketRules
from poi.market.operations import (
    AnnounceCapacity,
    Caller,
    CancelJob,
    CastVote,
    ChallengeResult,
    DeclineJob,
    Finding,
    GenerationClosed,
    MakeMove,
    Moment,
    OpenJob,
    Operation,
    RegisterProgram,
    RetireProgram,
    SealAnswer,
    ShowAnswer,
    SubmitResult,
    WithdrawCapacity,
)
from poi.market.outcomes import Outcome
from poi.market.pricing import move_price
from poi.market.records import (
    VERSION,
    Assigned,
    Capacity,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Job,
    Kind,
    KindPrice,
    Learning,
    MarketHead,
    MarketState,
    ProgramEntry,
    Waiting,
)
from poi.market.registry import (
    announce_capacity,
    expire_programs,
    register_program,
    retire_program,
    withdraw_capacity,
)
from poi.market.voting import count_vote, move_votes
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey


class Market:
    """All programs, workers and live jobs of one ledger."""

    def __init__(self, state: MarketState, rules: MarketRules) -> None:
        """Go on from ``state``, which must have come from ``make_state`` under the same rules."""
        self.rules = rules
        self._book = Book(state, rules)

    @classmethod
    def start(cls, rules: MarketRules, now_ms: Milliseconds) -> Self:
        """The empty market, all prices at the floor."""
        return cls.restore(make_first_head(rules, now_ms), (), rules)

    @classmethod
    def restore(cls, head: MarketHead, entries: Iterable[Entry], rules: MarketRules) -> Self:
        """The market of a head and the entries of its lists, in any order."""
        listed = list(entries)
        jobs = [entry for entry in listed if isinstance(entry, Job)]
        state = MarketState(
            version=VERSION,
            opened=head.opened,
            prices=head.prices,
            programs=tuple(entry for entry in listed if isinstance(entry, ProgramEntry)),
            capacities=tuple(entry for entry in listed if isinstance(entry, Capacity)),
            jobs=tuple(sorted(jobs, key=_get_order)),
        )
        return cls(state, rules)

    def copy(self) -> Self:
        """The same market once more, to try something out."""
        return type(self)(self.make_state(), self.rules)

    def make_head(self) -> MarketHead:
        """What of the market stands on no list."""
        return self._book.make_head()

    @property
    def held(self) -> Grains:
        """Every grain that the market holds now."""
        return Grains(self._book.held)

    def make_state(self) -> MarketState:
        """The whole market as one record."""
        return self._book.make_state()

    def get_price(self, kind: Kind) -> Grains:
        """Grains per unit of a kind now."""
        return self._book.prices[kind].price

    def get_job(self, job: Digest) -> Job:
        """A live job.

        :raises UnknownJob: there is none.
        """
        return self._book.get_job(job)

    def get_program(self, program: Digest) -> ProgramEntry | None:
        """A registered program."""
        return self._book.programs.get(program)

    def get_capacity(self, worker: PublicKey) -> Capacity | None:
        """An announced worker."""
        return self._book.capacities.get(worker)

    def list_jobs(self) -> tuple[Job, ...]:
        """All live jobs, in the order in which they were opened."""
        return tuple(self._book.jobs.values())

    def list_programs(self) -> tuple[ProgramEntry, ...]:
        """All registered programs, in the order in which they came."""
        return tuple(self._book.programs.values())

    def list_capacities(self) -> tuple[Capacity, ...]:
        """All announced workers, in the order in which they came."""
        return tuple(self._book.capacities.values())

    def take_changes(self) -> tuple[Change, ...]:
        """Entries of the lists that are not what they were at the last call."""
        return self._book.take_changes()

    def apply(self, operation: Operation, caller: Caller, moment: Moment) -> Outcome:
        """Do what an account asks.

        :raises MarketFault: it is refused; the subclasses say why.
        :raises WrongSeal: another answer than the one that was sealed.
        """
        book = self._book
        book.about = _get_about(operation)
        match operation:
            case RegisterProgram() | RetireProgram() | AnnounceCapacity() | WithdrawCapacity():
                _change_lists(book, operation, caller, moment)
            case OpenJob():
                open_job(book, operation, caller, moment)
            case CancelJob():
                cancel_job(book, operation, caller)
            case SubmitResult():
                submit_result(book, operation, caller, moment)
            case DeclineJob():
                decline_job(book, operation, caller, moment)
            case ChallengeResult():
                challenge_result(book, operation, caller, moment)
            case SealAnswer():
                seal_answer(book, operation, caller, moment)
            case ShowAnswer():
                show_answer(book, operation, caller, moment)
            case MakeMove():
                make_move(book, operation, caller, moment)
            case _:
                assert_never(operation)
        return book.take_outcome()

    def take_finding(self, finding: Finding, moment: Moment) -> Outcome:
        """Count what follows from the ledger's own prefix.

        :raises MarketFault: it does not count; the subclasses say why.
        """
        book = self._book
        match finding:
            case CastVote():
                count_vote(book, finding, moment)
            case GenerationClosed():
                book.about = finding.job
                pay_generation(book, finding, moment)
            case _:
                assert_never(finding)
        return book.take_outcome()

    def change_validators(self, places: Mapping[int, int], moment: Moment) -> Outcome:
        """Another committee votes from now on; called after ``advance``.

        :param places: the new place of each validator that stays, by its old one.
        :param moment: its weights are those of the new committee.
        """
        move_votes(self._book, places, moment)
        return self._book.take_outcome()

    def advance(self, moment: Moment, read_stake: StakeReader) -> Outcome:
        """Close a checkpoint: end what has run out, assign what waits, move prices. Called once, last.

        :param read_stake: stakes as of this checkpoint.
        """
        book = self._book
        expire_programs(book, moment)
        for job in list(book.jobs.values()):
            book.about = job.id
            self._expire(job, moment)
        assign_jobs(book, moment, read_stake)
        for kind in Kind:
            book.prices[kind] = move_price(book.prices[kind], moment.now_ms, self.rules)
        return book.take_outcome()

    def _expire(self, job: Job, moment: Moment) -> None:
        book, phase = self._book, job.phase
        match phase:
            case Waiting():
                expire_waiting(book, job, moment)
            case Assigned():
                expire_assigned(book, job, phase, moment)
            case Claimed():
                close_window(book, job, phase, moment)
            case Disputed():
                expire_dispute(book, job, phase, moment)
            case Collecting():
                close_contest(book, job, phase, moment)
            case Learning() | Gathering():
                close_learning(book, job, moment)
            case _:
                assert_never(phase)


def make_first_head(rules: MarketRules, now_ms: Milliseconds) -> MarketHead:
    """The head of the empty market: all prices at the floor."""
    return MarketHead(0, (KindPrice(rules.price_floor, now_ms, 0),) * len(Kind))


def _get_order(job: Job) -> int:
    return job.order


def _change_lists(
    book: Book,
    operation: RegisterProgram | RetireProgram | AnnounceCapacity | WithdrawCapacity,
    caller: Caller,
    moment: Moment,
) -> None:
    match operation:
        case RegisterProgram():
            register_program(book, operation, caller, moment)
        case RetireProgram():
            retire_program(book, operation, caller)
        case AnnounceCapacity():
            announce_capacity(book, operation, caller, moment)
        case WithdrawCapacity():
            withdraw_capacity(book, caller)
        case _:
            assert_never(operation)


def _get_about(operation: Operation) -> Digest | None:
    match operation:
        case RegisterProgram() | RetireProgram():
            return operation.program
        case AnnounceCapacity() | WithdrawCapacity() | OpenJob():
            return None
        case _:
            return operation.job
