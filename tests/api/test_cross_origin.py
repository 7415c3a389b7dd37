"""Pages of other origins: shut out unless the operator named them."""

import pytest

from tangle.api.config import ApiConfig
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import Http, connect, serve

PAGE = "https://wallet.example"
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
FIELD = "Access-Control-Allow-Origin"


async def test_no_origin_is_let_in_by_default(http: Http) -> None:
    _, _, response = await http.ask("GET", "/v1/status", headers={"Origin": PAGE})
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    refusal = await http.refuse("OPTIONS", "/v1/transactions", headers=ASKS)
    assert refusal == (403, "origin-refused")
    refusal = await http.refuse("OPTIONS", "/v1/transactions", headers={"Origin": PAGE})
    assert refusal == (405, "method-not-allowed")


@pytest.mark.parametrize("path", ["/v1/status", "/v1/events?after=0", "/v1/transactions/zz"])
async def test_a_named_origin_sees_answers_refusals_and_streams(ledger: LedgerDouble, path: str) -> None:
    config = ApiConfig(port=0, metrics_port=None, cors_origins=(PAGE,))
    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        async with http.session.get(http.base_url + path, headers={"Origin": PAGE}) as response:
            assert (response.headers[FIELD], response.headers["Vary"]) == (PAGE, "Origin")
        async with http.session.get(http.base_url + path, headers={"Origin": PAGE + ".evil"}) as response:
            assert FIELD not in response.headers
        status, _, response = await http.ask("OPTIONS", "/v1/transactions", headers=ASKS)
        assert (status, response.headers[FIELD]) == (204, PAGE)
        assert "DELETE" not in response.headers["Access-Control-Allow-Methods"]
