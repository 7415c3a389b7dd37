"""Readers of the event log that do not keep up: they are told, lose nothing, and hold up nobody."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import cast

import pytest

from tangle.node import event_log
from tangle.node.service import Service
from tangle.node.views import Event, SlowConsumer
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of

LAG = 5
"""Events by which a reader may lag here."""


async def read_to_the_end(
    service: Service, after: int, on_level: Callable[[], Awaitable[None]] | None = None
) -> list[int]:
    """Ids of the events after ``after`` that exist now; then ``on_level`` runs, and reading goes on."""
    seen: list[int] = []
    async with service.subscribe_events(after) as events, aclosing(cast("AsyncGenerator[Event]", events)):
        async for event in events:
            seen.append(event.id)
            if event.id == service.get_last_event_id():
                if on_level is None:
                    return seen
                await anext(events)
                await on_level()
    return seen


async def test_a_reader_that_was_level_is_told_that_it_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "LAG_MAX", LAG)
    async with network_of(1) as world:
        (service,) = world.services

        async def let_things_happen() -> None:
            last = service.get_last_event_id()
            while service.get_last_event_id() <= last + 4 * LAG:
                await wait_final(service, (await Wallet("alice").send(service)).id)

        with pytest.raises(SlowConsumer) as caught:
            await read_to_the_end(service, 0, let_things_happen)
        last_id = caught.value.last_id
        rest = await read_to_the_end(service, last_id)
        assert rest == list(range(last_id + 1, service.get_last_event_id() + 1))


async def test_a_reader_of_old_events_may_lag_until_it_is_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "LAG_MAX", LAG)
    async with network_of(1) as world:
        (service,) = world.services
        while service.get_last_event_id() <= 3 * LAG:
            await wait_final(service, (await Wallet("alice").send(service)).id)
        last = service.get_last_event_id()
        assert (await read_to_the_end(service, 0))[:last] == list(range(1, last + 1))
