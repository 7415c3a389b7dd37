"""What the double's blobs need of a network: sessions with nobody."""

from tangle.core.errors import TangleError
from tangle.node.peer import Peer


class NoPeers:
    """Sessions with nobody."""

    def get_peers(self) -> list[Peer]:
        return []

    def blame(self, peer: Peer, error: TangleError) -> None:
        raise AssertionError("there is nobody to blame")
