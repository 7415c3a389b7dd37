"""Service unit, image and compose file say what the program understands, and their network runs."""

import configparser
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml

from tangle.cli.config_file import ENVIRONMENT_PREFIX, get_settings
from tangle.cli.devnet import Devnet
from tangle.cli.failures import ExitStatus
from tangle.cli.main import main
from tangle.client.client import TangleClient
from tangle.core.errors import TangleError
from tangle.node.config import API_PORT, PEER_PORT
from tests.acceptance.support import ONE_TRY, TERMINAL, find_devnet_ports, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
NODES: Final = 4
DATA: Final = "/data"

FOUND_TIMEOUT_S: Final = 240.0
"""For a dozen starts of the program; each takes half a second on an idle machine."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def read_compose() -> dict[str, Any]:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def read_instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def check_command(arguments: list[str]) -> click.Context:
    """Let the program's own parser read a command line; it is not run.

    :raises click.ClickException: it would be refused.
    """
    root = click.Context(main, info_name="tangle")
    command = main.get_command(root, arguments[0])
    assert command is not None, arguments
    return command.make_context(arguments[0], arguments[1:], parent=root)


def list_nodes() -> list[dict[str, Any]]:
    services = read_compose()["services"]
    return [services[f"node-{index}"] for index in range(NODES)]


def test_every_node_of_the_compose_file_is_understood_and_knows_the_others() -> None:
    assert set(read_compose()["services"]) == {"found", *(f"node-{index}" for index in range(NODES))}
    for index, node in enumerate(list_nodes()):
        parameters = check_command(node["command"]).params
        others = {f"node-{other}:{PEER_PORT}" for other in range(NODES) if other != index}
        assert set(parameters["peers"]) == others
        assert parameters["name"] == f"node-{index}"
        assert f"{DATA}/node-{index}" in node["command"]
        assert node["ports"] == [f"127.0.0.1:{API_PORT + index}:{API_PORT}"]  # nobody else's machine
        assert node["volumes"] == [f"network:{DATA}"]


def test_the_image_runs_what_exists_as_nobody_special() -> None:
    instructions = read_instructions()
    by_name: dict[str, str] = dict(instructions)  # the last of each counts
    assert by_name["USER"] == "tangle"
    names = [name for name, _ in instructions]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "RUN")
    assert (by_name["ENTRYPOINT"], by_name["CMD"]) == ('["tangle"]', '["up"]')
    assert by_name["EXPOSE"].split() == [str(API_PORT), str(PEER_PORT)]
    check_command(["up"])
    check = re.search(r'CMD \["tangle", (.*)\]', by_name["HEALTHCHECK"])
    assert check is not None
    check_command([argument.strip(' "') for argument in check[1].split(",")])
    for name in re.findall(rf"\b{ENVIRONMENT_PREFIX}([A-Z_]+)=", by_name["ENV"]):
        assert name == "HOME" or name.lower() in get_settings()


def test_the_image_has_every_package_and_nothing_that_is_not_there() -> None:
    copied = [
        source
        for name, arguments in read_instructions()
        if name == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
        if not source.startswith("--")
    ]
    assert all((ROOT / source).exists() for source in copied)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(build["targets"]["wheel"]["packages"]) <= set(copied)


def test_the_service_unit_is_understood_and_restarts_what_is_worth_it() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment]  # names of systemd's settings have capitals
    unit.read_string((DEPLOY / "tangle.service").read_text())
    service = unit["Service"]
    program, *arguments = service["ExecStart"].split()
    assert Path(program).name == "tangle"
    check_command(arguments)
    assert service["RestartPreventExitStatus"] == str(int(ExitStatus.USAGE))
    assert service["Environment"] == f"{ENVIRONMENT_PREFIX}HOME=/var/lib/{service['StateDirectory']}"


@contextmanager
def run_nodes(root: Path, devnet: Devnet) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The compose file's nodes as processes of this machine: on ports of their own, below ``root``."""
    nodes = []
    try:
        for index, node in enumerate(list_nodes()):
            arguments = [argument.replace(DATA, str(root)) for argument in node["command"]]
            for other in range(NODES):
                host = f"127.0.0.1:{devnet.peer_port + other}"
                arguments = [argument.replace(f"node-{other}:{PEER_PORT}", host) for argument in arguments]
            ports = {"API_PORT": devnet.api_port + index, "PEER_PORT": devnet.peer_port + index}
            environment = {f"{ENVIRONMENT_PREFIX}{name}": str(port) for name, port in ports.items()}
            environment |= {"TANGLE_METRICS_PORT": "0", "TANGLE_KERNEL_CACHE": str(root / "kernels")}
            with (root / f"node-{index}.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tangle.cli", *arguments],
                    env={**TERMINAL, **environment},
                    stdin=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
            nodes.append(process)
        yield nodes
    finally:
        for process in nodes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def found(root: Path) -> None:
    """Run the founding script with this checkout's program."""
    program = root / "bin" / "tangle"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tangle.cli "$@"\n')
    program.chmod(0o755)
    command = read_compose()["services"]["found"]
    (script,), (directory,) = command["entrypoint"], command["command"]
    assert directory == DATA
    subprocess.run(
        ["sh", str(DEPLOY / script), str(root)],  # noqa: S607 -- sh is wherever the machine keeps it
        env={**TERMINAL, "PATH": f"{program.parent}:{TERMINAL['PATH']}"},
        check=True,
        timeout=FOUND_TIMEOUT_S,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_network_of_the_compose_file_runs(tmp_path: Path) -> None:
    found(tmp_path)
    devnet = find_devnet_ports(tmp_path, NODES)
    with run_nodes(tmp_path, devnet) as nodes:
        for url in devnet.get_urls():
            async with TangleClient(url, config=ONE_TRY) as client:

                async def is_ready(client: TangleClient = client) -> bool:
                    try:
                        return await client.is_ready()
                    except TangleError:
                        return False

                await wait_until(is_ready, f"{url} to be ready", 180.0)
                assert len((await client.get_committee()).validators) == NODES
        for process in nodes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in nodes] == [0] * NODES
