#!/usr/bin/env python3
"""Makes the virtual environment: Python packages at their pinned versions and a C compiler for the kernels.

Run by ``make`` with whatever Python the machine has, so this file keeps to what any Python 3 understands, and
says in one sentence what to do when that Python will not serve. The last step is a file, ``.venv/ready``;
make runs all of this again only when that is older than the lists of packages.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST = (3, 11)


def fail(sentence: str) -> None:
    """End with one sentence for the person at the terminal."""
    sys.exit("tangle: " + sentence)


def check_interpreter() -> None:
    """Refuse a Python that is too old, or that came without the means to make environments."""
    if sys.version_info < OLDEST:
        fail(
            "Python 3.11 or later is needed and {} is {}; name another with: make PYTHON=python3.11".format(
                sys.executable, ".".join(map(str, sys.version_info[:3]))
            )
        )
    try:
        import ensurepip  # noqa: F401 -- only whether it is there matters
        import venv  # noqa: F401 -- as above
    except ImportError:
        fail("this Python cannot make virtual environments; on Debian run: sudo apt-get install python3-venv")


def run(step: str, *command: str) -> None:
    """Run one command of the set-up, or end with a sentence that names the step."""
    environment = dict(os.environ, PIP_CONSTRAINT=str(CONSTRAINTS), PIP_DISABLE_PIP_VERSION_CHECK="1")
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        fail(step + " failed; the lines above say why. To start over: make clean, then the command again.")


def main() -> None:
    """Make the environment, fill it, and see that it can compile a kernel."""
    check_interpreter()
    if not (VENV_PYTHON.exists() and (VENV / "bin" / "pip").exists()):
        print("tangle: making .venv", flush=True)
        run("making the environment", sys.executable, "-m", "venv", "--clear", str(VENV))
    print("tangle: installing Python packages (about a minute the first time)", flush=True)
    python = str(VENV_PYTHON)
    run("installing packages", python, "-m", "pip", "install", "--quiet", "--editable", ".[dev,fast]")
    run("finding a C compiler", python, str(ROOT / "tools" / "ensure_clang.py"))
    (VENV / "ready").touch()


if __name__ == "__main__":
    main()
