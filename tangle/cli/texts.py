"""Times, sizes and counts as people read them."""

from datetime import UTC, datetime


def format_time(timestamp_ms: int) -> str:
    """``2026-05-01 12:00:00 UTC``; in UTC, because a proof is read anywhere."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_span(seconds: float) -> str:
    """``12 s``, ``5 min 3 s``, ``2 h 4 min``, ``3 d 1 h``."""
    whole = int(seconds)
    for unit, size, smaller, smaller_size in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller_size} {smaller}"
    return f"{whole} s"


def format_size(size_bytes: int) -> str:
    """``312.4 MB``: decimal units, one decimal."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
