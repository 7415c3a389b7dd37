"""Bans: who is kept out, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.types import PublicKey
from tangle.net.bans import (
    AUTOMATIC_MAX,
    MANUAL_MAX,
    Ban,
    BanList,
    BansFull,
    InvalidSubject,
    format_subject,
    parse_subject,
)

KEY = PublicKey(b"k" * 32)
NOW_MS = 1_700_000_000_000


def test_a_ban_of_an_identity_ends() -> None:
    bans = BanList()
    bans.add(KEY, "encoding-malformed", NOW_MS, NOW_MS + 10, is_manual=False)
    assert bans.find_identity(KEY, NOW_MS + 9) == Ban(
        KEY.hex(), "encoding-malformed", NOW_MS, NOW_MS + 10, False
    )
    assert bans.find_identity(KEY, NOW_MS + 10) is None
    assert bans.list_bans(NOW_MS + 10) == ()
    bans.expire(NOW_MS + 10)
    assert not bans.remove(KEY)


def test_a_ban_of_a_network_is_of_all_its_hosts() -> None:
    bans = BanList()
    bans.add(parse_subject("80.90.0.0/16"), "spam", NOW_MS, 0, is_manual=True)
    for host in ("80.90.1.2", "::ffff:80.90.1.2"):
        assert bans.find_host(host, NOW_MS + 10**12) is not None
    for host in ("80.91.1.2", "2606:4700::1", "a.name", "", "fe80::1%eth0"):
        assert bans.find_host(host, NOW_MS) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("::1", "::1/128"),
        ("2001:db8::5/32", "2001:db8::/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
        ("AB" * 32, "ab" * 32),
    ],
)
def test_subjects(text: str, shown: str) -> None:
    subject = parse_subject(text)
    assert format_subject(subject) == shown
    assert parse_subject(shown) == subject


@pytest.mark.parametrize(
    "text", ["", "a.name", "1.2.3", "192.0.2.7/33", "zz" * 32, "ab" * 31, "192.0.2.7:15600", "x" * 10_000]
)
def test_what_names_nobody(text: str) -> None:
    with pytest.raises(InvalidSubject) as caught:
        parse_subject(text)
    assert len(str(caught.value)) < 250


def test_the_operators_word_stands_above_the_nodes() -> None:
    bans = BanList()
    bans.add(KEY, "spam", NOW_MS, 0, is_manual=True)
    bans.add(KEY, "throttled", NOW_MS, NOW_MS + 5, is_manual=False)
    assert bans.list_bans(NOW_MS + 5) == (Ban(KEY.hex(), "spam", NOW_MS, 0, True),)
    assert bans.remove(KEY)
    assert bans.find_identity(KEY, NOW_MS) is None


def test_the_lists_are_bounded_each_for_itself() -> None:
    bans = BanList()
    for index in range(AUTOMATIC_MAX + 5):
        bans.add(PublicKey(index.to_bytes(32, "big")), "x", NOW_MS, NOW_MS + 1_000 + index, is_manual=False)
    assert len(bans.list_bans(NOW_MS)) == AUTOMATIC_MAX
    assert bans.find_identity(PublicKey(bytes(32)), NOW_MS) is None
    for index in range(MANUAL_MAX):
        bans.add(
            parse_subject(f"10.{index // 256}.{index % 256}.0/24"), "x" * 1_000, NOW_MS, 0, is_manual=True
        )
    with pytest.raises(BansFull):
        bans.add(KEY, "x", NOW_MS, 0, is_manual=True)
    bans.add(parse_subject("10.0.0.0/24"), "again", NOW_MS, 0, is_manual=True)
    assert len(bans.list_bans(NOW_MS)) == AUTOMATIC_MAX + MANUAL_MAX


def test_bans_outlive_a_restart_and_those_that_nobody_can_read_do_not() -> None:
    bans = BanList()
    bans.add(KEY, "spam", NOW_MS, 0, is_manual=True)
    bans.add(parse_subject("10.0.0.0/8"), "spam", NOW_MS, NOW_MS + 9, is_manual=False)
    kept = bans.list_bans(NOW_MS)
    assert BanList((*kept, Ban("somebody", "", 0, 0, True))).list_bans(NOW_MS) == kept


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 50), st.integers(0, 20))))
def test_whoever_is_banned_is_listed(moves: list[tuple[int, bool, int, int]]) -> None:
    bans, now_ms = BanList(), NOW_MS
    for who, is_manual, length_ms, pause_ms in moves:
        now_ms += pause_ms
        key = PublicKey(bytes([who]) * 32)
        bans.add(key, "x", now_ms, now_ms + length_ms if length_ms else 0, is_manual=is_manual)
        listed = {ban.subject for ban in bans.list_bans(now_ms)}
        found = {
            bytes([one]).hex() * 32
            for one in range(6)
            if bans.find_identity(PublicKey(bytes([one]) * 32), now_ms)
        }
        assert listed == found
        assert key.hex() in listed
