"""Whom to ask for a result, when there are seals enough to have results shown, when results are enough.

Pure bookkeeping over members whose identity is the caller's: events and the time go in, decisions come out.
Three are asked at first, and for each that refuses or is slow another one. The list of seals is closed when
three are there, or two and the third had its time; results are enough when more than half of the list agree.
"""

from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

from poi.countersigning import Sealed
from poi.replication import Agreed, Hopeless, Undecided, judge_replicas
from tangle.core.types import Digest, PublicKey
from tangle.node.replicas.errors import ReplicasDisagree, ReplicasSilent, ReplicasWithheld

SIZE: Final = 3
"""Validators on the list of seals: the fewest of which one may be wrong."""

NEEDED: Final = 2
"""Equal results that are enough of three; of two, both."""

GRACE_S: Final = 0.1
"""How long the third is waited for once two have sealed: a light model takes some milliseconds."""

HEDGE_S: Final = 1.0
"""After this much silence another one is asked: the first run of a program may build kernels for seconds, and
nobody knows of whom."""

ASKED_MAX: Final = 8
"""Most validators asked for one answer."""

REASONS_MAX: Final = 4
"""Most different reasons that a refusal repeats."""

Member = TypeVar("Member", bound=Hashable)


class Panel(Generic[Member]):
    """The members of one answer."""

    def __init__(self, candidates: Sequence[Member], now_s: float) -> None:
        """:param candidates: whom to ask, in order."""
        self._candidates = list(candidates[:ASKED_MAX])
        self._asked_s: dict[Member, float] = {}
        self._failed: dict[Member, str] = {}
        self._sealed: dict[Member, Sealed] = {}
        self._enough_s: float | None = None
        self._closed: dict[Member, Sealed] | None = None
        self._shown: dict[PublicKey, Digest] = {}
        self._silent: set[PublicKey] = set()
        self._now_s = now_s

    @property
    def is_closed(self) -> bool:
        """Whether the list of seals is closed."""
        return self._closed is not None

    @property
    def next_s(self) -> float | None:
        """When to look again although nothing happens."""
        if self._closed is not None:
            return None
        due = [asked_s + HEDGE_S for member, asked_s in self._asked_s.items() if self._is_open(member)]
        due = due if self._candidates else []
        if self._enough_s is not None:
            due.append(self._enough_s + GRACE_S)
        return min((each for each in due if each > self._now_s), default=None)

    def take_asks(self, now_s: float) -> list[Member]:
        """Whom to ask now; each is named once."""
        self._now_s = now_s
        if self._closed is not None:
            return []
        slow = sum(
            now_s - asked_s >= HEDGE_S for member, asked_s in self._asked_s.items() if self._is_open(member)
        )
        wanted = SIZE + len(self._failed) + slow - len(self._asked_s)
        asks = self._candidates[: max(0, wanted)]
        del self._candidates[: len(asks)]
        self._asked_s.update(dict.fromkeys(asks, now_s))
        return asks

    def on_sealed(self, member: Member, sealed: Sealed, now_s: float) -> None:
        """A member sealed a result; a second one under the same key counts as a refusal."""
        if self._closed is not None or member in self._failed or member in self._sealed:
            return
        if sealed.worker in {each.worker for each in self._sealed.values()}:
            self.on_failure(member, "replica-taken")
            return
        self._sealed[member] = sealed
        if len(self._sealed) == NEEDED:
            self._enough_s = now_s

    def on_failure(self, member: Member, code: str) -> None:
        """A member gave no seal, or no result that fits its seal."""
        self._failed[member] = code
        if self._closed is not None and member in self._closed:
            self._silent.add(self._closed[member].worker)

    def close(self, now_s: float) -> dict[Member, Sealed] | None:
        """The members to show their results, in rising order of workers, if the list can be closed now.

        :raises ReplicasSilent: there never will be enough.
        """
        if self._closed is None and self._is_full(now_s):
            taken = sorted(self._sealed.items(), key=lambda item: item[1].worker)
            self._closed = dict(taken)
        if self._closed is None and not self._candidates and not any(map(self._is_open, self._asked_s)):
            raise ReplicasSilent(len(self._sealed), NEEDED, self.reasons)
        return self._closed

    def on_shown(self, member: Member, result: Digest) -> None:
        """A member on the list showed what it had sealed."""
        assert self._closed is not None, "results are shown once the list is closed"
        self._shown[self._closed[member].worker] = result

    def judge(self) -> Agreed | None:
        """What the results say; none while that may still change.

        :raises ReplicasWithheld: too few were shown. :raises ReplicasDisagree: they differ.
        """
        assert self._closed is not None, "results are shown once the list is closed"
        assigned = frozenset(each.worker for each in self._closed.values())
        verdict = judge_replicas(assigned, NEEDED, self._shown)
        match verdict:
            case Agreed():
                return verdict
            case Hopeless(results=results):
                raise ReplicasDisagree(len(results))
            case Undecided():
                if self._silent | self._shown.keys() >= assigned:
                    different = len(set(self._shown.values()))
                    if different > 1:
                        raise ReplicasDisagree(different)
                    raise ReplicasWithheld(len(self._shown), NEEDED, self.reasons)
                return None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why members failed, each reason once."""
        return tuple(sorted(set(self._failed.values())))[:REASONS_MAX]

    def _is_open(self, member: Member) -> bool:
        return member not in self._failed and member not in self._sealed

    def _is_full(self, now_s: float) -> bool:
        if len(self._sealed) >= SIZE:
            return True
        if self._enough_s is None:
            return False
        is_last = not self._candidates and not any(map(self._is_open, self._asked_s))
        return is_last or now_s >= self._enough_s + GRACE_S
