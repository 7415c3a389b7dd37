"""What a session tells of itself."""

from msgspec import Struct


class SessionStatistics(Struct, frozen=True):
    """Figures of one session, for metrics and people."""

    bytes_received: int
    """Encrypted bytes since the handshake."""

    bytes_sent: int
    """Encrypted bytes since the handshake."""

    messages_received: int
    """Messages of all kinds."""

    messages_sent: int
    """Messages of all kinds."""

    queued_messages: int
    """Messages that wait to be sent."""

    queued_bytes: int
    """Their size."""

    requests_pending: int
    """Requests without a response yet."""

    round_trip_ms: float | None
    """Smoothed time of a ping to come back, none before the first."""

    opened_at_s: float
    """Clock of the event loop when the session began."""
