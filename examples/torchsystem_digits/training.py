"""The training service: it trains, and says what happened to whoever listens. Nothing here knows of a tracker."""

from typing import Any

from torch import inference_mode
from torch.utils.data import DataLoader
from torchsystem.services import Producer, Service, event

from classifier import Classifier

service = Service()
producer = Producer()


@event
class Learned:
    """The classifier took one step, on one batch."""

    model: Classifier
    batch: int
    results: dict[str, float]


@event
class Trained:
    """The classifier has seen all data once."""

    model: Classifier
    loader: DataLoader[Any]


@event
class Evaluated:
    """The classifier was judged on data that it does not learn from."""

    model: Classifier
    loader: DataLoader[Any]
    results: dict[str, float]


@service.handler
def train(model: Classifier, loader: DataLoader[Any]) -> None:
    model.epoch += 1
    model.phase = "train"
    for batch, (images, digits) in enumerate(loader):
        guesses, loss = model.fit(images, digits)
        producer.dispatch(Learned(model, batch, {"loss": loss.item(), "accuracy": accuracy(guesses, digits)}))
    producer.dispatch(Trained(model, loader))


@service.handler
def evaluate(model: Classifier, loader: DataLoader[Any]) -> None:
    model.phase = "evaluation"
    samples, results = 0, {"loss": 0.0, "accuracy": 0.0}
    with inference_mode():
        for images, digits in loader:
            guesses, loss = model.evaluate(images, digits)
            samples += len(digits)
            results["loss"] += loss.item() * len(digits)
            results["accuracy"] += accuracy(guesses, digits) * len(digits)
    producer.dispatch(Evaluated(model, loader, {name: total / samples for name, total in results.items()}))


def accuracy(guesses: Any, digits: Any) -> float:
    return float((guesses.argmax(dim=1) == digits).float().mean())
