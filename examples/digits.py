"""Two real models learn handwritten digits while mltracker writes down every batch, epoch and iteration. Then the
record is put to the test: read back, compared, seen as it was, its read models deleted, bumped and rebuilt.

    python examples/digits.py [STORE]        # a folder that does not exist yet; default build/digits, made anew

Exits with 1 if any answer differs from what was measured.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import mltracker
from mltracker import Dataset, Module
from mltracker.events import MetricsRecorded
from mltracker.projections import Projection, on

EPOCHS, BATCH, RATE, HIDDEN, SEED = 8, 64, 0.2, 32, 7
DEFAULT_STORE = Path(__file__).parent.parent / "build" / "digits"

Measured = dict[tuple[str, str, str], list[float]]
"""(aggregate, phase, metric) -> the values in the order in which they were logged: what the record must answer."""


class BestAccuracy(Projection):
    """A read model of one's own: the best validation accuracy of each aggregate, and its epoch."""

    name, version = "best_accuracy", 1

    @on(MetricsRecorded)
    def keep_the_best(self, event: Any) -> None:
        if event.data.get("phase") == "validation":
            found = [event.data["values"]["accuracy"], event.data["epoch"]]
            self.state[event.stream] = max(found, self.state.get(event.stream, found), key=lambda pair: pair[0])

    def of(self, aggregate: Any) -> Any:
        return self.state[aggregate.keys[0]]


class BestAccuracyV2(BestAccuracy):
    """The same with a raised version: its state must be folded again, out of all events."""

    version = 2


@mltracker.register
class Perceptron:
    """One hidden layer of rectified units, softmax, plain gradient descent: a model with nothing but NumPy."""

    def __init__(self, input_size: int = 64, hidden_size: int = HIDDEN, output_size: int = 10) -> None:
        self.hidden = np.random.normal(0, np.sqrt(2 / input_size), (input_size, hidden_size))
        self.output = np.random.normal(0, np.sqrt(2 / hidden_size), (hidden_size, output_size))

    def probabilities(self, images: Any) -> Any:
        self.active = np.maximum(images @ self.hidden, 0)
        scores = self.active @ self.output
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def learn(self, images: Any, digits: Any) -> dict[str, float]:
        guesses = self.probabilities(images)
        result = judge(guesses, digits)
        slope = (guesses - np.eye(10)[digits]) / len(digits)
        hidden_slope = (slope @ self.output.T) * (self.active > 0)
        self.output -= RATE * self.active.T @ slope
        self.hidden -= RATE * images.T @ hidden_slope
        return result


def judge(guesses: Any, digits: Any) -> dict[str, float]:
    return {
        "loss": float(log_loss(digits, guesses, labels=range(10))),
        "accuracy": float((guesses.argmax(axis=1) == digits).mean()),
    }


def load() -> tuple[Any, Any, Any, Any]:
    images, digits = load_digits(return_X_y=True)
    train, test, train_digits, test_digits = train_test_split(images / 16, digits, test_size=0.25, random_state=SEED)
    return train, train_digits, test, test_digits


def train(aggregate: Any, learn: Callable[..., dict[str, float]], guess: Callable[[Any], Any]) -> Measured:
    """The training loop: every batch, every epoch and every pass over the data is logged."""
    images, digits, test_images, test_digits = load()
    learned_from = Dataset.of([images, digits], name="digits-train")
    judged_by = Dataset.of([test_images, test_digits], name="digits-validation")
    step, measured = 0, Measured()

    def log(iteration: Any, phase: str, values: dict[str, float], **where: Any) -> None:
        iteration.log(values, **where)
        for name, value in values.items():
            measured.setdefault((aggregate.id, phase, name), []).append(value)

    with aggregate.training():
        for epoch in range(1, EPOCHS + 1):
            order = np.random.permutation(len(images))
            batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
            fed = {"batch_size": BATCH, "shuffle": True}
            with aggregate.iteration("train", epoch=epoch, dataset=learned_from, parameters=fed) as iteration:
                for batch, chosen in enumerate(iteration.track(batches)):
                    log(iteration, "train", learn(images[chosen], digits[chosen]), step=step, batch=batch)
                    step += 1
            fed = {"batch_size": len(test_images), "shuffle": False}
            with aggregate.iteration("validation", epoch=epoch, dataset=judged_by, parameters=fed) as iteration:
                log(iteration, "validation", judge(guess(test_images), test_digits), step=step)
    return measured


def train_perceptron(experiment: Any) -> Measured:
    model = Perceptron()
    config = {"lr": RATE, "batch": {"size": BATCH}}
    aggregate = experiment.aggregate("perceptron", modules=[Module.of(model)], config=config)
    return train(aggregate, model.learn, model.probabilities)


