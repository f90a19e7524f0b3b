"""A small network learns handwritten digits with PyTorch on the CPU, and goes on from its last checkpoint.

    python examples/torch_digits.py [STORE] [--epochs 2]     # default build/torch_digits
    python examples/torch_digits.py [STORE] [--epochs 4]     # goes on where the first stopped

Each pass over the data is an iteration with its phase, dataset and modules; what the optimizer was then is part of it.
Both runs together give the numbers of one run of four epochs, to the bit.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import mltracker
from mltracker import Dataset, Module

EPOCHS, BATCH, RATE, HIDDEN, SEED = 2, 64, 0.05, 32, 7
DEFAULT_STORE = Path(__file__).parent.parent / "build" / "torch_digits"


@mltracker.register
class Network(nn.Module):
    """One hidden layer of rectified units, some of them dropped at each step."""

    def __init__(self, hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10))

    def forward(self, images: Any) -> Any:
        return self.layers(images)


class Learner:
    """A network and what trains it."""

    def __init__(self) -> None:
        self.network = Network(HIDDEN)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=RATE, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=1, gamma=0.8)
        self.epoch = 0
        self.stateful = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler}

    def fit(self, images: Any, digits: Any) -> dict[str, float]:
        self.optimizer.zero_grad()
        guesses = self.network(images)
        loss = self.criterion(guesses, digits)
        loss.backward()
        self.optimizer.step()
        return judged(loss, guesses, digits)

    def evaluate(self, images: Any, digits: Any) -> dict[str, float]:
        with torch.inference_mode():
            guesses = self.network(images)
            return judged(self.criterion(guesses, digits), guesses, digits)

    def saved(self) -> bytes:
        buffer = io.BytesIO()
        states = {name: part.state_dict() for name, part in self.stateful.items()}
        torch.save({"epoch": self.epoch, **states}, buffer)
        return buffer.getvalue()

    def restore(self, saved: bytes) -> None:
        states = torch.load(io.BytesIO(saved), weights_only=True)
        self.epoch = states["epoch"]
        for name, part in self.stateful.items():
            part.load_state_dict(states[name])


def judged(loss: Any, guesses: Any, digits: Any) -> dict[str, float]:
    return {"loss": loss.item(), "accuracy": (guesses.argmax(dim=1) == digits).float().mean().item()}


def load() -> dict[str, TensorDataset]:
    """The digits that scikit-learn brings along, by phase."""
    images, digits = load_digits(return_X_y=True)
    parts = train_test_split(images / 16, digits, test_size=0.25, random_state=SEED)
    train, test = torch.tensor(parts[0], dtype=torch.float32), torch.tensor(parts[1], dtype=torch.float32)
    train_digits, test_digits = torch.tensor(parts[2]), torch.tensor(parts[3])
    return {"train": TensorDataset(train, train_digits), "validation": TensorDataset(test, test_digits)}


def one_pass(aggregate: Any, learner: Learner, phase: str, data: TensorDataset) -> None:
    training, epoch = phase == "train", learner.epoch
    learner.network.train(training)
    loader = DataLoader(data, BATCH, shuffle=training, generator=torch.Generator().manual_seed(SEED + epoch))
    take = learner.fit if training else learner.evaluate
    with aggregate.iteration(
        phase=phase,
        epoch=epoch,
        dataset=Dataset.of(data, name=f"digits-{phase}"),
        parameters={"batch_size": BATCH, "shuffle": training},
        modules=[learner.criterion, learner.optimizer],
    ) as iteration:
        for batch, (images, digits) in enumerate(iteration.track(loader)):
            step = (epoch - 1) * len(loader) + batch
            iteration.log(take(images, digits), step=step, batch=batch)
        if training:
            learner.scheduler.step()
        else:
            iteration.checkpoint(learner.saved(), name="learner")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on handwritten digits, from the last checkpoint on.")
    parser.add_argument("store", nargs="?", type=Path, default=DEFAULT_STORE)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="how many there shall be in all")
    given = parser.parse_args()

    mltracker.seed_everything(SEED)
    torch.set_num_threads(1)  # sums come out the same however many cores there are
    learner, data = Learner(), load()
    with mltracker.open(given.store) as tracker:
        modules = [Module.of(learner.network), Module.of(learner.scheduler, "scheduler")]
        config = {"lr": RATE, "batch_size": BATCH}
        aggregate = tracker.experiment("torch_digits").aggregate("network", modules=modules, config=config)
        if stored := aggregate.checkpoints.list("learner"):
            learner.restore(aggregate.checkpoints.load(stored[-1]))
            print(f"resumed after epoch {learner.epoch}")
        with aggregate.training():
            while learner.epoch < given.epochs:
                learner.epoch += 1
                torch.manual_seed(
                    SEED + learner.epoch
                )  # an epoch drops the same units, be it the first of a run or not
                for phase in ("train", "validation"):
                    one_pass(aggregate, learner, phase, data[phase])
        losses = aggregate.metrics.series("loss", "validation")
        print(f"{aggregate.epoch} epochs, validation loss {losses.values[-1]:.4f} in the last batch")


if __name__ == "__main__":
    main()
