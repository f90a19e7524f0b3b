"""Module.of for torch: models, optimizers, schedulers, loaders, before and after training."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mltracker
from mltracker import InvalidParameters, Module
from mltracker.capture.registry import REGISTRY, Registry, construct

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402
from torch.optim import SGD, Adam, lr_scheduler  # noqa: E402
from torch.utils import data  # noqa: E402


@mltracker.register
class Net(nn.Module):
    def __init__(self, hidden: int = 4, activation: Callable[..., Any] = torch.relu) -> None:
        self.before = hidden
        super().__init__()
        self.layer, self.activation = nn.Linear(2, hidden), activation

    def forward(self, batch: Any) -> Any:
        return self.activation(self.layer(batch)).sum(dim=1)


class Plain(nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Dropout(0.2))
        self.head = nn.Linear(width, 1, bias=False)


LOADING = """
import sys, mltracker
from torch.utils.data import DataLoader, Dataset
@mltracker.register
class Squares(Dataset):
    def __init__(self, size): ...
    def __len__(self):
        return 2
    def __getitem__(self, index):
        return "{class} {size}".format(**mltracker.Module.of(self).parameters)
if __name__ == "__main__":
    loader = DataLoader(Squares(3), num_workers=1, multiprocessing_context=sys.argv[1])
    print([text for texts in loader for text in texts])
