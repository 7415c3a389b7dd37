"""Wall clocks that are wrong: each begins beside the true time and runs a little too fast or too slow."""

from typing import Final

import anyio

START_MS: Final = 1_700_000_000_000
"""True wall time at which every simulation begins."""


class DriftingClock:
    """The clock seam's twin."""

    def __init__(self, offset_ms: int, drift_ppm: int) -> None:
        """:param offset_ms: how far ahead of the true time it begins.
        :param drift_ppm: microseconds that it gains in each true second.
        """
        self._offset_ms = offset_ms
        self._drift_ppm = drift_ppm

    def now_ms(self) -> int:
        """See ``Clock.now_ms``."""
        true_ms = int(anyio.current_time() * 1_000)
        return START_MS + self._offset_ms + true_ms + true_ms * self._drift_ppm // 1_000_000

    def monotonic_s(self) -> float:
        """See ``Clock.monotonic_s``."""
        return anyio.current_time()
