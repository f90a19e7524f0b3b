"""SegmentLog keeps the contract of every log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mltracker.events.segments import SegmentLog
from tests.contracts.event_log import EventLogContract


class TestSegmentLog(EventLogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Iterator[Callable[..., SegmentLog]]:
        opened: list[SegmentLog] = []

        def open_log(**options: Any) -> SegmentLog:
            opened.append(SegmentLog(tmp_path / "store", **options))
            return opened[-1]

        yield open_log
        for log in opened:
            log.close()
