"""A node in a process of its own, to be measured: ``python -m benchmarks.blast_node HOME PORT DEVICE``."""

import argparse
import cProfile
import logging
import os
from functools import partial
from pathlib import Path

import anyio
import structlog

from tangle.api.doors import serve_doors
from tangle.node.collector import tune_collector
from tangle.node.config import NodeConfig
from tangle.node.runtime import Plan, run_node


def main() -> None:
    """Run the node until it is told to stop."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("api_port", type=int)
    parser.add_argument("device")
    parser.add_argument("--peer-port", type=int)
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--profile", help="write a profile of the core process to this file")
    parser.add_argument("--plain-collector", action="store_true", help="Python's own settings")
    options = parser.parse_args()
    if not options.plain_collector:
        tune_collector()
    config = NodeConfig(
        name="bench",
        api_port=options.api_port,
        peer_port=options.api_port + 1 if options.peer_port is None else options.peer_port,
        peers=tuple(options.peer),
        metrics_port=0,
        workers=1,
        device=options.device,
        kernel_cache=str(Path.home() / ".cache" / "tangle-kernels"),
    )

    async def run() -> None:
        await run_node(Plan(options.home, config, stop_with_parent=os.getppid()), serve_doors)

    start = partial(anyio.run, run, backend_options={"use_uvloop": True})
    if options.profile is None:
        start()
        return
    with cProfile.Profile() as profiler:
        start()
    profiler.dump_stats(options.profile)


if __name__ == "__main__":
    main()
