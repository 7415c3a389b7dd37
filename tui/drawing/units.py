"""Figures as people read them: grouped thousands, durations, sizes, percentages."""

from datetime import UTC, datetime

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


def format_count(count: int) -> str:
    """``12345`` as ``12,345``; from ten million on as ``12.3M``."""
    return f"{count / 1e6:.1f}M" if count >= 10_000_000 else f"{count:,}"


def format_rate(rate: float) -> str:
    """A rate with as many digits as say something: ``0.4``, ``21.3``, ``1,204``."""
    return f"{rate:.1f}" if rate < 100 else f"{rate:,.0f}"


def format_milliseconds(milliseconds: float | None) -> str:
    """``1.6 ms``, ``412 ms``, ``1.24 s``, or a dash for none."""
    if milliseconds is None:
        return "-"
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.2f} s"


def format_duration(seconds: float) -> str:
    """The two largest units: ``14s``, ``3m 05s``, ``3h 12m``, ``2d 07h``."""
    whole = int(seconds)
    if whole < MINUTE_S:
        return f"{whole}s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}m {whole % MINUTE_S:02}s"
    if whole < DAY_S:
        return f"{whole // HOUR_S}h {whole % HOUR_S // MINUTE_S:02}m"
    return f"{whole // DAY_S}d {whole % DAY_S // HOUR_S:02}h"


def format_bytes(size: int) -> str:
    """``812 B``, ``14.2 KB``, ``183 MB`` in powers of 1000."""
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1_000:
            return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1_000
    return f"{amount:.1f} TB"


def format_clock(timestamp_ms: int) -> str:
    """Time of day in UTC, to the second."""
    return datetime.fromtimestamp(timestamp_ms / 1_000, tz=UTC).strftime("%H:%M:%S")


def format_key(key: str, digits: int = 8) -> str:
    """The first digits of a key."""
    return key[:digits]


def compute_percent(part: int, whole: int) -> float:
    """``part`` of ``whole`` in percent; 0 of nothing."""
    return 100.0 * part / whole if whole else 0.0
