"""What a stranger's program might make of a worker: an engine for real worker processes.

It misbehaves as the first element of the input says, and otherwise computes as the oracle does.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

import numpy as np

from aivm.backends.program_protocol import OracleBackend
from aivm.errors import DeviceUnavailable
from aivm.program.binding import BoundProgram, Tensor
from tangle.node.sandbox.wire import Answered, Ready, frame_report

ENGINE = "tests.node.sandbox.hostile:open_hostile"

CHILD = """
import mmap
memory = mmap.mmap(-1, {size})
for place in range(0, {size}, 4096):
    memory[place] = 1
while True:
    pass
"""
"""A child that takes memory and goes on for ever."""


class Trick(IntEnum):
    """What happens at the run."""

    HONEST = 0
    DIVIDE = 1
    SEGFAULT = 2
    SPIN = 3
    HOG_PRIVATE = 4
    HOG_SHARED = 5
    HOG_CHILD = 6
    FLOOD = 7
    LONG_FRAME = 8
    GARBAGE = 9
    OUT_OF_TURN = 10
    TOO_FEW = 11
    TOO_SHORT = 12
    OUT_OF_RANGE = 13
    FILES = 14
    LONG_FILE = 15
    LEAVE = 16
    RAISE = 17
    HANG_UP = 18
    WAIT = 19
    KEEP = 20
    SECOND_TIME = 21
    PROBE = 22


class Hostile(OracleBackend):
    """The oracle, unless told otherwise."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.kept: list[object] = []

    def prepare(self, bound: BoundProgram, rows: int, *, is_trace: bool = False) -> None:
        """Stands still for ever where the cache says so."""
        if (self.cache / "endless").exists():
            spin(self)

    def run(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Do the trick that the first element names."""
        honest = super().run(bound, inputs)
        if inputs[0].dtype != np.uint8:
            return honest  # of another program than that of the tricks
        trick = Trick(int(inputs[0].flat[0]))
        match trick:
            case Trick.HONEST:
                return honest
            case Trick.TOO_FEW:
                return honest[:-1]
            case Trick.TOO_SHORT:
                return (honest[0][:, :-1], *honest[1:])
            case Trick.OUT_OF_RANGE:
                return (np.full_like(honest[0], 101), *honest[1:])
            case Trick.KEEP:
                self.kept.append(touch(mmap.mmap(-1, 100 << 20)))
                return honest
            case Trick.PROBE:
                (self.cache / "found").write_text(json.dumps(look_around(self.cache)))
                return honest
            case Trick.SECOND_TIME:
                if self.kept:
                    os.kill(os.getpid(), signal.SIGKILL)
                self.kept.append(None)
                return honest
            case _:
                TRICKS[trick](self)
                raise AssertionError(trick)


def open_hostile(device: str, cache: Path) -> Hostile:
    """The engine."""
    match device:
        case "unavailable":
            raise DeviceUnavailable(device, "it is on fire")
        case "broken":
            raise ValueError("unforeseen")
        case "crash":
            segfault(Hostile(cache))
        case "silent":
            spin(Hostile(cache))
        case _:
            pass
    return Hostile(cache)


def touch(memory: mmap.mmap) -> mmap.mmap:
    for place in range(0, len(memory), mmap.PAGESIZE):
        memory[place] = 1
    return memory


def channel() -> socket.socket:
    return socket.socket(fileno=os.dup(int(sys.argv[1])))


def divide(_: Hostile) -> None:
    # What a kernel's division by zero does; the instruction itself would need a compiler.
    ctypes.CDLL(None)["raise"](int(signal.SIGFPE))


def segfault(_: Hostile) -> NoReturn:
    ctypes.string_at(0)
    raise AssertionError


def spin(_: Hostile) -> NoReturn:
    while True:
        pass


def hog_private(hostile: Hostile) -> None:
    while True:
        hostile.kept.append(np.ones(1 << 20, np.int64))


def hog_shared(hostile: Hostile) -> None:
    while True:
        hostile.kept.append(touch(mmap.mmap(-1, 8 << 20)))  # shared memory is no part of RLIMIT_DATA


def hog_child(_: Hostile) -> None:
    command = [sys.executable, "-c", CHILD.format(size=900 << 20)]
    subprocess.run(command, check=True)


def flood(_: Hostile) -> None:
    with channel() as pipe:
        while True:
            pipe.sendall(frame_report(Answered((bytes(1 << 20),))))


def long_frame(_: Hostile) -> None:
    with channel() as pipe:
        pipe.sendall(b"\xff\xff\xff\xff")
        wait(_)


def garbage(_: Hostile) -> None:
    with channel() as pipe:
        pipe.sendall(b"\x03\x00\x00\x00abc")
        wait(_)


def out_of_turn(_: Hostile) -> None:
    with channel() as pipe:
        pipe.sendall(frame_report(Ready(b"again", True, 0)))
        wait(_)


def files(hostile: Hostile) -> None:
    while True:
        hostile.kept.append(os.open(os.devnull, os.O_RDONLY))


def long_file(hostile: Hostile) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python would turn it into an error
    with (hostile.cache / "long").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


def leave(_: Hostile) -> NoReturn:
    os._exit(7)


def fail(_: Hostile) -> NoReturn:
    raise ZeroDivisionError("in the runtime")


def hang_up(_: Hostile) -> None:
    with channel() as pipe:
        pipe.shutdown(socket.SHUT_RDWR)
        spin(_)


def wait(hostile: Hostile) -> None:
    """Tell the test that this is running, then wait for the end."""
    (hostile.cache / "waiting").touch()
    signal.pause()


def look_around(cache: Path) -> dict[str, str]:
    """What comes of each thing that a worker has no business to do; ``done`` where nothing stopped it."""
    target = json.loads((cache / "target").read_text())
    secret = Path(target["secret"])
    node = os.getppid()
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "read a file": attempt(secret.read_text),
        "write a file": attempt(lambda: secret.with_name("mine").write_text("")),
        "remove a file": attempt(secret.unlink),
        "connect": attempt(lambda: socket.create_connection(("127.0.0.1", target["port"]), 5).close()),
        "send a datagram": attempt(lambda: send_datagram(target["port"])),
        "signal the node": attempt(lambda: os.kill(node, 0)),
        "read the node's memory": attempt(Path(f"/proc/{node}/mem").open),
        "become root": attempt(lambda: os.setuid(0)),
        "take more memory": attempt(raise_limit),
        "privileges": status["CapEff"].strip() + status["CapPrm"].strip(),
        "no new privileges": status["NoNewPrivs"].strip(),
        "environment": " ".join(sorted(os.environ)),
        "files": " ".join(os.readlink(f"/proc/self/fd/{each}") for each in (0, 1, 2)),
    }


def attempt(act: Callable[[], object]) -> str:
    try:
        act()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return "done"


def send_datagram(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pipe:
        pipe.sendto(b"hello", ("127.0.0.1", port))


def raise_limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


TRICKS: dict[Trick, Callable[[Hostile], None]] = {
    Trick.DIVIDE: divide,
    Trick.SEGFAULT: segfault,
    Trick.SPIN: spin,
    Trick.HOG_PRIVATE: hog_private,
    Trick.HOG_SHARED: hog_shared,
    Trick.HOG_CHILD: hog_child,
    Trick.FLOOD: flood,
    Trick.LONG_FRAME: long_frame,
    Trick.GARBAGE: garbage,
    Trick.OUT_OF_TURN: out_of_turn,
    Trick.FILES: files,
    Trick.LONG_FILE: long_file,
    Trick.LEAVE: leave,
    Trick.RAISE: fail,
    Trick.HANG_UP: hang_up,
    Trick.WAIT: wait,
}
