"""The operator's door: shut by default, on loopback, and only for those who show the token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from tangle.api.config import ApiConfig
from tangle.api.server import ADMIN_ROUTES, ROUTES, OperatorDoor
from tangle.core.types import PublicKey
from tangle.node.operator import LogLevel, NodeOperator, ensure_token
from tangle.node.peer_desk import PeerDesk
from tangle.node.views import NotFound
from tangle.store.errors import HomeUnsafe
from tangle.store.home import Home
from tests.api.ledger_double import BOB, LedgerDouble
from tests.api.serving import Http, connect, serve
from tests.node.twins import SeededRandomness

TOKEN = "0123456789abcdef"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}


class OperatorDouble:
    """Writes down what it is told."""

    def __init__(self, peers: PeerDesk | None = None) -> None:
        self.level: LogLevel = "info"
        self.done: list[str] = []
        self._peers = peers

    @property
    def peers(self) -> PeerDesk:
        assert self._peers is not None, "this test has one"
        return self._peers

    def get_log_level(self) -> LogLevel:
        return self.level

    def set_log_level(self, level: LogLevel) -> None:
        self.level = level

    def cut_peer(self, identity: PublicKey) -> None:
        if identity != BOB.public_key:
            raise NotFound("peer", identity.hex())
        self.done.append("cut")

    async def leave(self) -> bool:
        self.done.append("leave")
        return self.done.count("leave") == 1

    def stop(self) -> None:
        self.done.append("stop")


@asynccontextmanager
async def open_door(operator: OperatorDouble, ledger: LedgerDouble) -> AsyncIterator[tuple[Http, Http]]:
    """The operator's door, and the public one beside it."""
    config = ApiConfig(port=0, metrics_port=None, admin_port=0)
    async with serve(ledger, config, door=OperatorDoor(operator, TOKEN)) as addresses:
        assert addresses.admin is not None
        assert addresses.admin.startswith("http://127.0.0.1:")
        async with connect(addresses.admin) as admin, connect(addresses.api) as public:
            yield admin, public


async def test_it_is_shut_by_default(ledger: LedgerDouble) -> None:
    async with serve(ledger) as addresses:
        assert addresses.admin is None
    assert ApiConfig().admin_port is None


async def test_the_public_door_knows_none_of_its_routes(ledger: LedgerDouble) -> None:
    assert not {route.path for route in ADMIN_ROUTES} & {route.path for route in ROUTES}
    async with open_door(OperatorDouble(), ledger) as (_, public):
        for route in ADMIN_ROUTES:
            refusal = await public.refuse(route.method, route.path, headers=SHOWN)
            assert refusal == (404, "route-unknown")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        "Bearer",
        "Bearer " + "x" * 3_000,
    ],
)
async def test_nothing_happens_without_the_token(ledger: LedgerDouble, shown: str) -> None:
    operator = OperatorDouble()
    async with open_door(operator, ledger) as (admin, _):
        headers = {"Authorization": shown} if shown else {}
        for method, path in [(route.method, route.path) for route in ADMIN_ROUTES] + [("GET", "/unknown")]:
            status, answer, response = await admin.ask(method, path, headers=headers)
            assert (status, answer["code"]) == (401, "token-required")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in answer["detail"]
    assert operator.done == []


async def test_what_the_operator_may_do(ledger: LedgerDouble) -> None:
    operator = OperatorDouble()
    async with open_door(operator, ledger) as (admin, public):
        path = "/v1/admin/log-level"
        status, answer, _ = await admin.ask("PUT", path, json={"level": "debug"}, headers=SHOWN)
        assert (status, answer["data"], operator.level) == (200, {"level": "debug"}, "debug")
        assert await admin.get(path, headers=SHOWN) == {"level": "debug"}
        refusal = await admin.refuse("PUT", path, json={"level": "loud"}, headers=SHOWN)
        assert refusal == (400, "request-invalid")
        peers = "/v1/admin/peers/"
        assert (await admin.ask("DELETE", peers + BOB.public_key.hex(), headers=SHOWN))[0] == 200
        assert await admin.refuse("DELETE", peers + "00" * 32, headers=SHOWN) == (404, "not-found")
        for done in ("the validator signs nothing more", "no validator took part"):
            status, answer, _ = await admin.ask("POST", "/v1/admin/leave", headers=SHOWN)
            assert (status, answer["data"]) == (200, {"done": done})
        assert (await admin.ask("POST", "/v1/admin/stop", headers=SHOWN))[0] == 202
        assert operator.done == ["cut", "leave", "leave", "stop"]
        assert await admin.refuse("GET", "/v1/status", headers=SHOWN) == (404, "route-unknown")
        assert await admin.refuse("GET", "/", headers=SHOWN) == (404, "route-unknown")
        assert (await public.ask("GET", "/livez"))[0] == 200


def test_the_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    token = ensure_token(home, SeededRandomness("1"))
    assert len(bytes.fromhex(token)) == 32
    assert (tmp_path / "admin.token").stat().st_mode & 0o777 == 0o600
    assert ensure_token(home, SeededRandomness("2")) == token
    (tmp_path / "admin.token").chmod(0o644)
    with pytest.raises(HomeUnsafe):
        ensure_token(home, SeededRandomness("3"))


def test_the_log_level_is_changed_in_the_running_process() -> None:
    before = structlog.get_config()["wrapper_class"]
    operator = NodeOperator.__new__(NodeOperator)  # the level is the process's; no node is asked
    try:
        for level in ("error", "warning", "info", "debug"):
            operator.set_log_level(level)
            assert operator.get_log_level() == level
            assert (structlog.get_logger().info("seen") is None) is True
    finally:
        structlog.configure(wrapper_class=before)
