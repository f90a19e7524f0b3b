"""Whether a writer may still append. Only proof of death permits to touch what it left."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from mltracker.events.segments.layout import Header, boot, machine

QUIET_SECONDS = 600
"""Unchanged for this long, a writer of which nothing can be proven is taken to be dead: only for what status shows."""


def proven_dead(path: Path, header: Header) -> bool:
    """By another boot of its machine, or by a free lock that it held under this kernel."""
    if header.machine and header.machine == machine() and header.boot != boot():
        return True
    return bool(header.locked and header.boot and header.boot == boot() and lock_is_free(path))


def lock_is_free(path: Path) -> bool:
    """Whether nobody holds the segment's lock. Asks without waiting and without keeping it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def seems_alive(path: Path, header: Header) -> bool:
    """Whether a writer not proven dead lives: by its lock where that can be asked, else by a guess."""
    if header.locked and header.boot == boot():
        return True
    try:
        return time.time() - path.stat().st_mtime < QUIET_SECONDS
    except OSError:
        return False


def take_lock(fd: int) -> bool:
    """Lock a segment for its writer's life; False on a file system without locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
