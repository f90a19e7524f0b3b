"""A training written against torchsystem learns handwritten digits; a consumer of its own writes it down in mltracker.

    python examples/torchsystem_digits/main.py [STORE]     # default build/torchsystem_digits

`classifier.py` is the domain, `training.py` the service, `tracking.py` the consumer, and this puts them together.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import mltracker
import tracking
import training
from classifier import Classifier, Perceptron
from mltracker import Module

EPOCHS, BATCH, RATE, HIDDEN, DROPOUT, SEED = 3, 64, 0.05, 32, 0.1, 7
DEFAULT_STORE = Path(__file__).parents[2] / "build" / "torchsystem_digits"


def load() -> tuple[DataLoader[Any], DataLoader[Any]]:
    """The digits that scikit-learn brings along: to learn from, to judge by."""
    images, digits = load_digits(return_X_y=True)
    parts = train_test_split(images / 16, digits, test_size=0.25, random_state=SEED)
    train, test = (torch.tensor(part, dtype=torch.float32) for part in parts[:2])
    train_digits, test_digits = (torch.tensor(part) for part in parts[2:])
    generator = torch.Generator().manual_seed(SEED)
    learned_from = DataLoader(TensorDataset(train, train_digits), BATCH, shuffle=True, generator=generator)
    return learned_from, DataLoader(TensorDataset(test, test_digits), BATCH)


def main() -> None:
    mltracker.seed_everything(SEED)
    torch.set_num_threads(1)  # sums come out the same however many cores there are
    store = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_STORE
    network = Perceptron(HIDDEN, dropout=DROPOUT)
    model = Classifier(network, nn.CrossEntropyLoss(), torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9))
    learned_from, judged_by = load()
    with mltracker.open(store) as tracker:
        experiment = tracker.experiment("torchsystem_digits")
        config = {"lr": RATE, "batch_size": BATCH}
        aggregate = experiment.aggregate(model.id, modules=[Module.of(network)], config=config)
        tracking.consumer.override(tracking.aggregate, lambda: aggregate)
        training.producer.register(tracking.consumer)
        with aggregate.training():
            for _ in range(EPOCHS):
                training.train(model, learned_from)
                training.evaluate(model, judged_by)
        losses = aggregate.metrics.series("loss", "evaluation")
        print(f"{aggregate.id}: {model.epoch} epochs, evaluation loss {losses.values[-1]:.4f}")


if __name__ == "__main__":
    main()
