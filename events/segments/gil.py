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

from mltracker.events.segments.file_systems import is_remote

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
