"""Who signed twice: two blocks of one author and round that are both committed.

Whatever is committed is in every node's history, so everybody finds the same, and nobody has to report it.
"""

from collections.abc import Iterable

from shards.commits import CommitRecord


class TwinWatch:
    """Remembers whose blocks of which rounds are committed, as far back as a commit can still reach."""

    def __init__(self, commit_depth: int, committed: Iterable[CommitRecord] = ()) -> None:
        """:param committed: commits of this committee so far: all whose blocks can still get a twin."""
        self._commit_depth = commit_depth
        self._seen: dict[int, set[int]] = {}
        for commit in committed:
            self.process_commit(commit)

    def process_commit(self, commit: CommitRecord) -> tuple[int, ...]:
        """Authors with a second block among those of ``commit``, ascending."""
        twins = set()
        for reference in commit.blocks:
            authors = self._seen.setdefault(reference.round, set())
            if reference.author in authors:
                twins.add(reference.author)
            authors.add(reference.author)
        horizon = commit.leader.round - self._commit_depth
        for round_number in [number for number in self._seen if number <= horizon]:
            del self._seen[round_number]
        return tuple(sorted(twins))
