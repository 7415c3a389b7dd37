"""Committees by epoch, and the ends of epochs that light clients follow."""

from shards.epochs import decode_epoch_chain, follow_epochs, make_genesis_committee
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import Http


async def test_epochs_with_their_committees(http: Http, ledger: LedgerDouble) -> None:
    first, second = await http.get("/v1/epochs")
    assert (first["epoch"], first["begun"], first["ended"]) == ("0", "0", "0")
    assert (second["epoch"], second["ended"], second["quorum"]) == ("2", None, first["quorum"])
    keys = [validator["public_key"] for validator in first["validators"]]
    assert keys == [validator.public_key.hex() for validator in ledger.genesis.validators]
    assert await http.get("/v1/epochs", params={"first": "1", "limit": "1"}) == [second]


async def test_light_clients_follow_from_the_genesis(http: Http, ledger: LedgerDouble) -> None:
    ends = decode_epoch_chain(await http.read("/v1/epochs", "application/cbor"))
    committees = follow_epochs(make_genesis_committee(ledger.genesis), ends, ledger.chain)
    assert [committee.epoch for committee in committees] == [0, 2]


async def test_blocks_of_an_epoch(http: Http) -> None:
    assert await http.get("/v1/blocks", params={"epoch": "0", "limit": "1"})
    assert await http.get("/v1/blocks", params={"epoch": "7"}) == []
    assert await http.refuse("GET", "/v1/blocks/1/0?epoch=7") == (404, "not-found")


async def test_refusals(http: Http) -> None:
    assert await http.refuse("GET", "/v1/epochs?limit=65") == (400, "request-invalid")
    assert await http.refuse("GET", "/v1/epochs?first=-1") == (400, "request-invalid")
    assert await http.refuse("GET", "/v1/epochs?shard=1") == (404, "not-found")
