"""What an operator may have a running node do: change how much it logs, cut a peer off, stop; and what the
desk for peers does.

Nothing here touches keys or the ledger, and everything but the desk's doings is undone by a restart.
"""

import logging
import os
import signal
from typing import Final, Literal, Protocol

import anyio
import structlog

from tangle.core.types import PublicKey
from tangle.net.errors import SessionClosed
from tangle.node.node import Node
from tangle.node.peer_desk import PeerDesk
from tangle.node.randomness import Randomness
from tangle.node.views import NotFound
from tangle.store.files import read_private_file, write_private_file
from tangle.store.home import Home

LogLevel = Literal["debug", "info", "warning", "error"]
"""The least urgent lines that are logged."""

TOKEN_NAME: Final = "admin.token"  # noqa: S105 -- the name of a file, not a secret
"""File of the home that holds what an operator proves itself with."""

TOKEN_SIZE: Final = 32
"""Random bytes of a token; in hex in its file."""


LEAVING_S: Final = 5.0
"""How long a validator that leaves waits for the others to go on: without it, they may be too few."""

LEAVING_LOOK_S: Final = 0.05
"""Pause between two looks at how far they are."""

log = structlog.get_logger("operator")


class Operator(Protocol):
    """The operator's half of a node."""

    def get_log_level(self) -> LogLevel:
        """How much is logged."""

    def set_log_level(self, level: LogLevel) -> None:
        """Log this much from now on."""

    def cut_peer(self, identity: PublicKey) -> None:
        """End the session with a peer; it may come again.

        :raises NotFound: there is no session with it.
        """

    @property
    def peers(self) -> PeerDesk:
        """What may be done about peers."""

    async def leave(self) -> bool:
        """Have the validator sign nothing more until the next start, or the next epoch.

        :returns: whether there was one that took part; what it had begun to sign is on disk and sent then.
        """

    def stop(self) -> None:
        """Stop the node as a signal would: it finishes what it has begun."""


class NodeOperator:
    """``Operator`` over a running node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.peers = PeerDesk(node.peering)
        """What may be done about peers."""

    def get_log_level(self) -> LogLevel:
        """How much is logged."""
        logger = structlog.get_config()["wrapper_class"]
        levels: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")
        for level in levels:
            if logger is structlog.make_filtering_bound_logger(getattr(logging, level.upper())):
                return level
        return "debug"  # whoever configured another logger filters nothing

    def set_log_level(self, level: LogLevel) -> None:
        """Log this much from now on."""
        number: int = getattr(logging, level.upper())
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))

    def cut_peer(self, identity: PublicKey) -> None:
        """End the session with a peer."""
        for peer in self._node.peering.get_peers():
            if peer.public_key == identity:
                peer.cut(SessionClosed(b"operator"))
                return
        raise NotFound("peer", identity.hex())

    async def leave(self) -> bool:
        """Sign nothing more, and stay until the others have gone on with what was signed last."""
        driver = self._node.driver
        if driver.own_index is None or not driver.is_proposing:
            return False
        await driver.finish()
        driver.is_leaving = True
        last = driver.core.highest_round
        with anyio.move_on_after(LEAVING_S):
            while driver.core.highest_round <= last:  # noqa: ASYNC110 -- rounds are announced to nobody
                await anyio.sleep(LEAVING_LOOK_S)
        log.info("left-committee", epoch=self._node.epochs.epoch, round=last)
        return True

    def stop(self) -> None:
        """Stop the node as a signal would."""
        os.kill(os.getpid(), signal.SIGTERM)


def ensure_token(home: Home, randomness: Randomness) -> str:
    """The home's token, made if there is none.

    :raises HomeUnsafe: others could read it.
    """
    path = home.path / TOKEN_NAME
    if not path.exists():
        write_private_file(path, randomness.get_bytes(TOKEN_SIZE).hex().encode() + b"\n")
    return read_private_file(path).decode("ascii", "replace").strip()
