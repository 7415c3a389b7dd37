"""A forged chain of checkpoints: the true ones with another state in each, and each naming the one before.

Whoever attests it is wrong everywhere and consistent with itself, as a validator is whose execution differs;
all who forge tell the same lie, so that they support each other.
"""

from hashlib import blake2b

from msgspec.structs import replace

from shards.checkpoints import compute_checkpoint_digest
from tangle.core.types import Digest
from tangle.node.archive import Archive


class ForgedChain:
    """Digests of forged checkpoints by index."""

    def __init__(self) -> None:
        self._digests: dict[int, Digest] = {}

    def find_digest(self, archive: Archive, index: int) -> Digest | None:
        """Digest of forged checkpoint ``index``; none where the true one is not there."""
        first = index
        while first > 1 and first - 1 not in self._digests:
            first -= 1
        for each in range(first, index + 1):
            true = archive.get_checkpoint(each)
            if true is None:
                return None
            state = Digest(blake2b(true.state_digest, digest_size=32, person=b"forged").digest())
            previous = self._digests.get(each - 1, true.previous)
            self._digests[each] = compute_checkpoint_digest(
                replace(true, state_digest=state, previous=previous)
            )
        return self._digests[index]