"""


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda optimizer: lr_scheduler.StepLR(optimizer, 2, gamma=0.5),
    "MultiStepLR": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2, 4, 4]),
    "ExponentialLR": lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
    "CosineAnnealingLR": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 10),
    "CosineAnnealingWarmRestarts": lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2),
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
    "PolynomialLR": lambda optimizer: lr_scheduler.PolynomialLR(optimizer, 4, power=2.0),
    "ReduceLROnPlateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=1e-4),
    "OneCycleLR": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=20),
    "CyclicLR": lambda optimizer: lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, step_size_up=3),
    "SequentialLR": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer, [lr_scheduler.ConstantLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)], [2]
    ),
}
REBUILT = ["StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "PolynomialLR", "ReduceLROnPlateau"]


def groups(net: nn.Module) -> list[dict[str, Any]]:
    return [{"params": [net.layer.weight], "lr": 0.5}, {"params": [net.layer.bias]}]


def train(net: nn.Module, optimizer: Any, scheduler: Any = None) -> None:
    net.train()
    for step in range(6):
        optimizer.zero_grad()
        loss = net(torch.ones(3, 2) * (step + 1)).mean()
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step(*([1.0] if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else []))
    net.eval()


def test_a_registered_model_is_its_arguments() -> None:
    module = Module.of(Net(6))
    here = f"{__name__}.Net"
    assert module.parameters == {"class": here, "hidden": 6, "activation": {"function": "torch.relu"}}
    assert Module.of(Net(7)).hash != module.hash


def test_another_model_is_its_structure() -> None:
    module = Module.of(Plain())
    assert module.name == "Plain"
    assert module.parameters["parameter_count"] == 2 * 3 + 3 + 3 + 3 + 3
    structure = module.parameters["structure"]
    assert list(structure) == ["body", "body.0", "body.1", "body.2", "head"]
    assert structure["body.0"] == "Linear(in_features=2, out_features=3, bias=True)"
    assert structure["body.2"] == "Dropout(p=0.2, inplace=False)"
    assert Module.of(Plain(4)).hash != module.hash
    changed = Plain()
    changed.body[2].p = 0.3
    assert Module.of(changed).hash != module.hash


def test_the_classes_of_users_within_are_told_in_full() -> None:
    assert Module.of(nn.Sequential(Plain())).parameters["structure"]["0"] == f"{__name__}.Plain()"


def test_modules_that_tell_nothing_are_told_by_their_arguments() -> None:
    plain, smooth = nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)
    assert "label_smoothing=0.1" in Module.of(smooth).parameters["structure"]
    hashes = {Module.of(each).hash for each in (plain, smooth, nn.CrossEntropyLoss(torch.tensor([1.0, 2.0])))}
    hashes |= {Module.of(nn.CrossEntropyLoss(torch.tensor([1.0, weight]))).hash for weight in (3.0, 3.0)}
    assert len(hashes) == 4
    assert Module.of(nn.MultiheadAttention(4, 2)).hash != Module.of(nn.MultiheadAttention(4, 4)).hash


@pytest.mark.parametrize("make", [Net, lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Flatten(0))])
def test_training_does_not_change_a_model(make: Callable[[], nn.Module]) -> None:
    net = make()
    before = Module.of(net)
    train(net, SGD(net.parameters(), lr=0.1))
    assert Module.of(net) == before
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    copies = [net.double(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))] if make is Net else [net.double()]
    net.load_state_dict(net.state_dict())
    assert {Module.of(each).hash for each in copies} == {before.hash}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("several", [False, True])
def test_training_changes_neither_optimizer_nor_scheduler(name: str, several: bool) -> None:
    net = Net()
    optimizer = SGD(groups(net) if several else net.parameters(), lr=0.1, momentum=0.9)
    before = Module.of(optimizer, type="optimizer")
    scheduler = SCHEDULERS[name](optimizer)
    assert Module.of(optimizer, type="optimizer") == before
    schedule = Module.of(scheduler, type="scheduler")
    train(net, optimizer, scheduler)
    assert Module.of(optimizer, type="optimizer") == before
    assert Module.of(scheduler, type="scheduler") == schedule


@pytest.mark.parametrize("name", REBUILT)
def test_an_optimizer_first_seen_after_training_is_the_same(name: str) -> None:
    early, late = Net(), Net()
    before = Module.of(SGD(early.parameters(), lr=0.1))
    optimizer = SGD(late.parameters(), lr=0.1)
    train(late, optimizer, SCHEDULERS[name](optimizer))
    assert optimizer.param_groups[0]["lr"] != 0.1
    if name == "ReduceLROnPlateau":  # it does not note where it started
        assert Module.of(optimizer).parameters["groups"] == [
            {"parameter_count": 12, "lr": optimizer.param_groups[0]["lr"]}
        ]
    else:
        assert Module.of(optimizer) == before


@pytest.mark.parametrize("name", REBUILT)
def test_schedulers_can_be_made_again(name: str) -> None:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    module = Module.of(SCHEDULERS[name](optimizer))
    assert module.parameters["class"].startswith("torch.optim.lr_scheduler.")
    cls = REGISTRY.get(module.parameters["class"])
    assert cls is not None
    given = {key: value for key, value in module.parameters.items() if key != "class"}
    assert Module.of(construct(cls, {"optimizer": optimizer, **given})) == module


def test_schedules_with_other_numbers_differ() -> None:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    one, other = (lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=20, div_factor=d) for d in (10.0, 20.0))
    assert one is not other
    hashes = {Module.of(lr_scheduler.LambdaLR(optimizer, function)).hash for function in (lambda e: 0.9, lambda e: 0.8)}
    assert len(hashes) == 2
    rates = []
    for div in (10.0, 20.0):
        fresh = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        rates.append(Module.of(lr_scheduler.OneCycleLR(fresh, 0.3, total_steps=20, div_factor=div)).hash)
    assert len(set(rates)) == 2


def test_an_optimizer_is_its_hyperparameters_and_sizes() -> None:
    net = Net()
    module = Module.of(Adam(net.parameters(), lr=0.01), type="optimizer")
    assert module.parameters["class"] == "torch.optim.adam.Adam"
    assert module.parameters["betas"] == [0.9, 0.999]
    assert module.parameters["parameter_count"] == 12
    assert Module.of(Adam(net.parameters(), lr=0.02)).hash != module.hash
    cls = Registry().get("torch.optim.adam.Adam")
    assert cls is Adam
    given = {name: value for name, value in module.parameters.items() if name not in ("class", "parameter_count")}
    assert Module.of(cls(net.parameters(), **given), type="optimizer") == module


def test_groups_with_hyperparameters_of_their_own() -> None:
    net = Net()
    module = Module.of(SGD(groups(net), lr=0.1))
    assert module.parameters["groups"] == [{"parameter_count": 8, "lr": 0.5}, {"parameter_count": 4}]
    optimizer = SGD([net.layer.weight], lr=0.1)
    one = Module.of(optimizer)
    optimizer.param_groups[0]["lr"] = 0.01
    assert Module.of(optimizer) == one
    optimizer.add_param_group({"params": [net.layer.bias], "momentum": 0.5})
    assert Module.of(optimizer).parameters["groups"] == [
        {"parameter_count": 8},
        {"parameter_count": 4, "momentum": 0.5},
    ]


def test_loaders_by_how_they_feed() -> None:
    numbers = data.TensorDataset(torch.arange(10))
    module = Module.of(data.DataLoader(numbers, batch_size=2, shuffle=True))
    assert module.parameters == {
        "class": "torch.utils.data.dataloader.DataLoader",
        "batch_size": 2,
        "shuffle": True,
        "drop_last": False,
        "num_workers": 0,
        "persistent_workers": False,
    }
    weighted = data.WeightedRandomSampler([0.1, 0.9], 2)
    seeded = torch.Generator().manual_seed(3)
    loaders = [
        data.DataLoader(numbers, batch_size=2),
        data.DataLoader(numbers, batch_size=3),
        data.DataLoader(numbers, sampler=weighted),
        data.DataLoader(numbers, sampler=data.RandomSampler(numbers, replacement=True)),
        data.DataLoader(numbers, batch_sampler=data.BatchSampler(data.SequentialSampler(numbers), 2, False)),
        data.DataLoader(numbers, batch_sampler=data.BatchSampler(data.RandomSampler(numbers), 2, False)),
        data.DataLoader(numbers, batch_sampler=data.BatchSampler(data.RandomSampler(numbers), 3, False)),
        data.DataLoader(numbers, shuffle=True, generator=seeded),
        data.DataLoader(numbers, collate_fn=list),
    ]
    assert len({Module.of(loader).hash for loader in loaders}) == len(loaders)
    before = Module.of(loaders[7])
    list(loaders[7])
    assert Module.of(loaders[7]) == before
    assert before.parameters["seed"] == 3
    assert Module.of(data.DataLoader(numbers, batch_size=2, shuffle=True, pin_memory=False, timeout=0)) == module


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_know_the_arguments(context: str, tmp_path: Path) -> None:
    (tmp_path / "squares.py").write_text(LOADING)
    command = [sys.executable, "squares.py", context]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.stdout == "['squares.Squares 3', 'squares.Squares 3']\n", result.stderr


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_wrapped_models_are_what_is_inside() -> None:
    net = Net(5)
    assert Module.of(torch.compile(net)) == Module.of(net)
    assert Module.of(nn.DataParallel(net)) == Module.of(net)


def test_a_lazy_module_has_no_structure_yet() -> None:
    with pytest.raises(InvalidParameters, match="first batch"):
        Module.of(nn.Sequential(nn.LazyLinear(3)))


def test_no_address_and_no_device_is_part_of_it() -> None:
    class Telling(nn.Module):
        def extra_repr(self) -> str:
            return f"hook={object()!r}, at (cuda:0)"

    assert Module.of(Telling()).hash == Module.of(Telling()).hash
    assert "0x" not in str(Module.of(Telling()).parameters)


def test_tensors_dtypes_and_devices_as_arguments() -> None:
    @mltracker.register
    class Holds:
        def __init__(self, **values: object) -> None: ...

    tensor = torch.arange(4.0)
    module = Module.of(
        Holds(dtype=torch.float16, device=torch.device("cpu"), weights=tensor, scalar=tensor[1], net=Net(2))
    )
    assert (module.parameters["dtype"], module.parameters["device"]) == ("torch.float16", "cpu")
    assert module.parameters["weights"]["data"] == "torch.Tensor"
    assert module.parameters["scalar"] == 1.0
    assert module.parameters["net"]["arguments"]["hidden"] == 2
    assert Module.of(Holds(weights=tensor)).hash != Module.of(Holds(weights=tensor + 1)).hash


@pytest.mark.parametrize("library", ["torchsystem.registry", "mlregistry"])
def test_objects_registered_elsewhere_keep_name_arguments_and_hash(library: str) -> None:
    other = pytest.importorskip(library, reason=f"{library} is not installed")

    class Model(nn.Module):
        def __init__(self, width: int, inner: object = None) -> None:
            super().__init__()

    Model.__init__.__annotations__.clear()  # they take no annotations that are text
    cls = other.register("Called")(Model)
    model = cls(3, inner=cls(2))
    module = Module.of(model)
    assert module.name == "Called"
    inner = {"name": "Called", "arguments": {"width": 2}}
    assert module.parameters == {"class": f"{__name__}.{Model.__qualname__}", "width": 3, "inner": inner}
    assert Module.of(cls(4)).hash != module.hash
    other.sethash(model, "mine")
    assert Module.of(model).hash == "mine"
    mltracker.register(cls)
    assert Module.of(cls(5)).name == "Called"
