"""A writer's own lines out of a file in which somebody else may have written."""

from __future__ import annotations

import os
from zlib import crc32

from mltracker.events.envelope import CRC_TAIL, CRC_TAIL_LENGTH


def own_lines(fd: int, offset: int, seq: int, crc: int, until: int) -> bytes:
    """The bytes of the lines `seq` to `until`, excluded, from `offset` on; foreign bytes between them are left out.

    Raises LookupError where a line is missing: the file was cut by somebody else.
    """
    found: list[bytes] = []
    for raw in _read_from(fd, offset).splitlines(keepends=True):
        if seq == until:
            break
        start = raw.find(b'{"seq":%d,' % seq)
        line = raw[max(start, 0) :]
        before = crc32(line[:-CRC_TAIL_LENGTH], crc)
        tail = CRC_TAIL % before
        if start >= 0 and line.endswith(tail):
            found.append(line)
            seq, crc = seq + 1, crc32(tail, before)
    if seq != until:
        raise LookupError(f"events {seq} to {until - 1} are gone from the segment")
    return b"".join(found)


def _read_from(fd: int, offset: int) -> bytes:
    blocks = []
    while block := os.pread(fd, 1 << 20, offset):
        blocks.append(block)
        offset += len(block)
    return b"".join(blocks)
