"""How many transactions may be attached and not executed: enough to keep the committee busy, and no more.

What exceeds this waits in a fair queue, where turns can still be taken; what is attached cannot be overtaken
any more. The measure is that of BBR (Cardwell et al., ACM Queue 2016): twice the product of the best rate of
ordering seen lately and of the delay from attached to ordered while nothing was congested. Once is what is
under way anyhow, and twice lets the rate grow when there is room for more.
"""

from collections import deque
from typing import Final

BACKLOG_MIN: Final = 128
"""Least target: one batch of the intake, with which a node that was idle begins; from there the rate doubles
every second or sooner."""

GAIN: Final = 2
"""Times the product of rate and delay: at 1 the rate could never grow."""

INTERVAL_S: Final = 0.5
"""The rate is counted over intervals of this length, which hold several commits."""

INTERVALS: Final = 20
"""The best of so many intervals counts: a pause of the committee is no reason to feed it less."""

DELAY_MIN_S: Final = 0.25
"""Shortest delay reckoned with: about that of an idle committee on one machine."""

DELAY_MAX_S: Final = 1.0
"""Longest: with the gain, at most two seconds of ordering are ever waiting."""

DELAY_SHARE: Final = 1 / 8
"""Share of a new sample in the smoothed delay, as in TCP (RFC 6298)."""


class BacklogTarget:
    """Follows how fast transactions are ordered."""

    def __init__(self, backlog_max: int) -> None:
        """:param backlog_max: the target never exceeds it."""
        self._backlog_max = backlog_max
        self._intervals: deque[int] = deque(maxlen=INTERVALS)
        self._begun_s: float | None = None
        self._count = 0
        self._delay_s = DELAY_MAX_S / 2
        self.target = min(BACKLOG_MIN, backlog_max)
        """Transactions that may be attached and not executed."""

    @property
    def rate(self) -> float:
        """Transactions ordered a second in the best interval lately."""
        return max(self._intervals, default=0) / INTERVAL_S

    def on_ordered(self, count: int, delay_s: float | None, now_s: float, *, is_congested: bool) -> None:
        """A checkpoint ordered ``count`` transactions.

        :param delay_s: from attached to ordered, of one of them; none where nobody knows.
        :param is_congested: something waited for its turn, so that the delay tells about the queue.
        """
        if self._begun_s is None:
            self._begun_s = now_s
        passed = int((now_s - self._begun_s) / INTERVAL_S)
        if passed:
            self._intervals.append(self._count)
            self._intervals.extend([0] * min(passed - 1, INTERVALS))
            self._begun_s += passed * INTERVAL_S
            self._count = 0
        self._count += count
        if delay_s is not None and not is_congested:
            delay_s = min(max(delay_s, DELAY_MIN_S), DELAY_MAX_S)
            self._delay_s += (delay_s - self._delay_s) * DELAY_SHARE
        wanted = int(GAIN * self.rate * self._delay_s)
        self.target = min(max(wanted, BACKLOG_MIN), self._backlog_max)
