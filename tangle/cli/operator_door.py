"""The way from a command to the operator's door of the home's node."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tangle.cli.config_file import load_config
from tangle.cli.context import CommandContext, get_environment, run_async
from tangle.cli.errors import OperatorDoorShut
from tangle.client.operator import OperatorClient
from tangle.node.operator import TOKEN_NAME
from tangle.store.files import read_private_file

Answer = TypeVar("Answer")


def ask_operator(context: CommandContext, ask: Callable[[OperatorClient], Awaitable[Answer]]) -> Answer:
    """Have something done at the operator's door of the home's node."""
    config = load_config(context.home / "config.toml", get_environment(), {}).config
    if not config.admin_port:
        raise OperatorDoorShut(context.home / "config.toml")
    path = context.home / TOKEN_NAME
    if not path.exists():
        raise OperatorDoorShut(context.home / "config.toml")
    token = read_private_file(path).decode("ascii", "replace").strip()
    return run_async(_ask_door, f"http://127.0.0.1:{config.admin_port}", token, ask)


async def _ask_door(url: str, token: str, ask: Callable[[OperatorClient], Awaitable[Answer]]) -> Answer:
    async with OperatorClient(url, token) as client:
        return await ask(client)
