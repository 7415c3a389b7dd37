"""How far the committee is, by what validators signed and nothing else.

Any peer can say that it is a million rounds ahead. A signed block shows that its author was in its round, and
a signed answer to a starting validator that whoever gave it had accepted a block of the round it names. A
round that validators of more than the faulty weight have shown was reached by an honest one, so its history
can be had, and no lie makes a node wait for more.
"""

from shards.committee import Committee


class VouchedRounds:
    """The highest round that each validator has shown by its signature to have reached."""

    def __init__(self, committee: Committee) -> None:
        self._committee = committee
        self._rounds: dict[int, int] = {}

        self.round = 0
        """Highest round that validators of more than the faulty weight have reached; it never falls."""

    def on_word(self, author: int, round_number: int) -> None:
        """A validator has signed that it is, or was, at ``round_number``; its signature has been checked.

        :param author: its place in the committee.
        """
        if round_number <= self._rounds.get(author, 0):
            return
        self._rounds[author] = round_number
        if round_number > self.round:
            self.round = self._compute_round()

    def _compute_round(self) -> int:
        weight = 0
        for author, round_number in sorted(self._rounds.items(), key=lambda item: item[1], reverse=True):
            weight += self._committee.weights[author]
            if weight >= self._committee.validity:
                return round_number
        return 0
