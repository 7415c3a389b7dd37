"""``tangle peers``: who a node is connected to, whom it knows, and whom it keeps out."""

import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.network import PeerAnswer
from tangle.api.schemas.peers import BAN_S_MAX, BanAnswer, KnownAddressAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleGroup
from tangle.cli.operator_door import ask_operator
from tangle.cli.texts import format_size, format_span, format_time
from tangle.client.client import TangleClient
from tangle.client.operator import OperatorClient
from tangle.client.transport import ClientConfig

Answer = TypeVar("Answer")

UNITS_S: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
"""Units of a time span on the command line."""

KEY_SHOWN: Final = 16
"""Digits of a node key in a table; ``--json`` has all of them."""


class SpanType(click.ParamType[int]):
    """A time span like ``10min`` or ``7d``, in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        found = re.fullmatch(r"([0-9]{1,9})(s|min|h|d)", str(value))
        if found is None:
            self.fail(f"{str(value)[:40]!r} is no time span like 30s, 10min, 12h or 7d", param, ctx)
        seconds = int(found[1]) * UNITS_S[found[2]]
        if not 1 <= seconds <= BAN_S_MAX:
            self.fail("a span is from one second to ten years; leave it out for ever", param, ctx)
        return seconds


@click.group(cls=TangleGroup)
def peers() -> None:
    """Other nodes: who is connected, who is known, who is kept out.

    All but `list` go through the operator's door of the node in --home, which `admin_port` opens.
    """


@peers.command("list")
@pass_context
def list_peers(context: CommandContext) -> None:
    """Show who is connected: since when, how far, how fast, and how it behaves."""
    found = run_async(_get_peers, context.url)
    context.emit(found, lambda console: print_peers(console, found))


@peers.command("known")
@pass_context
def list_known(context: CommandContext) -> None:
    """Show the address book: peers kept connected, those reached before, those only heard of."""
    found = ask_operator(context, OperatorClient.list_addresses)
    context.emit(found, lambda console: print_addresses(console, found))


@peers.command("add")
@click.argument("address", metavar="HOST:PORT")
@pass_context
def add_peer(context: CommandContext, address: str) -> None:
    """Keep a peer connected, over restarts too."""
    answer = ask_operator(context, lambda client: client.add_address(address))
    context.emit(answer, lambda console: console.print(answer.done, soft_wrap=True))


@peers.command("remove")
@click.argument("address", metavar="HOST:PORT")
@pass_context
def remove_peer(context: CommandContext, address: str) -> None:
    """Forget an address, and leave who is there. Peers of the settings are taken out of config.toml."""
    answer = ask_operator(context, lambda client: client.remove_address(address))
    context.emit(answer, lambda console: console.print(answer.done, soft_wrap=True))


@peers.command("bans")
@pass_context
def list_bans(context: CommandContext) -> None:
    """Show who is kept out, why, and until when."""
    found = ask_operator(context, OperatorClient.list_bans)
    context.emit(found, lambda console: print_bans(console, found))


@peers.command("ban")
@click.argument("subject", metavar="KEY|HOST|NETWORK")
@click.option("--reason", default="", help="Why, for people.")
@click.option("--for", "duration_s", type=SpanType(), help="How long: 30s, 10min, 12h, 7d; for ever without.")
@pass_context
def ban_peer(context: CommandContext, subject: str, reason: str, duration_s: int | None) -> None:
    """Keep a node key, a host or a network out, over restarts too, and end the sessions with it."""
    answer = ask_operator(context, lambda client: client.ban(subject, reason, duration_s))
    context.emit(answer, lambda console: print_bans(console, (answer,)))


@peers.command("unban")
@click.argument("subject", metavar="KEY|HOST|NETWORK")
@pass_context
def unban_peer(context: CommandContext, subject: str) -> None:
    """Lift a ban, the operator's or the node's own."""
    answer = ask_operator(context, lambda client: client.unban(subject))
    context.emit(answer, lambda console: console.print(answer.done, soft_wrap=True))


@peers.command("drain")
@click.option("--stop", "is_stopping", is_flag=True, help="Let sessions begin again.")
@pass_context
def drain(context: CommandContext, is_stopping: bool) -> None:
    """Let sessions with peers only end, before maintenance."""
    answer = ask_operator(context, lambda client: client.drain(not is_stopping))
    state = "draining" if answer.is_draining else "open to peers"
    context.emit(answer, lambda console: console.print(f"{state}, {answer.sessions} sessions"))


def print_peers(console: Console, found: Sequence[PeerAnswer]) -> None:
    """A row for every peer."""
    table = Table(
        "", "peer", "address", "agent", "rtt", "checkpoint", "score", "in", "out", "since", box=None
    )
    for peer in found:
        mark = ("→" if peer.is_outbound else "←") + ("★" if peer.is_validator else "")
        round_trip = "" if peer.round_trip_ms is None else f"{peer.round_trip_ms:.0f} ms"
        table.add_row(
            mark,
            peer.public_key.hex()[:KEY_SHOWN],
            peer.address,
            peer.agent,
            round_trip,
            str(peer.checkpoint),
            f"{peer.score:.0f}",
            format_size(peer.bytes_in),
            format_size(peer.bytes_out),
            format_span(peer.connected_s),
        )
    console.print(table)


def print_addresses(console: Console, found: Sequence[KnownAddressAnswer]) -> None:
    """A row for every address."""
    table = Table("address", "kept", "reached", "failures", "peer", "connected", box=None)
    for known in found:
        table.add_row(
            known.address,
            "settings" if known.is_settled else "added" if known.is_added else "",
            "yes" if known.is_tried else "no",
            str(known.failures),
            "" if known.public_key is None else known.public_key.hex()[:KEY_SHOWN],
            "yes" if known.is_connected else "no",
        )
    console.print(table)


def print_bans(console: Console, found: Sequence[BanAnswer]) -> None:
    """A row for every ban."""
    table = Table("who", "by", "since", "until", "reason", box=None)
    for ban in found:
        until = "for ever" if ban.until_ms is None else format_time(ban.until_ms)
        by = "operator" if ban.is_manual else "node"
        table.add_row(ban.subject, by, format_time(ban.since_ms), until, ban.reason)
    console.print(table)


async def _get_peers(url: str) -> tuple[PeerAnswer, ...]:
    # A person is waiting: say soon that nobody answers.
    async with TangleClient(url, config=ClientConfig(attempts_max=2)) as client:
        return await client.get_peers()
