"""Replication: several workers run the same task, and what enough of them agree on is taken.

Workers are sealed off from each other: each first publishes ``H(tangle/replica, [task, worker, result,
salt])`` and shows result and salt only when all seals are in. A seal names its worker, so a copied one is
worth nothing. Whoever does not answer abstains; abstaining is not dissenting.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from poi.errors import InvalidReplication, WrongSeal
from tangle.core.hashing import REPLICA, compute_record_hash
from tangle.core.types import Digest, PublicKey


class Agreed(Struct, frozen=True):
    """Enough workers gave one result."""

    result: Digest
    """That result."""

    agreeing: tuple[PublicKey, ...]
    """Who gave it, in order of keys."""

    dissenting: tuple[PublicKey, ...]
    """Who gave another."""

    abstaining: tuple[PublicKey, ...]
    """Who gave none."""


class Undecided(Struct, frozen=True):
    """No result was given often enough, yet one still may be."""

    missing: int
    """How many more equal results the most frequent one needs."""


class Hopeless(Struct, frozen=True):
    """No result can be given often enough any more: the next rung of the ladder has to decide."""

    results: tuple[tuple[Digest, int], ...]
    """Every result and how often it was given, in order of results."""


Verdict = Agreed | Undecided | Hopeless
"""What replication says."""


def compute_seal(task: Digest, worker: PublicKey, result: Digest, salt: Digest) -> Digest:
    """What a worker publishes before it shows its result."""
    return compute_record_hash(REPLICA, task, worker, result, salt)


def verify_seal(seal: Digest, task: Digest, worker: PublicKey, result: Digest, salt: Digest) -> None:
    """Check a shown result against its seal.

    :raises WrongSeal: it is another result, or somebody else's seal.
    """
    if compute_seal(task, worker, result, salt) != seal:
        raise WrongSeal(worker)


def judge_replicas(
    assigned: frozenset[PublicKey], needed: int, results: Mapping[PublicKey, Digest]
) -> Verdict:
    """Count equal results.

    :param results: what was shown under a valid seal.
    :param needed: k of the n assigned; more than half, so that two results cannot both be taken.
    :raises InvalidReplication: k is not more than half of n, or a worker was not assigned.
    """
    if not len(assigned) // 2 < needed <= len(assigned):
        raise InvalidReplication(f"{needed} of {len(assigned)} is no majority")
    if not results.keys() <= assigned:
        raise InvalidReplication("a result comes from a worker that was not assigned")
    counts = Counter(results.values())
    most = max(counts.values(), default=0)
    silent = assigned - results.keys()
    if most >= needed:
        result = next(each for each, count in counts.items() if count == most)
        return Agreed(
            result,
            tuple(sorted(worker for worker, each in results.items() if each == result)),
            tuple(sorted(worker for worker, each in results.items() if each != result)),
            tuple(sorted(silent)),
        )
    if most + len(silent) >= needed:
        return Undecided(needed - most)
    return Hopeless(tuple(sorted(counts.items())))
