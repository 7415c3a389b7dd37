"""How fast the simulator is beside the time that it simulates, and how much memory it takes.

Each network runs in a process of its own, on one core, so that its peak memory is its own. Figures count from
the first node's start to the end of the run, without the interpreter's. ``make bench`` on a quiet machine, or
``python benchmarks/bench_simulator.py 4`` for one network.
"""

import os
import subprocess
import sys
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time
from typing import Final

import msgspec
from msgspec import Struct

from simnet.network import REGIONS
from simnet.options import ClockError, SimulationOptions
from simnet.run import run_simulation
from simnet.verdicts import Pass

RATE: Final = 50.0
"""Transactions a second, all wallets together."""

WALLETS: Final = 20
"""Accounts that send."""


class Network(Struct, frozen=True):
    """What is simulated."""

    nodes: int
    """Validators."""

    time_s: float
    """Virtual seconds."""

    regions: tuple[str, ...]
    """Where they stand, in turn."""


NETWORKS: Final = (
    Network(4, 20.0, REGIONS[:1]),
    Network(4, 20.0, REGIONS),
    Network(25, 5.0, REGIONS),
)
"""Four in one region make most rounds; twenty-five take most memory."""


class Measurement(Struct, frozen=True):
    """What one process measured."""

    ratio: float
    """Virtual seconds in one second of one core."""

    wall_ratio: float
    """Virtual seconds in one second of the wall: smaller where others use the core too."""

    peak_mib: float
    """Most memory of the process."""

    ordered: int
    """Transactions."""

    packets: int
    """Packets."""


def measure(network: Network) -> Measurement:
    """Simulate a network in this process."""
    options = SimulationOptions(
        seed=1,
        nodes=network.nodes,
        time_s=network.time_s,
        regions=tuple(network.regions[index % len(network.regions)] for index in range(network.nodes)),
        clocks=(ClockError(0, 0),) * network.nodes,
        rate=RATE,
        wallets=WALLETS,
    )
    wall_s, core_s = perf_counter(), process_time()
    report = run_simulation(options)
    wall_s, core_s = perf_counter() - wall_s, process_time() - core_s
    assert isinstance(report.verdict, Pass), report.verdict
    peak_mib = getrusage(RUSAGE_SELF).ru_maxrss / 1024
    return Measurement(
        report.virtual_s / core_s, report.virtual_s / wall_s, peak_mib, report.ordered, report.packets
    )


def main(arguments: list[str]) -> None:
    """Measure all networks, or those of a given size, each in a process of its own."""
    if arguments[:1] == ["--one"]:
        print(msgspec.json.encode(measure(NETWORKS[int(arguments[1])])).decode())
        return
    sizes = [int(argument) for argument in arguments]
    for place, network in enumerate(NETWORKS):
        if sizes and network.nodes not in sizes:
            continue
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--one", str(place)]
        ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        found = msgspec.json.decode(ended.stdout, type=Measurement)
        where = "one region" if len(network.regions) == 1 else f"{len(network.regions)} regions"
        print(
            f"{network.nodes} nodes, {where}, {RATE:g} tx/s, {network.time_s:g} s: "
            f"{found.ratio:.2f}x real time of one core ({found.wall_ratio:.2f}x of the wall), "
            f"peak {found.peak_mib:.0f} MiB, {found.ordered} ordered, {found.packets} packets"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
