"""The shared computer: the answers of the plain one, most of them computed once, and changed ones noticed."""

import pytest
from msgspec.structs import replace

from poi.events import Assignment, EvaluateRequest
from poi.job import compute_job_id
from poi.weights import compute_effective, compute_initial_master, encode_effective
from shards.blocks import SignatureClaim
from simnet import computer as computer_module
from simnet.chance import make_key
from simnet.computer import ANSWERS_MAX, CHECKED_EVERY, SharedComputer
from simnet.errors import AnswerChanged
from simnet.founding import JOB
from simnet.world import BACKEND
from tangle.core.hashing import BLOCK
from tangle.core.types import ChainId, Sequence, Signature
from tangle.node.computer import InlineComputer

CHAIN = ChainId(bytes(8))


def make_claims(count: int) -> list[SignatureClaim]:
    key = make_key(1, "signer")
    bodies = [number.to_bytes(4, "big") for number in range(count)]
    claims = [SignatureClaim(BLOCK, body, key.sign(BLOCK, CHAIN, body), key.public_key) for body in bodies]
    claims[1] = replace(claims[1], signature=Signature(bytes(64)))
    claims[2] = replace(claims[2], body=b"other")
    return claims


def make_request(count: int) -> EvaluateRequest:
    weights = encode_effective(compute_effective(JOB, compute_initial_master(JOB, compute_job_id(JOB))))
    issuer = make_key(1, "worker").public_key
    assignments = tuple(Assignment(issuer, Sequence(number), 1 + number % 2) for number in range(count))
    return EvaluateRequest(JOB, 0, weights, assignments)


async def test_signatures_are_judged_as_by_the_plain_computer() -> None:
    claims, shared = make_claims(6), SharedComputer(BACKEND)
    expected = await InlineComputer(BACKEND).verify_signatures(CHAIN, claims)
    assert expected == (True, False, False, True, True, True)
    for _ in range(2):
        assert await shared.verify_signatures(CHAIN, claims) == expected
    assert shared.remembered == len(claims)
    other = ChainId(b"another!")
    assert not any(await shared.verify_signatures(other, claims))


async def test_work_is_computed_once_whoever_asks() -> None:
    request, shared = make_request(5), SharedComputer(BACKEND)
    expected = await InlineComputer(BACKEND).prove(request)
    first = replace(request, assignments=request.assignments[1:3])
    assert (await shared.prove(first)).results == expected.results[1:3]
    assert await shared.prove(request) == expected
    assert shared.remembered == 2
    later = replace(request, generation=1)
    assert (await shared.prove(later)) == await InlineComputer(BACKEND).prove(later)
    assert shared.remembered == 2


async def test_an_answer_that_changes_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    claims, shared = make_claims(3)[:1], SharedComputer(BACKEND)
    assert await shared.verify_signatures(CHAIN, claims) == (True,)
    monkeypatch.setattr(computer_module, "verify_signatures", lambda _chain, claims: (False,) * len(claims))
    for _ in range(CHECKED_EVERY - 1):
        assert await shared.verify_signatures(CHAIN, claims) == (True,)
    with pytest.raises(AnswerChanged, match="computed twice, with True and then with False"):
        await shared.verify_signatures(CHAIN, claims)


async def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer_module, "ANSWERS_MAX", 2)
    claims, shared = make_claims(4), SharedComputer(BACKEND)
    for _ in range(2):
        await shared.verify_signatures(CHAIN, claims)
    assert shared.remembered == 0
    await shared.verify_signatures(CHAIN, claims[-2:])
    assert shared.remembered == 2
    assert ANSWERS_MAX > 2
