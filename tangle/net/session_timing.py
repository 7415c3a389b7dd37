"""How patient a session with a peer is."""

from typing import Final

from msgspec import Struct


class SessionTiming(Struct, frozen=True):
    """How patient a session is. Simulations and tests hand in their own."""

    handshake_timeout_s: float = 5.0
    """For the whole handshake: a stranger costs this node memory for no longer."""

    stall_timeout_s: float = 20.0
    """For the peer to take one write of at most one frame."""

    ping_interval_s: float = 15.0
    """Between pings."""

    pong_timeout_s: float = 20.0
    """For the answer to a ping; a peer that dribbles bytes without ever ending a frame is caught by it."""

    request_timeout_s: float = 10.0
    """For the answer to a request, waiting for a free place included."""

    goodbye_timeout_s: float = 2.0
    """For what waits, and the goodbye, to leave."""


DEFAULT_TIMING: Final = SessionTiming()
"""For real networks."""
