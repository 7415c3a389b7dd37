"""What can go wrong between two peers, each fault with the code that peer scores, metrics and logs use.

Four families, one per layer: the handshake, the encrypted frames, the messages inside them, and the session
that carries them. ``tangle.net.peers`` says how many points each code costs the peer.
"""

from tangle.core.errors import TangleError


class PeerFault(TangleError):
    """Root of everything that ends a peer's connection."""

    code = "peer-fault"


class HandshakeFailed(PeerFault):
    """Root of the reasons why a connection never became a session."""

    code = "handshake-failed"


class HandshakeMalformed(HandshakeFailed):
    """Bytes that are no opening of this protocol: another protocol, a port scanner, line noise."""

    code = "handshake-malformed"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the peer does not speak this protocol: {reason}")


class HandshakeVersion(HandshakeFailed):
    """A peer that speaks another version of the session protocol."""

    code = "handshake-version"

    def __init__(self, found: int, expected: int) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"the peer speaks session version {found}, this node speaks {expected}; update the older"
        )


class HandshakeWrongChain(HandshakeFailed):
    """A peer of another network."""

    code = "handshake-chain"

    def __init__(self, found: bytes, expected: bytes) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"the peer serves chain {found.hex()}, this node serves chain {expected.hex()}")


class HandshakeRole(HandshakeFailed):
    """A peer that claims the same role as this side: a reflected opening, or a confused peer."""

    code = "handshake-role"

    def __init__(self, found: int, expected: int) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"the peer opened in role {found} where only role {expected} fits")


class HandshakeReflected(HandshakeFailed):
    """The ephemeral key of this side came back."""

    code = "handshake-reflected"

    def __init__(self) -> None:
        super().__init__("the peer sent this node's own ephemeral key back")


class HandshakeLowOrder(HandshakeFailed):
    """An ephemeral key of low order: the shared secret would be known to everybody."""

    code = "handshake-low-order"

    def __init__(self, ephemeral: bytes) -> None:
        self.ephemeral = ephemeral
        super().__init__(f"the peer's ephemeral key {ephemeral.hex()} is of low order")


class HandshakeUnauthentic(HandshakeFailed):
    """A sealed identity that does not open: tampered with, replayed, or made by a party in the middle."""

    code = "handshake-unauthentic"

    def __init__(self) -> None:
        super().__init__("the peer's sealed identity does not open under this session's keys")


class HandshakeSignature(HandshakeFailed):
    """A peer that does not hold the secret of the identity that it claims."""

    code = "handshake-signature"

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        super().__init__(f"the peer did not prove that it is {public_key.hex()}")


class HandshakeSelf(HandshakeFailed):
    """The node reached itself."""

    code = "handshake-self"

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        super().__init__("this node reached itself; the address is one of its own")


class HandshakeUnexpectedPeer(HandshakeFailed):
    """The address is answered by another node than the one that was asked for."""

    code = "handshake-peer"

    def __init__(self, found: bytes, expected: bytes) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"the address is answered by {found.hex()}, expected {expected.hex()}")


class HandshakeTruncated(HandshakeFailed):
    """The peer hung up in the middle of the handshake."""

    code = "handshake-truncated"

    def __init__(self, received: int) -> None:
        self.received = received
        super().__init__(f"the peer hung up after {received} bytes of the handshake")


class HandshakeTimeout(HandshakeFailed):
    """The handshake was not done in time."""

    code = "handshake-timeout"

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"the peer did not finish the handshake in {timeout_s:g} s")


class FrameOversize(PeerFault):
    """A frame whose announced length is over the limit; refused before it is buffered."""

    code = "frame-oversize"

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"a frame of {size} bytes is over the limit of {limit} bytes")


class FrameUndersize(PeerFault):
    """A frame too short to hold the cipher's own overhead."""

    code = "frame-undersize"

    def __init__(self, size: int, minimum: int) -> None:
        self.size = size
        self.minimum = minimum
        super().__init__(f"a frame of {size} bytes is shorter than the {minimum} bytes of an empty one")


