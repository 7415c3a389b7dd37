"""``tangle doctor``: what this machine can compute, and whether a node could run on it."""

import multiprocessing
import os
import platform
import resource
import shutil
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final

import click
from msgspec import Struct
from rich.console import Console

from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.failures import ExitStatus
from tangle.cli.groups import TangleCommand
from tangle.cli.texts import format_time
from tangle.client.errors import ApiProblem, NodeUnreachable, UnexpectedAnswer
from tangle.client.reading import NodeReader
from tangle.client.transport import ClientConfig
from tangle.node.clock import SystemClock
from tangle.node.config import API_PORT, METRICS_PORT, PEER_PORT, NodeConfig

FILES_MIN: Final = 1_024
"""Open files that a node with many peers and API clients needs."""

EXAMINATION_SECONDS_MAX: Final = 300.0
"""Longest examination of all devices; a cold start compiles kernels for a few seconds each."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    """What."""

    is_good: bool
    """Whether a node can live with it."""

    detail: str
    """What was found, and what to do when it is not good."""


@click.command(cls=TangleCommand)
@click.option(
    "--conformance",
    "is_thorough",
    is_flag=True,
    help="Also compute all published vectors of programs on every device: a minute for each.",
)
@pass_context
def doctor(context: CommandContext, is_thorough: bool) -> None:
    """Examine this machine: compiler, devices, conformance, speed, ports, disk, clock.

    Exit status 1 when a node could not run here.
    """
    with context.make_talk_console().status("compiling and comparing kernels on every device ..."):
        compute = examine_compute(context.home / "cache")
    if is_thorough:
        from tangle.cli.doctor_programs import examine_programs

        compute += examine_programs(context.home / "cache", context.make_talk_console())
    findings = [
        Finding(
            "system", True, f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
        ),
        *compute,
        *examine_ports((API_PORT, PEER_PORT, METRICS_PORT)),
        examine_disk(context.home),
        examine_files(),
        run_async(examine_clock, context.url, SystemClock().now_ms()),
    ]

    def render(console: Console) -> None:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = "ok " if finding.is_good else "BAD"
            console.print(
                f"{mark}  {finding.name:<{width}}  {finding.detail}",
                style="" if finding.is_good else "red",
                soft_wrap=True,
            )

    is_good = all(finding.is_good for finding in findings)
    context.emit({"is_good": is_good, "findings": findings}, render)
    if not is_good:
        click.get_current_context().exit(ExitStatus.FAILED)


def examine_compute(cache: Path) -> list[Finding]:
    """Compiler and devices. Drivers are opened in a process of their own: one that crashes is a finding."""
    executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    try:
        return executor.submit(_diagnose, cache).result(EXAMINATION_SECONDS_MAX)
    except BrokenProcessPool:
        return [
            Finding("devices", False, 'examining them crashed a process; set device = "numpy" in config.toml')
        ]
    except TimeoutError:
        return [
            Finding("devices", False, 'examining them took too long; set device = "numpy" in config.toml')
        ]
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _diagnose(cache: Path) -> list[Finding]:
    from aivm.doctor import diagnose

    diagnosis = diagnose(os.environ, cache, time.perf_counter_ns)
    compiler = diagnosis.compiler
    findings = [
        # Work can be computed without one, so a missing compiler costs speed and is no reason to refuse.
        Finding(
            "compiler",
            True,
            f"{compiler.path}: {compiler.version}" if compiler else f"none: {diagnosis.advice}",
        )
    ]
    findings += [
        Finding(f"device {device.name}", True, f"not used: {device.reason}")
        for device in diagnosis.devices
        if not device.is_usable
    ]
    for examined in diagnosis.examinations:
        name = f"{examined.backend} on {examined.device}"
        if examined.conformance is None or examined.speed is None:
            findings.append(Finding(name, False, examined.reason))
            continue
        speed = examined.speed.evaluations_per_second
        findings.append(
            Finding(
                name, True, f"{examined.conformance.vectors} vectors pass, {speed:,} evaluations a second"
            )
        )
    return findings


def examine_ports(ports: tuple[int, ...]) -> list[Finding]:
    """Whether the default ports are free. A taken one is no fault: a node may be running."""
    taken = find_taken_ports(ports)
    detail = f"{', '.join(map(str, ports))} are free"
    if taken:
        detail = f"{', '.join(map(str, taken))} taken, perhaps by a running node; config.toml can name others"
    return [Finding("ports", True, detail)]


def find_taken_ports(ports: tuple[int, ...]) -> tuple[int, ...]:
    """Those of ``ports`` on loopback that something listens on."""
    taken = []
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    return tuple(taken)


def examine_disk(home: Path) -> Finding:
    """Whether there is room where the home is or will be."""
    place = next(path for path in (home, *home.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    needed = NodeConfig().free_disk_min_bytes
    is_good = free > 2 * needed
    detail = f"{free / 2**30:.1f} GiB free at {place}"
    if not is_good:
        detail += f"; a node stops writing below {needed / 2**30:.2f} GiB, make room or choose another --home"
    return Finding("disk", is_good, detail)


async def examine_clock(url: str, now_ms: int) -> Finding:
    """What the node at ``url`` says of this machine's clock; nothing is said against it where none runs."""
    detail = f"{format_time(now_ms)}; no node runs here to compare it with"
    async with NodeReader(url, ClientConfig(attempts_max=1, connect_timeout_s=1.0)) as reader:
        try:
            checks = (await reader.get_readiness()).checks
            detail = next((check.detail for check in checks if check.name == "clock"), detail)
        except ApiProblem as problem:
            wrong = next((item.message for item in problem.errors if item.path == "clock"), None)
            return Finding("clock", wrong is None, "nothing speaks against it" if wrong is None else wrong)
        except (NodeUnreachable, UnexpectedAnswer):
            pass  # the usual case: a machine is examined before a node runs on it
    return Finding("clock", True, detail)


def examine_files() -> Finding:
    """Whether a process may open enough files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_good = soft == resource.RLIM_INFINITY or soft >= FILES_MIN
    return Finding(
        "open files", is_good, f"{soft} allowed" + ("" if is_good else f"; run: ulimit -n {FILES_MIN}")
    )
