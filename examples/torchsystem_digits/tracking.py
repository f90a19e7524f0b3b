"""Listens to the training service and writes down what it says."""

from typing import Any

from torchsystem import Depends
from torchsystem.services import Consumer

from mltracker import Dataset, Iteration, Module
from training import Evaluated, Learned, Trained

consumer = Consumer()


def aggregate() -> Any:
    """The tracked aggregate; whoever composes the program overrides it."""
    raise NotImplementedError("Override this dependency: consumer.override(aggregate, lambda: ...)")


@consumer.handler
def log_a_step(event: Learned, tracked: Any = Depends(aggregate)) -> None:
    tracked.metrics.log(event.results, epoch=event.model.epoch, batch=event.batch, phase="train")


@consumer.handler
def log_results(event: Evaluated, tracked: Any = Depends(aggregate)) -> None:
    tracked.metrics.log(event.results, epoch=event.model.epoch, phase=event.model.phase)


@consumer.handler
def log_a_pass(event: Trained | Evaluated, tracked: Any = Depends(aggregate)) -> None:
    model, loader = event.model, event.loader
    dataset = Dataset.of(loader.dataset, name=f"digits-{model.phase}")
    modules = [Module.of(model.criterion, "criterion"), Module.of(model.optimizer, "optimizer")]
    parameters = {"batch_size": loader.batch_size}
    tracked.iterations.add(Iteration(dataset.hash, model.phase, model.epoch, dataset, parameters, modules))
