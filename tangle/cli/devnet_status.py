"""One calm line a second about a devnet: in place on a terminal, one after the other elsewhere."""

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Final

import anyio
import click
from msgspec import Struct, structs

from tangle.cli.context import CommandContext
from tangle.cli.load import DemoLoad
from tangle.cli.supervisor import NodeProcess
from tangle.client.client import TangleClient
from tangle.client.transport import ClientConfig
from tangle.core.errors import TangleError

INTERVAL_S: Final = 1.0
"""Time between two lines."""

ANSWER_TIMEOUT_S: Final = 2.0
"""A node that is slower than this is passed over for this line."""


class DevnetLine(Struct, frozen=True):
    """What one line says."""

    nodes_alive: int
    """Processes that run."""

    nodes: int
    """Nodes of the devnet."""

    restarts: int
    """Times that a node died and was started again."""

    rate_final: float
    """Transactions final a second, over the last ten seconds."""

    finality_p50_ms: float | None
    """Half of the demonstration's transactions were final sooner, over the last minute."""

    checkpoint: int
    """Latest certified checkpoint."""

    model: str
    """Standing job."""

    generation: int
    """Its generation."""

    score: int
    """Right answers on the holdout."""

    holdout_rows: int
    """Of so many."""

    def __str__(self) -> str:
        finality = "-" if self.finality_p50_ms is None else f"{self.finality_p50_ms:.0f}"
        nodes = f"{self.nodes_alive}/{self.nodes} nodes"
        restarts = f" | {self.restarts} restarts" if self.restarts else ""
        model, score = self.model.partition(" ")[0], self.score / max(1, self.holdout_rows)
        return (
            f"{nodes} | {self.rate_final:.1f} tx/s | final in {finality} ms"
            f" | checkpoint {self.checkpoint}"
            f" | {model} #{self.generation} {score:.1%}{restarts}"
        )


class StatusTeller:
    """Says what happens, line by line."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._is_in_place = sys.stdout.isatty() and not context.is_json
        self._is_line_open = False

    def say(self, text: str) -> None:
        """Talk, below a line that stands in place."""
        if self._is_line_open:
            click.echo()
            self._is_line_open = False
        self._context.say(text)

    async def run(self, urls: Sequence[str], nodes: Sequence[NodeProcess], demo: DemoLoad | None) -> None:
        """Tell a line a second, from the first node that answers, until cancelled."""
        config = ClientConfig(attempts_max=1, answer_timeout_s=ANSWER_TIMEOUT_S)
        clients = [TangleClient(url, config=config) for url in urls]
        try:
            next_s = anyio.current_time()
            while True:
                self._tell(await _observe(clients, nodes, demo), nodes)
                next_s = max(next_s + INTERVAL_S, anyio.current_time())
                await anyio.sleep_until(next_s)
        finally:
            with anyio.CancelScope(shield=True):
                for client in clients:
                    await client.close()

    def _tell(self, line: DevnetLine | None, nodes: Sequence[NodeProcess]) -> None:
        if self._context.is_json:
            if line is not None:
                click.echo(json.dumps(structs.asdict(line)))
            return
        alive = sum(node.pid is not None for node in nodes)
        text = (
            f"{alive}/{len(nodes)} nodes | none answers; see node.log in their homes"
            if line is None
            else str(line)
        )
        if self._is_in_place:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[2K{text[:width]}", nl=False)
            self._is_line_open = True
        else:
            click.echo(text)


async def _observe(
    clients: Sequence[TangleClient], nodes: Sequence[NodeProcess], demo: DemoLoad | None
) -> DevnetLine | None:
    for client in clients:
        try:
            status = await client.get_status()
        except TangleError:
            continue
        finality = None if demo is None else demo.finality.compute_summary(anyio.current_time()).p50_ms
        return DevnetLine(
            nodes_alive=sum(node.pid is not None for node in nodes),
            nodes=len(nodes),
            restarts=sum(node.restarts for node in nodes),
            rate_final=status.rate_final,
            finality_p50_ms=finality,
            checkpoint=int(status.checkpoint_certified),
            model=status.model_name,
            generation=int(status.generation),
            score=status.score,
            holdout_rows=status.holdout_rows,
        )
    return None
