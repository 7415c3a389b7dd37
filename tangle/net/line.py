"""How many bytes a second go to and come from peers: caps of the whole node and of each peer.

Pure; time is handed in. Every byte is counted, whoever sends it; what may wait, waits while a cap's bucket
is in debt. Committee blocks and what keeps sessions alive never wait: they only deepen the debt, which is
paid by news, history and blobs. So a cap slows the bulk down, and never the committee.
"""

from typing import Final

from tangle.net.throttle import Rate

CAP_MIN: Final = 131_072
"""Least cap in bytes a second that is kept to: below it a full message takes longer than peers wait for an
answer."""

BURST_MS: Final = 500
"""How much of a cap may be used at once after a rest."""

DEBT_MS_MAX: Final = 5_000
"""How far bytes that do not wait can put the others behind: committee blocks may be over the cap for ever,
and what waits is not to starve for longer than peers wait for an answer."""


class ByteBudget:
    """One cap: a bucket that everything is taken from, and that may go into debt."""

    __slots__ = ("_filled_ms", "_level", "_rate")

    def __init__(self, bytes_per_s: int, now_ms: int) -> None:
        """:param bytes_per_s: 0 for no cap; anything else below ``CAP_MIN`` counts as that."""
        self._rate: Rate | None = None
        if bytes_per_s:
            rate = max(bytes_per_s, CAP_MIN)
            self._rate = Rate(rate, rate * BURST_MS // 1_000)
        self._level = 0 if self._rate is None else self._rate.burst * 1_000
        self._filled_ms = now_ms

    @property
    def is_capped(self) -> bool:
        """Whether there is a cap at all."""
        return self._rate is not None

    def charge(self, count: int, now_ms: int) -> None:
        """``count`` bytes went through."""
        if self._rate is None:
            return
        self._fill(self._rate, now_ms)
        self._level = max(self._level - count * 1_000, -self._rate.per_second * DEBT_MS_MAX)

    def compute_wait_ms(self, now_ms: int) -> int:
        """How long until the debt is paid; 0 when there is none."""
        if self._rate is None:
            return 0
        self._fill(self._rate, now_ms)
        return max(0, -(self._level // self._rate.per_second))

    def _fill(self, rate: Rate, now_ms: int) -> None:
        elapsed_ms = max(0, now_ms - self._filled_ms)
        self._filled_ms = max(self._filled_ms, now_ms)
        self._level = min(rate.burst * 1_000, self._level + elapsed_ms * rate.per_second)


class Line:
    """The caps that one session is under: the node's, which all share, and its own."""

    __slots__ = ("_downloads", "_uploads", "is_capped")

    def __init__(self, uploads: tuple[ByteBudget, ...], downloads: tuple[ByteBudget, ...]) -> None:
        self._uploads = tuple(budget for budget in uploads if budget.is_capped)
        self._downloads = tuple(budget for budget in downloads if budget.is_capped)
        self.is_capped = bool(self._uploads or self._downloads)
        """Whether anything ever has to wait; nothing need be told and asked where not."""

    def on_sent(self, count: int, now_ms: int) -> None:
        """Bytes left."""
        for budget in self._uploads:
            budget.charge(count, now_ms)

    def on_received(self, count: int, now_ms: int) -> None:
        """Bytes came."""
        for budget in self._downloads:
            budget.charge(count, now_ms)

    def compute_send_wait_ms(self, now_ms: int) -> int:
        """How long bulk has to wait before it is sent."""
        return max((budget.compute_wait_ms(now_ms) for budget in self._uploads), default=0)

    def compute_receive_wait_ms(self, now_ms: int) -> int:
        """How long to wait before more is read, after bulk."""
        return max((budget.compute_wait_ms(now_ms) for budget in self._downloads), default=0)


UNCAPPED: Final = Line((), ())
"""No caps."""


class LineCaps:
    """The node's caps, and the maker of lines."""

    def __init__(
        self,
        *,
        upload: int = 0,
        download: int = 0,
        upload_peer: int = 0,
        download_peer: int = 0,
        now_ms: int = 0,
    ) -> None:
        """Caps in bytes a second; 0 for none.

        :param now_ms: of the clock that lines are asked with.
        """
        self._upload = ByteBudget(upload, now_ms)
        self._download = ByteBudget(download, now_ms)
        self._upload_peer = upload_peer
        self._download_peer = download_peer

    def make_line(self, now_ms: int) -> Line:
        """The line of a new session."""
        return Line(
            (self._upload, ByteBudget(self._upload_peer, now_ms)),
            (self._download, ByteBudget(self._download_peer, now_ms)),
        )
