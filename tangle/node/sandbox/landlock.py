"""Landlock: the kernel's rules for files, connections and signals that any process may lay upon itself.

Source: Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h (versions 1 to 6 of
the interface). There is no package for it that is kept up, and three system calls are all of it.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
"""System calls: the same numbers on every architecture."""

VERSION_FLAG: Final = 1
PATH_BENEATH: Final = 1

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
TRUNCATE: Final = 1 << 14
FILE_RIGHTS: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
"""Rights that a rule on a single file may name."""

RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
"""Rights to files that each version of the interface knows; from 3 on all that are used here. Control of
devices (version 5) is left out: drivers of graphics cards are nothing but that."""

TCP_VERSION: Final = 4
TCP: Final = 0b11
"""Listening on and connecting to TCP ports."""

SCOPE_VERSION: Final = 6
SCOPES: Final = 0b11
"""Abstract UNIX sockets of, and signals to, processes outside."""

READ: Final = EXECUTE | READ_FILE | READ_DIR
"""Reading, listing and executing."""


RULESET: Final = struct.Struct("=QQQ")
"""``struct landlock_ruleset_attr``: rights to files, to the network, scopes. Older versions end earlier."""

BENEATH: Final = struct.Struct("=Qi")
"""``struct landlock_path_beneath_attr``, which is packed: rights, descriptor of the top."""


def restrict(
    library: ctypes.CDLL, readable: Iterable[Path], listable: Iterable[Path], writable: Iterable[Path]
) -> int:
    """Confine this process and its children for good; needs no rights but ``PR_SET_NO_NEW_PRIVS``.

    :param library: the C library, with ``use_errno``.
    :param readable: files and directories whose contents may be read and executed.
    :param listable: directories whose names may be listed, at any depth.
    :param writable: files and directories that may be changed, too.
    :return: version of the kernel's interface; 0 where there is none, and then nothing was confined.
    :raises OSError: the kernel has Landlock and refuses.
    """
    version = int(library.syscall(CREATE_RULESET, None, 0, VERSION_FLAG))
    if version < 1:
        return 0
    rights = RIGHTS[min(version, max(RIGHTS))]
    wanted = RULESET.pack(
        rights, TCP if version >= TCP_VERSION else 0, SCOPES if version >= SCOPE_VERSION else 0
    )
    size = 8 if version < TCP_VERSION else 16 if version < SCOPE_VERSION else 24
    rules = _check(library.syscall(CREATE_RULESET, wanted, ctypes.c_size_t(size), 0))
    try:
        for paths, allowed in ((readable, READ), (listable, READ_DIR), (writable, rights)):
            for path in paths:
                _allow(library, rules, path, allowed & rights)
        _check(library.syscall(RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)
    return version


def _allow(library: ctypes.CDLL, rules: int, path: Path, allowed: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be allowed
    try:
        if not path.is_dir():
            allowed &= FILE_RIGHTS
        _check(library.syscall(ADD_RULE, rules, PATH_BENEATH, BENEATH.pack(allowed, parent), 0))
    finally:
        os.close(parent)


def _check(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
