"""The published handshake vector: the bytes of both sides from fixed keys, compared with the file byte by
byte.

To write the file anew after a deliberate change of the protocol: ``python -m tests.net.test_vectors``.
"""

import json
from pathlib import Path
from typing import Any, Final

from tangle.core.signing import SigningKey
from tangle.core.types import ChainId
from tangle.net.handshake import SESSION_VERSION, Handshake, Role

VECTOR: Final = Path(__file__).resolve().parent.parent / "vectors" / "net" / "handshake.json"

SEEDS: Final = {
    "chain": "0001020304050607",
    "initiator_seed": "11" * 32,
    "responder_seed": "22" * 32,
    "initiator_ephemeral": "33" * 32,
    "responder_ephemeral": "44" * 32,
}
"""What the vector is computed from."""


def compute_vector() -> dict[str, Any]:
    """Everything that crosses the wire, and what both sides end with."""
    chain = ChainId(bytes.fromhex(SEEDS["chain"]))
    alice, bob = (SigningKey(bytes.fromhex(SEEDS[name])) for name in ("initiator_seed", "responder_seed"))
    initiator = Handshake(Role.INITIATOR, alice, chain, bytes.fromhex(SEEDS["initiator_ephemeral"]))
    responder = Handshake(Role.RESPONDER, bob, chain, bytes.fromhex(SEEDS["responder_ephemeral"]))
    first = initiator.start()
    second = responder.receive(first)
    third = initiator.receive(second)
    responder.receive(third)
    assert initiator.established is not None
    assert responder.established is not None
    frames = [
        ("initiator", b"ping", False),
        ("responder", b"pong", False),
        ("initiator", b"", False),
        ("initiator", b"bye", True),
    ]
    encoders = {"initiator": initiator.established.encoder, "responder": responder.established.encoder}
    return {
        "version": SESSION_VERSION,
        **SEEDS,
        "initiator_identity": alice.public_key.hex(),
        "responder_identity": bob.public_key.hex(),
        "flights": [first.hex(), second.hex(), third.hex()],
        "challenge": initiator.established.challenge.hex(),
        "frames": [
            {
                "sender": sender,
                "payload": payload.hex(),
                "is_final": is_final,
                "frame": encoders[sender].encode(payload, is_final=is_final).hex(),
            }
            for sender, payload, is_final in frames
        ],
    }


def test_the_published_vector_holds() -> None:
    assert compute_vector() == json.loads(VECTOR.read_text())


if __name__ == "__main__":
    VECTOR.write_text(json.dumps(compute_vector(), indent=2) + "\n")
