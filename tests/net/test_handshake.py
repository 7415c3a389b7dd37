"""The handshake: honest sides agree; whoever changes, replays, reflects or pretends is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from tangle.core.signing import SigningKey
from tangle.net.errors import (
    HandshakeFailed,
    HandshakeLowOrder,
    HandshakeMalformed,
    HandshakeReflected,
    HandshakeRole,
    HandshakeSelf,
    HandshakeSignature,
    HandshakeUnauthentic,
    HandshakeUnexpectedPeer,
    HandshakeVersion,
    HandshakeWrongChain,
)
from tangle.net.handshake import EPHEMERAL_SIZE, MAGIC, OPENING_SIZE, PROOF_SIZE, Handshake, Role
from tests.net.builders import (
    OTHER_CHAIN,
    make_initiator,
    make_key,
    make_pair,
    make_responder,
    make_secret,
)

LOW_ORDER_POINTS = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]
"""Points of small order on the curve and its twist, with their non-canonical forms (RFC 7748 section 6.1)."""


def flip(data: bytes, index: int, bit: int = 0) -> bytes:
    """``data`` with one bit changed."""
    return data[:index] + bytes([data[index] ^ (1 << bit)]) + data[index + 1 :]


def replace_ephemeral(opening: bytes, ephemeral: bytes) -> bytes:
    return opening[:-EPHEMERAL_SIZE] + ephemeral


def test_both_sides_learn_who_the_other_is_and_share_a_challenge() -> None:
    alice, bob = make_pair()
    assert alice.peer == make_key("bob").public_key
    assert bob.peer == make_key("alice").public_key
    assert alice.challenge == bob.challenge
    assert alice.leftover == bob.leftover == b""


def test_frames_pass_in_both_directions_afterwards() -> None:
    alice, bob = make_pair()
    assert list(bob.decoder.decode(alice.encoder.encode(b"to bob"))) == [b"to bob"]
    assert list(alice.decoder.decode(bob.encoder.encode(b"to alice"))) == [b"to alice"]


@given(st.lists(st.integers(1, OPENING_SIZE + PROOF_SIZE), max_size=8))
def test_the_pieces_in_which_bytes_arrive_do_not_matter(cuts: list[int]) -> None:
    initiator, responder = make_initiator(), make_responder()
    pending = responder.receive(initiator.start())
    answer = b""
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(pending)], strict=True):
        if initiator.established is None:
            answer += initiator.receive(pending[start:stop])
    responder.receive(answer)
    assert responder.established is not None


def test_what_arrives_after_the_handshake_is_kept_for_the_decoder() -> None:
    initiator, responder = make_initiator(), make_responder()
    last = initiator.receive(responder.receive(initiator.start()))
    assert initiator.established is not None
    responder.receive(last + initiator.established.encoder.encode(b"early"))
    assert responder.established is not None
    assert list(responder.established.decoder.decode(responder.established.leftover)) == [b"early"]


def test_identities_never_cross_the_wire_in_the_clear() -> None:
    initiator, responder = make_initiator(), make_responder()
    first = initiator.start()
    second = responder.receive(first)
    wire = first + second + initiator.receive(second)
    assert wire.find(make_key("alice").public_key) == wire.find(make_key("bob").public_key) == -1


def test_a_responder_says_nothing_before_it_has_seen_an_opening() -> None:
    responder = make_responder()
    assert responder.start() == b""
    assert responder.receive(make_initiator().start()[:-1]) == b""


def test_another_chain_is_refused_by_name_on_both_sides() -> None:
    with pytest.raises(HandshakeWrongChain) as caught:
        make_responder().receive(make_initiator(chain=OTHER_CHAIN).start())
    assert caught.value.found == OTHER_CHAIN
    initiator = make_initiator()
    answer = make_responder(chain=OTHER_CHAIN)
    with pytest.raises(HandshakeWrongChain):
        initiator.receive(answer.receive(make_initiator(chain=OTHER_CHAIN).start()))


def test_a_changed_chain_in_transit_does_not_join_two_networks() -> None:
    opening = make_initiator(chain=OTHER_CHAIN).start()
    changed = opening.replace(OTHER_CHAIN, b"chain-01")
    answer = make_responder().receive(changed)
    victim = make_initiator(chain=OTHER_CHAIN)
    with pytest.raises(HandshakeUnauthentic):
        victim.receive(answer.replace(b"chain-01", OTHER_CHAIN, 1))


def test_another_version_is_refused_by_name() -> None:
    opening = make_initiator().start()
    with pytest.raises(HandshakeVersion) as caught:
        make_responder().receive(opening[: len(MAGIC)] + b"\x02" + opening[len(MAGIC) + 1 :])
    assert caught.value.found == 2


def test_a_reflected_opening_is_refused() -> None:
    initiator = make_initiator()
    with pytest.raises(HandshakeRole):
        initiator.receive(initiator.start())


def test_a_reflected_opening_with_its_role_changed_is_refused() -> None:
    initiator = make_initiator()
    opening = initiator.start()
    place = len(MAGIC) + 1
    reflected = opening[:place] + bytes([Role.RESPONDER]) + opening[place + 1 :]
    with pytest.raises(HandshakeReflected):
        initiator.receive(reflected + bytes(PROOF_SIZE))


def test_two_initiators_refuse_each_other() -> None:
    with pytest.raises(HandshakeRole):
        make_initiator().receive(make_initiator(key="bob", ephemeral="e2").start())


def test_a_node_that_dials_itself_notices_on_both_sides() -> None:
    initiator, responder = make_initiator(key="alice"), make_responder(key="alice")
    answer = responder.receive(initiator.start())
    with pytest.raises(HandshakeSelf):
        initiator.receive(answer)


def test_a_responder_that_is_dialled_by_its_own_identity_refuses() -> None:
    responder = make_responder(key="alice")
    with pytest.raises(HandshakeSelf):
        responder.receive(_impersonate(responder, make_key("alice")))


def _impersonate(responder: Handshake, key: SigningKey) -> bytes:
    """An initiator without this node's own check: opening and proof in one, as ``key``."""
    attacker = Handshake(Role.INITIATOR, make_key("mallory"), make_initiator()._chain, make_secret("e1"))
    answer = responder.receive(attacker.start())
    attacker._check_opening(answer[:OPENING_SIZE])
    keys = attacker._agree(answer[:OPENING_SIZE])
    attacker._key = key
    return attacker._prove(keys)