class FrameUnauthentic(PeerFault):
    """A frame that does not decrypt at its place: changed, replayed, reordered, or one before it was
    dropped.
    """

    code = "frame-unauthentic"

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"frame {index} does not decrypt: it was changed, replayed or moved")


class StreamTruncated(PeerFault):
    """The connection ended without the final frame: the peer died, or somebody cut the line."""

    code = "stream-truncated"

    def __init__(self, buffered: int) -> None:
        self.buffered = buffered
        super().__init__(f"the connection ended without a goodbye, {buffered} bytes into a frame")


class StreamContinued(PeerFault):
    """Bytes after the final frame."""

    code = "stream-continued"

    def __init__(self) -> None:
        super().__init__("the peer sent bytes after its final frame")


class UnknownMessage(PeerFault):
    """A message whose tag is none of this version's."""

    code = "message-unknown"

    def __init__(self, start: bytes) -> None:
        self.start = start
        super().__init__(f"no message of this version starts with {start.hex() or 'nothing'}")


class UnsolicitedResponse(PeerFault):
    """A response or pong that nobody asked for, or of another kind than was asked for."""

    code = "response-unsolicited"

    def __init__(self, message: str, request: int) -> None:
        self.message = message
        self.request = request
        super().__init__(f"{message} answers request {request}, which this node did not make")


class PeerStalled(PeerFault):
    """A peer that does not read what is sent to it."""

    code = "peer-stalled"

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"the peer has not read anything for {timeout_s:g} s")


class PeerSilent(PeerFault):
    """A peer that does not answer a ping."""

    code = "peer-silent"

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"the peer has not answered a ping for {timeout_s:g} s")


class PeerSaidGoodbye(PeerFault):
    """The peer closed the session in good order and said why."""

    code = "peer-goodbye"

    def __init__(self, reason: bytes) -> None:
        self.reason = reason
        super().__init__(f"the peer closed the session: {reason.decode('ascii', 'replace')}")


class SessionClosed(PeerFault):
    """The session was closed by this side; nothing more can be sent."""

    code = "session-closed"

    def __init__(self, reason: bytes) -> None:
        self.reason = reason
        super().__init__(f"the session is closed: {reason.decode('ascii', 'replace')}")


class LaneFull(TangleError):
    """No room to send without waiting: the peer reads more slowly than this node writes."""

    code = "lane-full"

    def __init__(self, lane: str, size: int) -> None:
        self.lane = lane
        self.size = size
        super().__init__(f"{size} more bytes do not fit into the {lane} lane to this peer")


class RequestTimeout(TangleError):
    """A peer that did not answer a request in time; another peer may."""

    code = "request-timeout"

    def __init__(self, message: str, timeout_s: float) -> None:
        self.message = message
        self.timeout_s = timeout_s
        super().__init__(f"{message} was not answered in {timeout_s:g} s")


class RequestRefused(TangleError):
    """A peer that answered a request with a refusal."""

    code = "request-refused"

    def __init__(self, message: str, reason: bytes) -> None:
        self.message = message
        self.reason = reason
        super().__init__(f"{message} was refused: {reason.decode('ascii', 'replace')}")


class InvalidAddress(TangleError):
    """Text that is no ``host:port``."""

    code = "address-invalid"

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is not an address like 192.0.2.1:15600 or [2001:db8::1]:15600: {reason}")


class DialFailed(TangleError):
    """An address where nobody answers."""

    code = "dial-failed"

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"cannot connect to {address}: {reason}")


class ListenFailed(TangleError):
    """An address that this node cannot listen on."""

    code = "listen-failed"

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"cannot listen on {address}: {reason}; choose another port or stop what uses it")


class Throttled(TangleError):
    """A sender over its rate."""

    code = "throttled"

    def __init__(self, retry_after_ms: int) -> None:
        self.retry_after_ms = retry_after_ms
        super().__init__(f"over the rate; try again in {retry_after_ms} ms")
