"""The runner: catching up, files that cannot be used, rebuilding beside the old one, forks."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import Notice, ProjectionError
from mltracker.events import ExperimentCreated
from mltracker.events.memory import MemoryLog
from mltracker.events.segments import SegmentLog
from mltracker.projections import Runner, building, following, runner


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in {".json", ".sqlite"})


def test_is_caught_up_with_own_events_and_those_of_others(writing: Any, listing: Any, tmp_path: Path) -> None:
    runner = Runner(writing.log, listing, tmp_path)
    assert runner.fresh().seen() == []
    for value in range(3):
        writing.own(value)
        writing.other(writing.line(value, value))
        assert runner.fresh().seen() == writing.all()
    runner.close()
    runner.close()


def test_own_events_at_once_and_those_of_others_within_the_pace(
    writing: Any, listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "OTHERS_EVERY", 0.1)
    runner = Runner(writing.log, listing, None)
    runner.fresh()
    writing.own(1.0)
    writing.other(writing.line(0, 10))
    assert len(runner.fresh().seen()) == 2
    assert runner.fresh(everyone=True).seen() == writing.all()
    writing.other(writing.line(1, 20))
    time.sleep(0.11)
    assert len(runner.fresh(own_only=True).seen()) == 3
    assert runner.fresh().seen() == writing.all()
    runner.close()


def test_what_is_stored_is_not_folded_again(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.own(1.0, 2.0)
    first = Runner(writing.log, listing, tmp_path)
    first.fresh()
    first.close()
    assert len(kept(tmp_path)) == 1
    listing.reject = 1.0
    writing.own(3.0)
    second = Runner(writing.log, listing, tmp_path)
    assert second.fresh().seen() == writing.all()
    second.close()


def test_a_whole_file_is_written_now_and_then_only(
    writing: Any, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Runner(writing.log, whole, tmp_path)
    for value in range(10):
        writing.own(value)
        model = keeper.fresh()
    assert model.commits == 0
    monkeypatch.setattr(runner, "COMMIT_EVERY", 0.0)
    keeper.fresh()
    assert model.commits == 1
    keeper.fresh()
    assert model.commits == 1
    writing.own(11.0)
    keeper.fresh(own_only=True)
    keeper.close()
    assert model.commits == 2
    assert not model.open


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "outdated"])
def test_a_file_that_cannot_be_used_is_rebuilt_with_one_notice(
    writing: Any, listing: Any, tmp_path: Path, damage: str
) -> None:
    writing.own(*range(100))
    runner = Runner(writing.log, listing, tmp_path)
    runner.fresh()
    runner.close()
    (path,) = kept(tmp_path)
    content = path.read_bytes()
    spoiled = {"empty": b"", "garbage": b"\0garbage" * 1000, "truncated": content[: len(content) // 2]}
    path.write_bytes(spoiled.get(damage, content))
    if damage == "outdated":
        listing.checkpoint = lambda self: None
    again = Runner(writing.log, listing, tmp_path)
    with pytest.warns(Notice, match="read model was rebuilt") as notices:
        assert again.fresh().seen() == writing.all()
    assert len(notices) == 1
    writing.own(1.0)
    assert again.fresh().seen() == writing.all()
    again.close()
    assert len(kept(tmp_path)) == 1


def test_a_deleted_file_is_built_anew(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.own(1.0)
    first = Runner(writing.log, listing, tmp_path)
    first.fresh()
    for path in tmp_path.iterdir():
        path.unlink()
    writing.own(2.0)
    second = Runner(writing.log, listing, tmp_path)
    assert second.fresh().seen() == writing.all()
    writing.own(3.0)
    assert first.fresh().seen() == writing.all()
    first.close()
    assert second.fresh().seen() == writing.all()
    second.close()


def test_another_version_has_a_file_of_its_own(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.own(1.0)
    for version in (1, 2, 1):
        listing.version = version
        runner = Runner(writing.log, listing, tmp_path)
        assert runner.fresh().seen() == writing.all()
        runner.close()
    assert [path.name.split(".")[0].split("-")[1] for path in kept(tmp_path)] == ["v1", "v2"]


def test_events_that_the_log_has_lost_lead_to_a_rebuild(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.own(1.0)
    first = Runner(writing.log, listing, tmp_path)
    first.fresh()
    first.close()
    other = MemoryLog()
    other.deliver("e" * 32, [writing.line(0, 10)])
    second = Runner(other, listing, tmp_path)
    with pytest.warns(Notice, match="the log has lost") as notices:
        assert second.fresh().seen() == ["e" * 32 + ":0"]
    assert len(notices) == 1
    second.close()


def test_a_filled_hole_leads_to_a_rebuild(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.other(writing.line(0, 10), writing.line(2, 30))
    first = Runner(writing.log, listing, tmp_path)
    assert len(first.fresh().seen()) == 1
    assert len(first.notices) == 1
    first.close()
    second = Runner(writing.log, listing, tmp_path)
    assert len(second.fresh().seen()) == 1
    writing.other(writing.line(1, 20))
    with pytest.warns(Notice, match="can be read now"):
        assert second.fresh().seen() == writing.all()
    assert not second.notices
    second.close()


def test_events_that_became_known_lead_to_a_rebuild(
    writing: Any, listing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing.other(writing.line(0, 10, type="Melted"))
    first = Runner(writing.log, listing, tmp_path)
    assert first.fresh().unknown == {"Melted v1": 1}
    first.close()
    again = Runner(writing.log, listing, tmp_path)
    assert again.fresh().unknown == {"Melted v1": 1}
    again.close()
    monkeypatch.setitem(building.known.__globals__["LATEST"], "Melted", 1)
    last = Runner(writing.log, listing, tmp_path)
    with pytest.warns(Notice, match="had passed over"):
        assert last.fresh().unknown == {}
    last.close()


def test_a_rejected_event_is_heard_each_time_and_nothing_of_it_stays(
    writing: Any, listing: Any, tmp_path: Path
) -> None:
    writing.own(1.0)
    runner = Runner(writing.log, listing, tmp_path)
    runner.fresh()
    listing.reject = 2.0
    writing.own(2.0)
    for _ in range(2):
        with pytest.raises(ProjectionError, match="is rejected"):
            runner.fresh()
    listing.reject = None
    assert runner.fresh().seen() == writing.all()
    runner.close()


def test_rebuild_reports_progress_and_switches(writing: Any, listing: Any, tmp_path: Path) -> None:
    runner = Runner(writing.log, listing, tmp_path)
    writing.own(*range(10))
    old = runner.fresh()
    runner.save()
    before = kept(tmp_path)
    told: list[tuple[int, int | None]] = []
    runner.rebuild(lambda done, total: told.append((done, total)))
    assert told[0] == (0, 11)
    assert told[-1] == (11, 11)
    assert not old.open
    writing.own(1.0)
    assert runner.fresh().seen() == writing.all()
    runner.close()
    assert len(kept(tmp_path)) == 1
    assert listing.in_place == (kept(tmp_path) != before)


def test_the_first_rebuild_of_a_kept_model_knows_the_total(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.own(*range(10))
    first = Runner(writing.log, listing, tmp_path)
    first.fresh()
    first.close()
    told: list[tuple[int, int | None]] = []
    second = Runner(writing.log, listing, tmp_path)
    second.rebuild(lambda done, total: told.append((done, total)))
    assert told[0] == (0, 11)
    second.close()


def test_a_failed_rebuild_changes_nothing(writing: Any, listing: Any, tmp_path: Path) -> None:
    writing.own(1.0, 2.0)
    runner = Runner(writing.log, listing, tmp_path)
    runner.fresh()
    runner.save()
    files = kept(tmp_path)
    listing.reject = 2.0
    with pytest.raises(ProjectionError):
        runner.rebuild()
    assert kept(tmp_path) == files
    assert runner.fresh().seen() == writing.all()
    runner.close()
    assert kept(tmp_path) == files or not listing.in_place


def test_what_dead_processes_left_half_built_is_removed(writing: Any, listing: Any, tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    stem = f"{listing.name}-v1"
    stale = [f"{stem}.rebuild-{pid}-0{listing.suffix}", f"{stem}.rebuild-{pid}-0{listing.suffix}-wal"]
    stale += [f"{stem}{listing.suffix}.{pid}.tmp"]
    living = [f"{stem}.rebuild-{os.getpid()}-99{listing.suffix}", f"other-v1.rebuild-{pid}-0{listing.suffix}"]
    for name in [*stale, *living]:
        (tmp_path / name).write_bytes(b"")
    runner = Runner(writing.log, listing, tmp_path)
    writing.own(1.0)
    assert runner.fresh().seen() == writing.all()
    runner.close()
    names = {path.name for path in tmp_path.iterdir()}
    assert not names & set(stale)
    assert names >= set(living)


def test_without_a_folder_or_in_one_that_cannot_be_made_it_stays_in_memory(
    writing: Any, listing: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    writing.own(1.0)
    for folder in (None, tmp_path / "file" / "below"):
        runner = Runner(writing.log, listing, folder)
        assert runner.fresh().seen() == writing.all()
        runner.rebuild()
        assert runner.fresh().seen() == writing.all()
        runner.close()


def test_a_folder_that_vanishes_is_said_once_and_answers_go_on(writing: Any, listing: Any, tmp_path: Path) -> None:
    folder = tmp_path / "projections"
    runner = Runner(writing.log, listing, folder)
    writing.own(1.0)
    runner.fresh()
    runner.save()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("")
    writing.own(2.0)
    with pytest.warns(Notice, match="in memory") as notices:
        assert runner.fresh().seen() == writing.all()
        runner.save()
    assert len(notices) == 1
    writing.own(3.0)
    assert runner.fresh().seen() == writing.all()
    runner.close()


def test_the_garbage_collector_is_back_after_each_call(writing: Any, listing: Any) -> None:
    runner = Runner(writing.log, listing, None)
    runner.fresh()
    assert gc.isenabled()
    listing.reject = 1.0
    writing.own(1.0)
    with pytest.raises(ProjectionError):
        runner.fresh()
    assert gc.isenabled()


def test_a_forked_child_does_not_touch_the_model_of_its_parent(listing: Any, tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "store")
    runner = Runner(log, listing, tmp_path / "projections")
    log.append(ExperimentCreated(name="a"))
    mine = runner.fresh()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            log.append(ExperimentCreated(name="b"))
            model = runner.fresh()
            code = 0 if len(model.seen()) == 4 and (model is not mine or not listing.in_place) else 2
            runner.close()
            log.close()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    log.append(ExperimentCreated(name="c"))
    assert len(runner.fresh(everyone=True).seen()) == 6
    runner.close()
    log.close()


def test_a_question_that_met_damage_starts_over(writing: Any, listing: Any, tmp_path: Path) -> None:
    runner = Runner(writing.log, listing, tmp_path)
    writing.own(1.0)
    old = runner.fresh()
    with pytest.warns(Notice, match="was rebuilt: page 7 is torn"):
        model = runner.start_over("page 7 is torn")
    assert model is not old
    assert model.seen() == writing.all()
    assert runner.fresh() is model
    runner.close()