def test_an_unexpected_peer_is_left_without_learning_who_called() -> None:
    initiator = make_initiator(expected_peer=make_key("carol").public_key)
    with pytest.raises(HandshakeUnexpectedPeer) as caught:
        initiator.receive(make_responder().receive(initiator.start()))
    assert caught.value.found == make_key("bob").public_key
    assert initiator.established is None


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[:8])
def test_low_order_ephemerals_are_refused(point: bytes) -> None:
    with pytest.raises(HandshakeLowOrder):
        make_responder().receive(replace_ephemeral(make_initiator().start(), point))


@given(st.integers(0, PROOF_SIZE - 1), st.integers(0, 7))
def test_a_changed_proof_is_refused(index: int, bit: int) -> None:
    initiator = make_initiator()
    answer = make_responder().receive(initiator.start())
    with pytest.raises(HandshakeUnauthentic):
        initiator.receive(flip(answer, OPENING_SIZE + index, bit))


@given(st.integers(0, OPENING_SIZE - 1), st.integers(0, 7))
def test_any_change_to_an_opening_ends_the_handshake(index: int, bit: int) -> None:
    initiator, responder = make_initiator(), make_responder()
    with pytest.raises(HandshakeFailed):
        initiator.receive(responder.receive(flip(initiator.start(), index, bit)))


def test_a_party_in_the_middle_with_its_own_ephemeral_cannot_pass_proofs_on() -> None:
    initiator, responder = make_initiator(), make_responder()
    middle = crypto_scalarmult_base(make_secret("mallory"))
    answer = responder.receive(replace_ephemeral(initiator.start(), middle))
    with pytest.raises(HandshakeUnauthentic):
        initiator.receive(replace_ephemeral(answer[:OPENING_SIZE], middle) + answer[OPENING_SIZE:])


def test_a_replayed_answer_does_not_open_for_another_session() -> None:
    recorded = make_responder().receive(make_initiator().start())
    with pytest.raises(HandshakeUnauthentic):
        make_initiator(ephemeral="fresh").receive(recorded)


def test_a_replayed_initiator_does_not_pass_at_a_fresh_responder() -> None:
    initiator = make_initiator()
    opening = initiator.start()
    proof = initiator.receive(make_responder().receive(opening))
    fresh = make_responder(ephemeral="fresh")
    fresh.receive(opening)
    with pytest.raises(HandshakeUnauthentic):
        fresh.receive(proof)


def test_an_identity_without_its_secret_is_refused() -> None:
    responder = make_responder()
    thief = make_key("mallory")
    thief.public_key = make_key("alice").public_key
    with pytest.raises(HandshakeSignature) as caught:
        responder.receive(_impersonate(responder, thief))
    assert caught.value.public_key == make_key("alice").public_key


def test_a_proof_of_the_other_role_is_refused() -> None:
    """The responder's own kind of proof, made by a peer for the initiator's place."""
    responder = make_responder()
    attacker = Handshake(Role.INITIATOR, make_key("mallory"), make_initiator()._chain, make_secret("e1"))
    keys = attacker._agree(responder.receive(attacker.start())[:OPENING_SIZE])
    attacker._role = Role.RESPONDER
    with pytest.raises(HandshakeSignature):
        responder.receive(attacker._prove(keys))


@given(st.binary(min_size=1, max_size=300))
def test_garbage_is_refused_at_its_first_wrong_byte(garbage: bytes) -> None:
    responder = make_responder()
    if MAGIC.startswith(garbage[: len(MAGIC)]):
        assert responder.receive(garbage[: len(MAGIC)]) == b""
    else:
        with pytest.raises(HandshakeMalformed):
            responder.receive(garbage)


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n"], ids=["http", "tls", "ssh"]
)
def test_other_protocols_are_refused_at_once(start: bytes) -> None:
    with pytest.raises(HandshakeMalformed):
        make_responder().receive(start)


@pytest.mark.parametrize("size", [0, 1, OPENING_SIZE - 1, OPENING_SIZE, OPENING_SIZE + PROOF_SIZE - 1])
def test_no_early_end_passes_for_a_handshake(size: int) -> None:
    initiator = make_initiator()
    assert initiator.receive(make_responder().receive(initiator.start())[:size]) == b""
    assert initiator.established is None
    assert initiator.compute_truncation().received == size
