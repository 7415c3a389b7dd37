"""Two sides of a connection, with keys and secrets that are the same on every run."""

from hashlib import blake2b

from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, PublicKey
from tangle.net.handshake import Established, Handshake, Role

CHAIN = ChainId(b"chain-01")
OTHER_CHAIN = ChainId(b"chain-02")


def make_secret(name: str) -> bytes:
    """32 bytes that depend on the name only."""
    return blake2b(name.encode(), digest_size=32).digest()


def make_key(name: str) -> SigningKey:
    return SigningKey(make_secret(name))


def make_initiator(
    *,
    key: str = "alice",
    chain: ChainId = CHAIN,
    ephemeral: str = "e1",
    expected_peer: PublicKey | None = None,
) -> Handshake:
    return Handshake(
        Role.INITIATOR, make_key(key), chain, make_secret(ephemeral), expected_peer=expected_peer
    )


def make_responder(*, key: str = "bob", chain: ChainId = CHAIN, ephemeral: str = "e2") -> Handshake:
    return Handshake(Role.RESPONDER, make_key(key), chain, make_secret(ephemeral))


def shake_hands(initiator: Handshake, responder: Handshake) -> tuple[Established, Established]:
    """Carry the three flights between two sides; answers what each is left with."""
    responder.receive(initiator.receive(responder.receive(initiator.start())))
    assert initiator.established is not None
    assert responder.established is not None
    return initiator.established, responder.established


def make_pair() -> tuple[Established, Established]:
    """A finished session between Alice, who dialled, and Bob."""
    return shake_hands(make_initiator(), make_responder())
