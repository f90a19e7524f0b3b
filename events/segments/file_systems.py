"""Which file system a folder lies on: what is cheap on a local one may block on a network's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

REMOTE = ("nfs", "cifs", "smb", "lustre", "fuse", "9p", "ceph", "gpfs", "beegfs", "afs", "glusterfs", "ocfs", "gfs")


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
