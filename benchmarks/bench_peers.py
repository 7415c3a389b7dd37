"""Other ledgers beside ours, in one run on one machine: those that can be installed as packages.

Another ledger's packages stay out of this project's environment: make one for them and name its interpreter.

    python3 -m venv PEERS && PEERS/bin/pip install "eth-tester[py-evm]"
    python -m benchmarks.bench_peers --py-evm PEERS/bin/python [--count 500]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.nodes import NODES
from tangle.cli.bench.records import Clock, Plan
from tangle.cli.bench.statistics import compute_median_rate


def main() -> None:
    """Measure ours, the others, and ours again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--py-evm", type=Path, help="an interpreter that has eth-tester and py-evm")
    parser.add_argument("--count", type=int, default=500, help="transfers of the other ledgers")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    stage = next(stage for stage in NODES if stage.name == "one-node")

    def measure_own() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            plan = Plan(options.quick, 1, options.device, Path(scratch))
            rate = compute_median_rate(stage.measure(plan), Clock.WALL)
        print(f"tangle, {stage.conditions.describe()}: {rate:,.0f} final tx/s")

    measure_own()
    if options.py_evm is None:
        print("no other ledger was named; see --help", file=sys.stderr)
        return
    script = Path(__file__).with_name("peer_py_evm.py")
    done = subprocess.run(
        [options.py_evm, script, str(options.count)], stdout=subprocess.PIPE, check=True, text=True
    )
    found = json.loads(done.stdout)
    print(
        f"py-evm, {found['bytes']} B, signed, verified, executed, in memory, one process: "
        f"{found['per_s']:,.0f} tx/s, p50 {found['p50_ms']:.1f} ms, p95 {found['p95_ms']:.1f} ms"
    )
    measure_own()


if __name__ == "__main__":
    main()
