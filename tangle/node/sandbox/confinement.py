"""What a worker does to itself before it looks at anything of a stranger's: the system's means of giving up
rights that need no rights.

Each is taken where the system offers it; what it refused is told, not hidden, and the rest is done all the
same. In the order in which they must come: a network namespace (only before there are threads), the loss of
the capabilities that it brought, no new privileges, death with the parent (which a change of capabilities
would undo), limits, Landlock.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from tangle.node.sandbox.landlock import restrict

CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000
PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
CAPABILITY_VERSION: Final = 0x20080522
"""Numbers of Linux (include/uapi/linux/sched.h, prctl.h, capability.h)."""

WORST_SCORE: Final = "1000"
"""When the system runs out of memory, workers go before the node that owns them."""

SYSTEM_PATHS: Final = "/usr /lib /lib32 /lib64 /bin /sbin /etc /opt /proc /sys"
"""Where programs and libraries lie, by spaces: read only. Homes, where keys are, are not among them."""

DEVICES: Final = "/dev"
"""Devices are used by reading, writing and controlling them; their own rights still hold."""

PACKAGES: Final = ("tangle", "aivm", "poi", "shards")
"""What a worker imports of this project; the rest of a checkout stays closed."""


class Confinement(Struct, frozen=True):
    """What held."""

    has_own_network: bool
    """Whether there is a network namespace of its own."""

    landlock: int
    """Version of Landlock; 0 for none."""


def confine(
    parent: int,
    cache: Path,
    modules: Sequence[Path],
    *,
    memory_bytes: int,
    file_bytes: int,
    open_files: int,
) -> Confinement:
    """Give up for good what a worker does not need. Single-threaded, before anything large is imported.

    :param parent: process id of who started this; if it is gone by now, this process leaves.
    :param cache: the one directory that stays writable, made when missing.
    :param modules: directories of the engine's package, which stay readable.
    :raises OSError: the system has a means and refuses it in a way that none is known to.
    """
    library = ctypes.CDLL(None, use_errno=True)
    has_own_network = library.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
    _drop_capabilities(library)
    _set(library, PR_SET_NO_NEW_PRIVS, 1)
    _set(library, PR_SET_CHILD_SUBREAPER, 1)  # so that no descendant leaves the tree that is watched
    _set(library, PR_SET_DUMPABLE, 0)
    _set(library, PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for kind, limit in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, allowed))
    cache.mkdir(parents=True, exist_ok=True)
    top = Path(__file__).parents[3]
    readable = [Path(path) for path in (*SYSTEM_PATHS.split(), sys.prefix, sys.base_prefix)]
    readable += [*(top / package for package in PACKAGES), *modules]
    listable = [Path(path) for path in sys.path if path]
    landlock = restrict(library, readable, listable, (cache, Path(DEVICES)))
    return Confinement(has_own_network, landlock)


def limit_processor_time(seconds: int) -> None:
    """Allow this process so much more processor time than it has used; then SIGXCPU ends it.

    The kernel counts whole seconds, so up to one more passes.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


def expect_pressure() -> None:
    """Offer this process first when the system runs out of memory. Where there is no such file, nothing."""
    try:
        Path("/proc/self/oom_score_adj").write_text(WORST_SCORE)
    except OSError:
        return


def _drop_capabilities(library: ctypes.CDLL) -> None:
    # Also those of a node that was started by root: a worker needs none.
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if library.capset(header, nothing) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _set(library: ctypes.CDLL, option: int, value: int) -> None:
    if library.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
