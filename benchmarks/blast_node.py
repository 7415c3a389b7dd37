"""The node of ``bench_blast``, in a process of its own: ``home api-port device [profile-file]``."""

import cProfile
import logging
import os
import sys
from pathlib import Path

import anyio
import structlog

from tangle.api.doors import serve_doors
from tangle.node.config import NodeConfig
from tangle.node.runtime import Plan, run_node


def main() -> None:
    """Run the node until it is told to stop."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    home, port, device, *profile = sys.argv[1:]
    config = NodeConfig(
        name="bench",
        api_port=int(port),
        peer_port=int(port) + 1,
        metrics_port=0,
        workers=1,
        device=device,
        kernel_cache=str(Path.home() / ".cache" / "tangle-kernels"),
    )

    async def run() -> None:
        await run_node(Plan(Path(home), config, stop_with_parent=os.getppid()), serve_doors)

    if profile:
        with cProfile.Profile() as profiler:
            anyio.run(run, backend_options={"use_uvloop": True})
        profiler.dump_stats(profile[0])
    else:
        anyio.run(run, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
