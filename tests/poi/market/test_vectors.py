"""The published vectors, and what of them can be done again by hand from the document alone."""

import json
from hashlib import blake2b
from itertools import pairwise
from math import hypot
from pathlib import Path
from typing import Any

import cbor2

from poi.market.machine import Market
from poi.market.records import decode_market
from tools.make_market_vectors import RULES, make_vectors

FILE = Path(__file__).parents[2] / "vectors" / "market" / "market.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())
CHECKPOINTS: list[dict[str, Any]] = VECTORS["checkpoints"]
CUSTOMER, FIRST, SECOND = (bytes([number]) * 32 for number in (1, 2, 3))


def hash_array(purpose: bytes, *items: object) -> bytes:
    return blake2b(cbor2.dumps(list(items)), digest_size=32, person=purpose).digest()


def list_outcomes(checkpoint: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in checkpoint["steps"] if "refused" not in each] + [checkpoint["advance"]]


def list_events(checkpoint: dict[str, Any]) -> list[list[Any]]:
    return [
        cbor2.loads(bytes.fromhex(event)) for each in list_outcomes(checkpoint) for event in each["events"]
    ]


def test_the_published_file_is_what_the_code_computes() -> None:
    assert make_vectors() == VECTORS


def test_every_state_reads_back_and_holds_what_moved() -> None:
    held = 0
    for checkpoint in CHECKPOINTS:
        for outcome in list_outcomes(checkpoint):
            for movement in outcome["movements"]:
                held += movement[2] if movement[0] == "debit" else -movement[-2]
        state = decode_market(bytes.fromhex(checkpoint["state"]))
        assert Market(state, RULES).held == checkpoint["held"] == held
    assert held == 10**9, "the deposit of the program, which nobody retired"


def test_names_units_and_prices_of_jobs() -> None:
    opened = [event for event in list_events(CHECKPOINTS[1]) if event[0] == 1]
    units = -(-7 * 701_234 // 65_536) + -(-7 * 99_999 // 4_096)
    assert units == 246
    assert [event[2] for event in opened[:3]] == [units, -(-units * 11 // 10), 2]
    assert [event[3] for event in opened[:3]] == [246_000, 271_000, 10**6]
    names = [hash_array(b"tangle/market", CUSTOMER, sequence) for sequence in range(4)]
    assert [event[1] for event in opened] == names


def test_the_first_draws() -> None:
    """Two inference jobs; weights are min(speed, units) times (unit of stake plus stake)."""
    drawn = [event for event in list_events(CHECKPOINTS[2]) if event[0] == 2]
    beacon = bytes.fromhex(CHECKPOINTS[2]["beacon"])
    for event, sequence, units in zip(drawn, (0, 1), (246, 271), strict=True):
        weights = [(FIRST, min(400, units) * 2 * 10**12), (SECOND, min(100, units) * 4 * 10**12)]
        job = hash_array(b"tangle/market", CUSTOMER, sequence)
        place = int.from_bytes(hash_array(b"tangle/market", beacon, job, 0), "big")
        place %= weights[0][1] + weights[1][1]
        assert event[1:3] == [job, FIRST if place < weights[0][1] else SECOND]
        assert event[3] == CHECKPOINTS[2]["now_ms"] + 1_500


def test_a_lost_dispute_divides_the_bond() -> None:
    bond = 2 * 271_000
    (challenge,) = CHECKPOINTS[4]["steps"]
    move, *votes, decision = CHECKPOINTS[5]["steps"]
    assert [each["movements"] for each in (move, *votes)] == [[], [], []]
    assert [movement[2] for movement in challenge["movements"]] == [bond]
    assert decision["movements"] == [
        ["credit", challenge["account"], bond + bond // 2, 8],
        ["burn", bond // 2, 8],
    ]


def test_values_of_answers() -> None:
    for vector in VECTORS["problems"][:2]:
        ((_, points),) = cbor2.loads(bytes.fromhex(vector["problem"]))
        (places,) = cbor2.loads(bytes.fromhex(vector["answer"]))
        tour = [points[place] for place in (*places, places[0])]
        legs = pairwise(tour)
        assert vector["value"] == sum(int(hypot(a[0] - b[0], a[1] - b[1]) + 0.5) for a, b in legs)
    assert [vector["value"] for vector in VECTORS["problems"][2:]] == [7 + 5 + 2, 2]
    assert all(len(vector["problem"]) == 2 * vector["length"] for vector in VECTORS["problems"])


def test_refusals() -> None:
    assert [step["refused"] for step in CHECKPOINTS[1]["steps"] if "refused" in step] == [
        "job-unfunded",
        "market-not-owner",
    ]
