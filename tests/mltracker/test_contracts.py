"""The tracker's collections keep every port's contract, on every projection, in files and in memory."""

from __future__ import annotations

import pytest

from mltracker import Tracker
from mltracker.ports import Aggregates, Checkpoints, Experiments, Iterations, Metrics, Modules
from tests.contracts.aggregates import AggregatesContract
from tests.contracts.checkpoints import CheckpointsContract
from tests.contracts.experiments import ExperimentsContract
from tests.contracts.iterations import IterationsContract
from tests.contracts.metrics import MetricsContract
from tests.contracts.modules import ModulesContract
from tests.mltracker.conftest import PROJECTIONS, OpenTracker

PLACES = [*((projection, None) for projection in PROJECTIONS), ("memory", "memory:"), ("sqlite", "memory:")]


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0]} {place[1] or 'file'}")
def tracker(open_tracker: OpenTracker, request: pytest.FixtureRequest) -> Tracker:
    projection, uri = request.param
    return open_tracker(uri, projection=projection, durability="os")


class TestExperiments(ExperimentsContract):
    @pytest.fixture
    def experiments(self, tracker: Tracker) -> Experiments:
        return tracker.experiments


class TestAggregates(AggregatesContract):
    @pytest.fixture
    def aggregates(self, tracker: Tracker) -> Aggregates:
        return tracker.experiment("mnist").aggregates

    @pytest.fixture
    def others(self, tracker: Tracker) -> Aggregates:
        return tracker.experiment("cifar").aggregates


class TestModules(ModulesContract):
    @pytest.fixture
    def modules(self, tracker: Tracker) -> Modules:
        return tracker.experiment("mnist").aggregate("1").modules


class TestMetrics(MetricsContract):
    @pytest.fixture
    def metrics(self, tracker: Tracker) -> Metrics:
        return tracker.experiment("mnist").aggregate("1").metrics


class TestCheckpoints(CheckpointsContract):
    @pytest.fixture
    def checkpoints(self, tracker: Tracker) -> Checkpoints:
        return tracker.experiment("mnist").aggregate("1").checkpoints


class TestIterations(IterationsContract):
    @pytest.fixture
    def iterations(self, tracker: Tracker) -> Iterations:
        return tracker.experiment("mnist").aggregate("1").iterations
