"""A process that holds a home until its standard input ends: ``python -m tests.store.holder HOME``."""

import sys
from pathlib import Path

from tangle.core.errors import TangleError
from tangle.store.home import Home, hold_home

if __name__ == "__main__":
    try:
        with hold_home(Home(Path(sys.argv[1]))):
            sys.stdout.write("held\n")
            sys.stdout.flush()
            sys.stdin.read()
    except TangleError as fault:
        sys.stdout.write(f"{fault.code}: {fault}\n")
