"""What every Experiments collection must do. Subclass `ExperimentsContract` and give it the fixture `experiments`."""

from __future__ import annotations

import pytest

from mltracker.errors import AlreadyExists, InvalidName, InvalidParameters, NotFound
from mltracker.models import Experiment
from mltracker.ports import Experiments

BAD_NAMES = ["", "a" * 257, "a\nb", "\x00", "\x7f", "\x9f", "\ud800", 7, None, b"mnist", ["mnist"]]
BAD_PATH_NAMES = [*BAD_NAMES, "a/b", "a\\b"]
GOOD_NAMES = ["a", "a" * 256, " ", ".", "..", "mnist 2", "é", "数字", "🙂", "<b>", "'; drop table", "%s", "a:b", "NaN"]


class ExperimentsContract:
    """`experiments` is an empty collection."""

    @pytest.fixture
    def experiments(self) -> Experiments:
        raise NotImplementedError

    def test_there_are_none_at_first(self, experiments: Experiments) -> None:
        assert experiments.list() == []
        assert experiments.read("nothing") is None

    def test_create_read_list(self, experiments: Experiments) -> None:
        made = experiments.create("mnist")
        assert (made.name, made.tags, made.note) == ("mnist", {}, "")
        read = experiments.read("mnist")
        assert read is not None and read.keys == made.keys and len(read.keys) == 1
        experiments.create("cifar")
        assert [experiment.name for experiment in experiments.list()] == ["mnist", "cifar"]

    @pytest.mark.parametrize("name", GOOD_NAMES)
    def test_any_name_that_keeps_the_rules(self, experiments: Experiments, name: str) -> None:
        experiments.create(name)
        read = experiments.read(name)
        assert read is not None and read.name == name

    @pytest.mark.parametrize("name", BAD_PATH_NAMES, ids=repr)
    def test_a_bad_name_is_refused_and_named(self, experiments: Experiments, name: str) -> None:
        with pytest.raises(InvalidName, match="experiment name: must "):
            experiments.create(name)
        assert experiments.list() == []

    def test_a_second_create_names_the_first(self, experiments: Experiments) -> None:
        experiments.create("mnist")
        with pytest.raises(AlreadyExists, match="'mnist' exists already"):
            experiments.create("mnist")
        assert len(experiments.list()) == 1

    def test_rename(self, experiments: Experiments) -> None:
        experiment = experiments.create("cifar")
        experiment.name = "cifar-10"
        experiments.update(experiment)
        assert experiments.read("cifar") is None
        read = experiments.read("cifar-10")
        assert read is not None and read.keys == experiment.keys
        experiment.name = "cifar-100"
        experiments.update(experiment)
        assert [experiment.name for experiment in experiments.list()] == ["cifar-100"]

    def test_a_rename_refuses_a_live_name(self, experiments: Experiments) -> None:
        experiments.create("mnist")
        experiment = experiments.create("cifar")
        experiment.name = "mnist"
        with pytest.raises(AlreadyExists, match="'mnist'"):
            experiments.update(experiment)
        assert [experiment.name for experiment in experiments.list()] == ["mnist", "cifar"]

    @pytest.mark.parametrize("name", BAD_PATH_NAMES, ids=repr)
    def test_a_rename_to_a_bad_name_is_refused(self, experiments: Experiments, name: str) -> None:
        experiment = experiments.create("mnist")
        experiment.name = name
        with pytest.raises(InvalidName):
            experiments.update(experiment)
        assert [experiment.name for experiment in experiments.list()] == ["mnist"]

    def test_a_freed_name_can_be_taken(self, experiments: Experiments) -> None:
        first = experiments.create("mnist")
        first.name = "old"
        experiments.update(first)
        second = experiments.create("mnist")
        assert second.keys != first.keys
        assert [experiment.name for experiment in experiments.list()] == ["old", "mnist"]

    def test_tags_and_note(self, experiments: Experiments) -> None:
        experiment = experiments.create("mnist")
        experiment.tags["deep"] = {"a": [1, None, float("inf")]}
        experiment.tags["owner"] = "me"
        experiment.note = "first\ntry"
        experiments.update(experiment)
        read = experiments.read("mnist")
        assert read is not None
        assert (read.tags, read.note) == ({"deep": {"a": [1, None, float("inf")]}, "owner": "me"}, "first\ntry")
        read.tags["deep"]["a"].append(2)
        del read.tags["owner"]
        experiments.update(read)
        again = experiments.read("mnist")
        assert again is not None and again.tags == {"deep": {"a": [1, None, float("inf"), 2]}}

    def test_update_writes_only_what_the_caller_changed(self, experiments: Experiments) -> None:
        mine, theirs = experiments.create("mnist"), experiments.read("mnist")
        assert theirs is not None
        theirs.tags["theirs"], theirs.note = 1, "theirs"
        experiments.update(theirs)
        mine.tags["mine"] = 2
        experiments.update(mine)
        read = experiments.read("mnist")
        assert read is not None and read.tags == {"theirs": 1, "mine": 2} and read.note == "theirs"

    def test_bad_tags_are_refused(self, experiments: Experiments) -> None:
        experiment = experiments.create("mnist")
        experiment.tags["f"] = print
        with pytest.raises(InvalidParameters, match=r"tags\.f"):
            experiments.update(experiment)

    def test_delete_and_restore(self, experiments: Experiments) -> None:
        made = experiments.create("mnist")
        experiments.delete("mnist")
        assert experiments.read("mnist") is None and experiments.list() == []
        restored = experiments.restore("mnist")
        assert restored.keys == made.keys
        assert [experiment.name for experiment in experiments.list()] == ["mnist"]

    def test_delete_create_again_restore(self, experiments: Experiments) -> None:
        old = experiments.create("mnist")
        experiments.delete("mnist")
        new = experiments.create("mnist")
        assert new.keys != old.keys
        with pytest.raises(AlreadyExists, match="'mnist'"):
            experiments.restore("mnist")
        new.name = "new"
        experiments.update(new)
        assert experiments.restore("mnist").keys == old.keys

    def test_restore_brings_back_the_last_delete(self, experiments: Experiments) -> None:
        experiments.create("mnist")
        experiments.delete("mnist")
        second = experiments.create("mnist")
        experiments.delete("mnist")
        assert experiments.restore("mnist").keys == second.keys

    def test_what_is_not_there(self, experiments: Experiments) -> None:
        with pytest.raises(NotFound, match="'nothing'"):
            experiments.delete("nothing")
        with pytest.raises(NotFound, match="'nothing'"):
            experiments.restore("nothing")
        gone = experiments.create("gone")
        experiments.delete("gone")
        with pytest.raises(NotFound, match="'gone'"):
            experiments.delete("gone")
        gone.note = "late"
        with pytest.raises(NotFound, match=r"'gone'.*restore"):
            experiments.update(gone)
        with pytest.raises(NotFound, match="not read from a store"):
            experiments.update(Experiment("home-made"))
