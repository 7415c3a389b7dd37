"""Whoever stands on the path ends sessions and nothing else: no byte counts twice, and nodes meet again."""

from collections.abc import Iterator

import pytest
from nacl.exceptions import CryptoError

from simnet.chance import SeededRandomness
from simnet.faults import Clog, Fault, HalfOpen, OldHandshake, Tamper
from simnet.run import Report, run_simulation
from simnet.tampering import NOTICE_S, Tampering
from simnet.verdicts import Invariant, Pass, Violated
from tangle.net import frames
from tangle.net.errors import FrameUnauthentic
from tangle.net.handshake import EPHEMERAL_SIZE, Handshake
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]


def run_two(fault: Fault, time_s: float = 6.0, rate: float = 8.0) -> tuple[Report, list[str]]:
    """Two nodes that need each other for every round."""
    lines: list[str] = []
    options = make_options(3, nodes=2, time_s=time_s, faults=(fault,), rate=rate)
    return run_simulation(options, sink=lines.append), lines


@pytest.mark.parametrize("how", list(Tampering), ids=lambda how: how.value)
def test_a_stream_that_was_tampered_with_is_left_and_made_anew(how: Tampering) -> None:
    report, lines = run_two(Tamper(1.5, 5.0, 0, 1, how, 0.3))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.tampering[how.value] >= 3
    assert sum(" connect " in line for line in lines) >= 4
    assert any("unauthentic" in line or "handshake" in line for line in lines)
    assert not any("peer-banned" in line for line in lines)


@pytest.mark.parametrize(("source", "target"), [(0, 1), (1, 0)])
def test_an_old_handshake_is_answered_as_a_strangers_first_word_is(source: int, target: int) -> None:
    report, lines = run_two(OldHandshake(2.0, 2.0, source, target))
    assert isinstance(report.verdict, Pass), report.verdict
    dialled = any(f"10.0.0.{source + 1} connect to=10.0.0.{target + 1}" in line for line in lines)
    assert dialled
    assert report.tampering == {"handshake-replayed": 1}
    assert sum("handshake-unauthentic" in line for line in lines) == 1


def test_what_somebody_on_the_path_adds_to_an_answer_is_not_the_answer() -> None:
    options = make_options(
        3,
        nodes=2,
        faults=(Tamper(2.0, 2.3, 0, 1, Tampering.DUPLICATED, 1.0), OldHandshake(2.1, 2.1, 1, 0)),
    )
    report = run_simulation(options)
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.tampering["handshake-replayed"] == 1


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_half_a_connection_gives_way_to_a_whole_one(first: int, second: int) -> None:
    report, _ = run_two(HalfOpen(1.5, 1.5, first, second))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.recovery_s is not None
    assert report.recovery_s < 15, "nobody waits for a ping that is not answered"


def test_a_clogged_link_holds_one_direction() -> None:
    report, _ = run_two(Clog(2.0, 4.0, 0, 1))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.faults == {"Clog": 1}


@pytest.fixture
def _forgiving_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a frame that does not fit is left out, and the session goes on."""
    decode = frames.FrameDecoder.decode

    def pass_over(decoder: frames.FrameDecoder, data: bytes) -> Iterator[bytes]:
        try:
            yield from decode(decoder, data)
        except (FrameUnauthentic, CryptoError):
            decoder._buffer.clear()

    monkeypatch.setattr(frames.FrameDecoder, "decode", pass_over)


@pytest.mark.usefixtures("_forgiving_frames")
def test_a_session_that_goes_on_over_a_forged_frame_is_found() -> None:
    report, _ = run_two(Tamper(1.5, 2.5, 0, 1, Tampering.DUPLICATED, 1.0), NOTICE_S + 4, rate=1.0)
    assert isinstance(report.verdict, Violated), report.verdict
    assert report.verdict.invariant is Invariant.SESSIONS
    assert "reads on" in report.verdict.detail


def test_a_handshake_that_can_be_played_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a node's ephemeral secret is the same for every connection."""
    monkeypatch.setattr(SeededRandomness, "get_bytes", lambda _, count: bytes(range(count)))
    monkeypatch.setattr(Handshake, "_check_opening", lambda _, opening: opening[-EPHEMERAL_SIZE:])
    options = make_options(3, nodes=2, faults=(OldHandshake(2, 2, 0, 1), OldHandshake(2, 2, 1, 0)))
    report = run_simulation(options)
    assert isinstance(report.verdict, Violated), report.verdict
    assert report.verdict.invariant is Invariant.SESSIONS
    assert "played again" in report.verdict.detail
