"""How to write a line: `os.write` lets go of the interpreter lock and, beside a busy thread, waits long to get it back.

A write to a local file takes microseconds, so where other threads live it is made with the lock held. On a network file
system a write may block and would stall every thread; there `os.write` is right.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

REMOTE = ("nfs", "cifs", "smb", "lustre", "fuse", "9p", "ceph", "gpfs", "beegfs", "afs", "glusterfs", "ocfs", "gfs")
OWN_THREADS = 1
"""The thread that syncs."""


def choose_write(folder: Path) -> Callable[[int, bytes], int]:
    """`os.write`, or the one that keeps the interpreter lock where another thread could take it for long."""
    if threading.active_count() - OWN_THREADS > 1 and not is_remote(folder):
        return _write_holding_the_lock()
    return os.write


@cache
def _write_holding_the_lock() -> Callable[[int, bytes], int]:
    try:
        write = ctypes.PyDLL(None).write
    except (OSError, AttributeError):
        return os.write
    write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
    write.restype = ctypes.c_ssize_t

    def held_write(fd: int, line: bytes) -> int:
        written: int = write(fd, line, len(line))
        return written if written >= 0 else os.write(fd, line)  # which raises the right error, or was only interrupted

    return held_write


@cache
def is_remote(folder: Path) -> bool:
    """Whether a folder lies on a network file system (by the mount table; False where there is none)."""
    return file_system(folder).startswith(REMOTE)


def file_system(folder: Path) -> str:
    """The type of the file system that holds a folder; empty where the system does not say."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    here = folder.resolve()
    best = ("", "")
    for mount in mounts:
        _, point, kind, *_ = mount.split(" ")
        place = point.replace("\\040", " ")
        if len(place) >= len(best[0]) and here.is_relative_to(place):
            best = (place, kind)
    return best[1]
