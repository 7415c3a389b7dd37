"""What all nodes of a simulation would compute alike is computed once: signatures and evaluations.

Both are functions of the bytes that they are given and of nothing else, so the answer that one node got is
the answer that every node gets. The memory stands behind the computer seam, in front of the functions that a
real node's workers run, and its keys are everything that those are told, not a digest of it. Some answers are
computed again all the same and compared: a function that is not as pure as it should be does not stay hidden.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

from msgspec.structs import replace

from aivm.backends.protocol import Backend
from poi.events import Assignment, EvaluateAnswer, EvaluateRequest
from poi.job import StandingJob
from poi.shelf import JobShelf
from poi.worker import evaluate
from shards.blocks import SignatureClaim
from simnet.errors import AnswerChanged
from tangle.core.hashing import TRANSACTION
from tangle.core.types import ChainId
from tangle.node.computer import (
    TransactionBatch,
    TransactionVerdict,
    describe_backend,
    verify_signatures,
)

ANSWERS_MAX: Final = 65_536
"""Answers of each kind that are kept, some tens of megabytes; the oldest goes first, long after every node
has seen what it is about."""

CHECKED_EVERY: Final = 64
"""Of so many remembered answers one is computed again and compared."""

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class _Answers(Generic[Key, Answer]):
    """Answers by everything that they depend on."""

    def __init__(self) -> None:
        self.remembered = 0
        self._known: OrderedDict[Key, Answer] = OrderedDict()

    def find(self, key: Key) -> Answer | None:
        """The remembered answer; none when there is none or it is to be computed again."""
        answer = self._known.get(key)
        if answer is None:
            return None
        self.remembered += 1
        return None if self.remembered % CHECKED_EVERY == 0 else answer

    def keep(self, key: Key, answer: Answer) -> None:
        """Remember what was computed.

        :raises AnswerChanged: it was computed before, with another outcome.
        """
        known = self._known.setdefault(key, answer)
        if known != answer:
            raise AnswerChanged(known, answer)
        if len(self._known) > ANSWERS_MAX:
            self._known.popitem(last=False)


class SharedComputer:
    """The computer of every node of one simulation: ``InlineComputer`` with a memory."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._shelf = JobShelf()
        self._signatures: _Answers[tuple[ChainId, SignatureClaim], bool] = _Answers()
        self._results: _Answers[tuple[StandingJob, int, bytes, Assignment], tuple[int, ...]] = _Answers()

    @property
    def device(self) -> str:
        """Name of the backend and its device."""
        return describe_backend(self._backend)

    @property
    def remembered(self) -> int:
        """Answers that were not computed because they were known."""
        return self._signatures.remembered + self._results.remembered

    async def verify_transactions(self, batch: TransactionBatch) -> tuple[TransactionVerdict, ...]:
        """Check signatures and recompute work."""
        claims = [
            SignatureClaim(purpose=TRANSACTION, body=body, signature=signature, public_key=key)
            for body, signature, key in batch.signed
        ]
        results: list[tuple[int, ...]] = [()] * len(claims)
        for request, positions in batch.work:
            for position, recomputed in zip(positions, self._evaluate(request), strict=True):
                results[position] = recomputed
        valid = self._verify(batch.chain, claims)
        return tuple(TransactionVerdict(*verdict) for verdict in zip(valid, results, strict=True))

    async def verify_signatures(self, chain: ChainId, claims: Sequence[SignatureClaim]) -> tuple[bool, ...]:
        """Check signatures of blocks and attestations."""
        return tuple(self._verify(chain, claims))

    async def prove(self, request: EvaluateRequest) -> EvaluateAnswer:
        """Do the work of one transaction."""
        return EvaluateAnswer(tuple(self._evaluate(request)))

    def _verify(self, chain: ChainId, claims: Sequence[SignatureClaim]) -> list[bool]:
        answers = []
        for claim in claims:
            known = self._signatures.find((chain, claim))
            if known is None:
                (known,) = verify_signatures(chain, (claim,))
                self._signatures.keep((chain, claim), known)
            answers.append(known)
        return answers

    def _evaluate(self, request: EvaluateRequest) -> list[tuple[int, ...]]:
        def make_key(assignment: Assignment) -> tuple[StandingJob, int, bytes, Assignment]:
            return request.job, request.generation, request.weights, assignment

        answers = [self._results.find(make_key(assignment)) for assignment in request.assignments]
        unknown = [place for place, answer in enumerate(answers) if answer is None]
        if unknown:
            asked = tuple(request.assignments[place] for place in unknown)
            part = replace(request, assignments=asked)
            found = evaluate(part, self._backend, self._shelf).results
            for place, computed in zip(unknown, found, strict=True):
                self._results.keep(make_key(request.assignments[place]), computed)
                answers[place] = computed
        return [answer for answer in answers if answer is not None]
