"""The abstract collections, free of any storage.

Each has two halves: queries, which projections implement, and commands, which the tracker adds. Subclass `Metrics`,
`Iterations`, `Checkpoints`, `Modules`, `Aggregates` or `Experiments` to bring a storage of your own; Python refuses to
make an instance of an incomplete one and names the methods that are missing.
"""

from mltracker.ports.aggregates import AggregateQueries, Aggregates
from mltracker.ports.checkpoints import CheckpointQueries, Checkpoints
from mltracker.ports.experiments import ExperimentQueries, Experiments
from mltracker.ports.iterations import IterationQueries, Iterations
from mltracker.ports.metrics import MetricQueries, Metrics
from mltracker.ports.modules import ModuleQueries, Modules
from mltracker.ports.read_model import ReadModel

__all__ = [
    "AggregateQueries",
    "Aggregates",
    "CheckpointQueries",
    "Checkpoints",
    "ExperimentQueries",
    "Experiments",
    "IterationQueries",
    "Iterations",
    "MetricQueries",
    "Metrics",
    "ModuleQueries",
    "Modules",
    "ReadModel",
]
