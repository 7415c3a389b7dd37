"""Rooms behind the sessions: who deals with what peers say and ask, and why a node without them refuses."""

from collections.abc import Sequence
from typing import Final, Protocol

from tangle.net.bundle_messages import GetBundle
from tangle.net.ledger_messages import LedgerRequest
from tangle.net.messages import (
    Announce,
    BlobRequest,
    GetBlobHoldings,
    GetBlobRange,
    Hello,
    Request,
    Response,
)
from tangle.net.replica_messages import AskReplica, ReplicaRequest, ShowReplica
from tangle.net.snapshot_messages import GetSnapshots
from tangle.node.peer import Peer

RoomRequest = BlobRequest | ReplicaRequest | GetBundle | GetSnapshots
"""What rooms answer that a node may lack."""

NO_ROOM: Final[dict[type[Request], bytes]] = {
    GetBlobHoldings: b"blob-unknown",
    GetBlobRange: b"blob-unknown",
    GetBundle: b"bundle-unknown",
    GetSnapshots: b"snapshots-unknown",
    AskReplica: b"replica-not-offered",
    ShowReplica: b"replica-not-offered",
}
"""Why a node refuses what it has no room for."""


class PeerHooks(Protocol):
    """What the node does with what peers say."""

    def make_hello(self) -> Hello:
        """How far this node is."""

    def on_transactions(self, items: Sequence[bytes], peer: Peer) -> None:
        """New transactions."""

    def on_announce(self, message: Announce, peer: Peer) -> None:
        """Ids of transactions that the peer has."""

    def on_blocks(self, items: Sequence[bytes], peer: Peer) -> None:
        """Committee blocks."""

    def answer(self, request: LedgerRequest) -> Response:
        """The response to a request."""

    def on_connected(self, peer: Peer) -> None:
        """A session began."""

    def on_behind(self, peer: Peer) -> None:
        """A peer says that it is behind this node: show it what validators signed lately."""


class BlobHooks(Protocol):
    """Who answers for the blobs."""

    def on_request(self, request: BlobRequest, peer: Peer) -> None:
        """Answer later, from a task: the disk may take its time."""


class ReplicaHooks(Protocol):
    """Who runs programs for others."""

    def on_request(self, request: ReplicaRequest, peer: Peer) -> None:
        """Answer later, from a task."""


class BundleHooks(Protocol):
    """Who gives bundles of other shards to others."""

    def on_request(self, request: GetBundle, peer: Peer) -> None:
        """Answer later, from a task."""


class SnapshotHooks(Protocol):
    """Who knows which snapshots there are."""

    def on_request(self, request: GetSnapshots, peer: Peer) -> None:
        """Answer at once: it is small."""
