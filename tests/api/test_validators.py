"""Candidates, elections, burned stakes and evidence, as the API tells them."""

from shards.evidence import verify_twin_proof
from tangle.api.front.routing import ToShard, find_target
from tests.api.ledger_double import ALICE, VALIDATOR, LedgerDouble
from tests.api.serving import Http
from tests.api.validators_double import LEAVES, OTHER, STAKED

OWN = VALIDATOR.public_key.hex()


async def test_members_and_candidates_are_told_with_what_an_election_would_give(http: Http) -> None:
    answer = await http.get("/v1/validators")

    member, other = answer["candidates"]
    assert (member["public_key"], member["weight"], member["share"]) == (OWN, 1, 1.0)
    assert (other["weight"], other["next_weight"], other["next_share"]) == (0, 2_500, 0.25)
    assert (member["stake"], member["leaving"]) == (str(STAKED), str(LEAVES))
    assert (answer["epoch"], answer["next_total_weight"]) == ("0", 10_000)


async def test_a_candidate_is_found_by_key_and_by_address_and_has_its_story(http: Http) -> None:
    by_key = await http.get(f"/v1/validators/{OWN}")
    by_address = await http.get(f"/v1/validators/{by_key['candidate']['owner']}")

    assert by_key == by_address
    assert [each["what"] for each in by_key["news"]] == ["rewarded", "slashed"]
    assert "a dispute refuted" in by_key["news"][1]["text"]


async def test_who_never_stood_is_not_found(http: Http) -> None:
    path = f"/v1/validators/{ALICE.public_key.hex()}"
    assert await http.refuse("GET", path) == (404, "not-found")
    assert (await http.refuse("GET", "/v1/validators/nobody"))[0] == 400


async def test_news_of_stakes_are_sentences_and_figures(http: Http) -> None:
    elected, rewarded, _ = await http.get("/v1/validators/news")

    assert elected["weights"] == {OTHER.public_key.hex(): 10_000}
    assert (rewarded["amount"], rewarded["validator"]) == ("7", OWN)
    assert len(await http.get("/v1/validators/news?limit=1")) == 1


async def test_evidence_is_a_proof_that_holds_without_the_node(http: Http, ledger: LedgerDouble) -> None:
    (found,) = await http.get("/v1/evidence")

    proven = verify_twin_proof(bytes.fromhex(found["proof"]), ledger.genesis)
    assert (proven.validator.hex(), proven.first.body.round) == (OWN, int(found["round"]))
    assert [proven.first.reference.digest.hex(), proven.second.reference.digest.hex()] == found["digests"]
    assert await http.refuse("GET", "/v1/evidence?shard=1") == (404, "not-found")


def test_a_front_asks_shard_0_about_stakes_and_any_about_evidence() -> None:
    assert find_target("GET", "/v1/validators", {}) == ToShard(0)
    assert find_target("GET", f"/v1/validators/{OWN}", {}) == ToShard(0)
    assert find_target("GET", "/v1/evidence", {"shard": "3"}) == ToShard(3)
