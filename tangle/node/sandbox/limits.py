"""What a worker process, and one task in it, may take."""

from typing import Final

from msgspec import Struct

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

PROGRAMS_KEPT_MAX: Final = 8
"""Programs whose weights and kernels a worker keeps: the least recently used one goes. Fewer than the backend
keeps compiled forms (16): each may have one for runs and one for traces."""

WAITING_MAX: Final = 64
"""Tasks that wait for a worker: with a light model a few seconds of work; further ones are turned away."""

WORKERS_MAX: Final = 64
"""Most workers of a pool: each takes at least 50 MB before its first program."""

INPUT_BYTES_MAX: Final = 64 * MIB
"""Longest inputs of one task together: as many bytes as the largest tensor of int8 has elements."""

MESSAGE_OVERHEAD: Final = 64 * KIB
"""Bytes of a message beside its tensors: lengths, ids, a reason; 8,192 tensors take 40 KB."""

REASON_LENGTH_MAX: Final = 500
"""Longest reason that a worker may give, in bytes."""

KEPT_MEMORY_SHARE: Final = 2
"""A worker that keeps more than a half of its memory between tasks is replaced: the next program would be
refused for what others left behind."""


class WorkerLimits(Struct, frozen=True):
    """What one worker process may take as long as it lives. Children of it count as part of it."""

    memory_bytes: int = 4 * GIB
    """Resident memory, and private writable memory (RLIMIT_DATA). A program of the largest size may need two
    to three GiB."""

    file_bytes: int = GIB
    """Longest file that it may write (RLIMIT_FSIZE): only kernels go to disk, all of them in one database."""

    open_files: int = 128
    """Most open files (RLIMIT_NOFILE); a worker that compiles has 13 of them open."""

    start_s: float = 900.0
    """Longest wall time until it is ready. The first start on a device builds and checks kernels: ten seconds
    alone, but 75 s were seen with 13 processes to two cores, and it grows with their number."""

    start_cpu_s: int = 120
    """Most processor time of that, in whole seconds: who is kept waiting by others takes none, so this
    is what ends a start that runs in circles."""


class TaskLimits(Struct, frozen=True):
    """What one task may take."""

    prepare_s: float = 120.0
    """Longest wall time until the program is loaded and compiled; nothing after its first run."""

    prepare_cpu_s: int = 240
    """Most processor time of that, in whole seconds; a compiler that the worker starts counts."""

    run_s: float = 60.0
    """Longest wall time of the run itself."""

    run_cpu_s: int = 120
    """Most processor time of that, in whole seconds, all threads together."""

    output_bytes: int = 64 * MIB
    """Most bytes that the outputs may have together."""