def train_linear(experiment: Any) -> Measured:
    model = SGDClassifier(loss="log_loss", random_state=SEED)
    aggregate = experiment.aggregate("linear", modules=[Module.of(model)], config={"batch": {"size": BATCH}})

    def learn(images: Any, digits: Any) -> dict[str, float]:
        model.partial_fit(images, digits, classes=np.arange(10))
        return judge(model.predict_proba(images), digits)

    return train(aggregate, learn, model.predict_proba)


def answers(tracker: Any) -> dict[str, Any]:
    """Everything that the store can be asked."""
    return {
        f"{experiment.name}/{aggregate.id}": {
            "status": aggregate.status,
            "epoch": aggregate.epoch,
            "parameters": aggregate.parameters,
            "points": [(point.id, point) for point in aggregate.metrics.list()],
            "iterations": [(one.id, one) for one in aggregate.iterations.list()],
            "best": (tracker.view(BestAccuracy).of(aggregate)),
        }
        for experiment in tracker.experiments.list()
        for aggregate in experiment.aggregates.list()
    }


def as_measured(tracker: Any, measured: Measured) -> bool:
    experiment = tracker.experiment("digits")
    return all(
        experiment.aggregates.read(id).metrics.series(name, phase).values.tolist() == values
        for (id, phase, name), values in measured.items()
    )


class Checks:
    """Says what was checked and whether it held."""

    failed = False

    def __call__(self, what: str, holds: bool) -> None:
        print(f"  {'ok ' if holds else 'DIFFERS'}  {what}")
        self.failed |= not holds


def show(tracker: Any) -> None:
    print(f"  {'aggregate':<12} {'status':<10} {'epochs':>6} {'points':>6} {'passes':>6} {'loss':>8} {'accuracy':>8}")
    for one in tracker.experiment("digits").aggregates.list():
        points, passes = len(one.metrics.list()), len(one.iterations.list())
        loss, accuracy = one.last["validation", "loss"], one.last["validation", "accuracy"]
        print(f"  {one.id:<12} {one.status:<10} {one.epoch:>6} {points:>6} {passes:>6} {loss:>8.4f} {accuracy:>8.4f}")


def check_the_past(tracker: Any, check: Checks, measured: Measured) -> None:
    perceptron = tracker.experiment("digits").aggregates.read("perceptron")
    end_of_epoch_2 = perceptron.metrics.list("accuracy", phase="validation")[1]
    then = tracker.as_of(end_of_epoch_2).experiment("digits")
    known = then.aggregates.read("perceptron")
    accuracies = known.metrics.series("accuracy", "validation").values.tolist()
    first, second = accuracies
    print(f"  as of the end of epoch 2: {known.status}, validation accuracy {first:.4f}, {second:.4f}")
    check(
        "the past holds what was measured by then", accuracies == measured["perceptron", "validation", "accuracy"][:2]
    )
    check("and nothing of what came later", [one.id for one in then.aggregates.list()] == ["perceptron"])


def check_rebuilds(store: Path, check: Checks, measured: Measured) -> None:
    with mltracker.open(store) as tracker:
        before = answers(tracker)
        check("a new process reads what was measured, to the bit", as_measured(tracker, measured))
        tracker.rebuild("tinydb")
        check("rebuilt while open", answers(tracker) == before)
        check("verified, no damage", tracker.verify().ok)
    shutil.rmtree(store / "projections", ignore_errors=True)  # where it is run again, the store is another one
    with mltracker.open(store) as tracker:
        check("all read models deleted, built again from the events", answers(tracker) == before)
        older, newer = tracker.view(BestAccuracy), tracker.view(BestAccuracyV2)
        check("a projection's version raised, folded again", newer.state == older.state and bool(newer.state))
    for projection in ("sqlite", "memory"):
        with mltracker.open(store, projection=projection) as tracker:
            check(f"the same from {projection}", answers(tracker) == before)


def main() -> int:
    started, check = time.perf_counter(), Checks()
    store = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_STORE
    if store == DEFAULT_STORE:
        shutil.rmtree(store, ignore_errors=True)
    mltracker.seed_everything(SEED)
    with mltracker.open(store) as tracker:
        if tracker.experiments.list():
            sys.exit(f"{store} holds experiments already; name a folder that does not exist")
        experiment = tracker.experiment("digits")
        print(f"training two models on {len(load()[0])} handwritten digits")
        measured = {**train_perceptron(experiment), **train_linear(experiment)}
        show(tracker)
        check("reads back what was measured, to the bit", as_measured(tracker, measured))
        check_the_past(tracker, check, measured)
    check_rebuilds(store, check, measured)
    print(f"{'SOME ANSWERS DIFFER' if check.failed else 'all answers are the same'}", end=" ")
    print(f"({time.perf_counter() - started:.1f} s)")
    print(f"look around: {relpath(Path(sys.executable).parent / 'mltracker')} ls digits --store {relpath(store)}")
    return int(check.failed)


if __name__ == "__main__":
    sys.exit(main())
