"""The domain: a network and what trains it, treated as one unit."""

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torchsystem import Aggregate
from torchsystem.registry import gethash, register


@register
class Perceptron(nn.Module):
    """One hidden layer of rectified units, some of them dropped at each step."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10))

    def forward(self, images: Any) -> Any:
        return self.layers(images)


class Classifier(Aggregate):
    """Its identity is the network's."""

    def __init__(self, network: nn.Module, criterion: nn.Module, optimizer: Optimizer) -> None:
        super().__init__()
        self.epoch = 0
        self.network = network
        self.criterion = criterion
        self.optimizer = optimizer

    @property
    def id(self) -> str:
        return str(gethash(self.network))

    def forward(self, images: Any) -> Any:
        return self.network(images)

    def fit(self, images: Any, digits: Any) -> tuple[Any, Any]:
        self.optimizer.zero_grad()
        guesses, loss = self.evaluate(images, digits)
        loss.backward()
        self.optimizer.step()
        return guesses, loss

    def evaluate(self, images: Any, digits: Any) -> tuple[Any, Any]:
        guesses = self(images)
        return guesses, self.criterion(guesses, digits)
