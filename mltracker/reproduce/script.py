"""A recipe as a Python script: it rebuilds the modules and walks the iterations, and runs as it is.

Everything recorded stands in it as Python literals, so that no name in a history can become code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from math import isfinite
from typing import TYPE_CHECKING, Any

from mltracker.reproduce.build import arguments_of, class_of, is_object, labels

if TYPE_CHECKING:
    from mltracker.reproduce.recipe import Recipe, RecordedIteration, RecordedModule

WIDTH = 120
LONGEST_NAME = 256
MARK = "YOUR STEP"
"""Stands where the user fills in."""


def script(recipe: Recipe) -> str:
    """The text of the script. It records into an aggregate of its own, so that it never adds to the original."""
    modules = _Table("MODULES")
    datasets = _Table("DATASETS")
    walk = [_row(one, modules, datasets) for one in recipe.iterations]
    own = [modules.add(_module(module)) for module in recipe.modules]
    again = (recipe.aggregate[: LONGEST_NAME - len("-again")]) + "-again"
    parts = [
        _heading(recipe),
        f"EXPERIMENT, AGGREGATE = {recipe.experiment!r}, {again!r}",
        f"SEEDS = {literal(_seeds(recipe))}",
        f"CONFIG = {literal(recipe.config)}",
        *modules.lines(),
        f"OWN_MODULES = {own!r}",
        *datasets.lines(),
        "# phase, epoch, dataset, parameters, modules, hash; in the order in which they began",
        f"ITERATIONS = [{''.join(f'{chr(10)}    {row},' for row in walk)}{chr(10) if walk else ''}]",
        *_build(recipe),
        _REST,
    ]
    return "\n".join(parts)


def literal(value: Any) -> str:
    """A Python expression for anything of JSON, NaN and the infinities included."""
    if isinstance(value, float) and not isfinite(value):
        return f'float("{value!r}")'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


class _Table:
    """Things that are named by their number in a list, each written once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def lines(self) -> Iterator[str]:
        yield f"{self._name} = ["
        yield from (f"    {text}," for text in self._numbers)
        yield "]"


def _heading(recipe: Recipe) -> str:
    runs = [f"  {line}" for session in recipe.runs for line in _ran(session.command, session.code)]
    told = "\n".join(["It was recorded by:", *runs]) if runs else "What recorded it is not known."
    text = f"The recipe of {recipe.id}, as a script.\n\n{told}\n\nFill in what is marked {MARK}, then run it.\n"
    return f"{docstring(text)}\n\nimport mltracker\nfrom mltracker import Dataset, Module\n"


def _ran(command: list[str], code: Any) -> Iterator[str]:
    import shlex

    if command:
        commit = f"    (commit {code.commit[:12]})" if code is not None and code.commit else ""
        yield shlex.join(command) + commit


def docstring(text: str) -> str:
    """Any text as the docstring of a module: what could end it, or is not printable, is escaped."""
    lines = (
        "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
        for line in text.replace("\\", "\\\\").replace('"', '\\"').split("\n")
    )
    return '"""' + "\n".join(lines) + '"""'


def _seeds(recipe: Recipe) -> list[Any]:
    return list(dict.fromkeys(seed["seed"] for session in recipe.runs for seed in session.seeds if "seed" in seed))


def _module(module: RecordedModule) -> str:
    parameters = f", {literal(module.parameters)}" if module.parameters else ""
    return f"Module({module.type!r}, {module.hash!r}, {module.name!r}{parameters})"


def _row(one: RecordedIteration, modules: _Table, datasets: _Table) -> str:
    numbers = [modules.add(_module(module)) for module in one.modules]
    number = None
    if one.dataset is not None:
        parameters = f", {literal(one.dataset.parameters)}" if one.dataset.parameters else ""
        number = datasets.add(f"Dataset({one.dataset.hash!r}, {one.dataset.name!r}{parameters})")
    return f"({one.phase!r}, {one.epoch!r}, {number!r}, {literal(one.parameters)}, {numbers!r}, {one.hash!r})"


def _build(recipe: Recipe) -> Iterator[str]:
    """Suggestions as comments: a class that cannot be imported here must not keep the script from running."""
    yield "\n\ndef build():"
    yield '    """The live objects, by the type of their module."""'
    yield "    modules = {}"
    yield f"    # {MARK}: make the modules. They were recorded as"
    for label, module in zip(labels(recipe.modules), recipe.modules, strict=True):
        yield from (f"    #   {line}" for line in _suggested(label, module))
    yield "    return modules"


def _suggested(label: str, module: RecordedModule) -> Iterable[str]:
    """Imports and a call; where a name is none in Python, what was recorded."""
    imports: dict[str, None] = {}
    try:
        call = _call(class_of(module), arguments_of(module), imports)
    except ValueError:
        return [_module(module)]
    return [*imports, f"modules[{label!r}] = {call}"]


def _call(called: str, arguments: Mapping[str, Any], imports: dict[str, None]) -> str:
    """Raises ValueError for a name that is none in Python."""
    home, _, name = called.rpartition(".")
    if not all(map(_is_name, (*home.split("."), name, *arguments))):
        raise ValueError(called)
    imports[f"from {home} import {name}"] = None
    given = ", ".join(f"{argument}={_expression(value, imports)}" for argument, value in arguments.items())
    return f"{name}({given})"


def _expression(value: Any, imports: dict[str, None]) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_expression(item, imports) for item in value) + "]"
    if isinstance(value, Mapping) and is_object(value):
        return _call(value["class"], value["arguments"], imports)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_expression(item, imports)}" for key, item in value.items()) + "}"
    return literal(value)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not iskeyword(text)


_REST = f'''

def step(iteration, modules, dataset, parameters):
    """One pass over a dataset."""
    # {MARK}: load the data of `dataset`, feed it as `parameters` say, and record what comes out:
    #   for number, batch in enumerate(iteration.track(loader)):
    #       iteration.log({{"loss": loss}}, step=number)


def main():
    for seed in SEEDS:
        mltracker.seed_everything(seed)
    modules = build()
    with mltracker.open() as tracker:
        own = [MODULES[number] for number in OWN_MODULES]
        aggregate = tracker.experiment(EXPERIMENT).aggregate(AGGREGATE, modules=own, config=CONFIG)
        with aggregate.training():
            for phase, epoch, data, parameters, others, hash in ITERATIONS:
                dataset = None if data is None else DATASETS[data]
                with aggregate.iteration(
                    phase=phase,
                    epoch=epoch,
                    dataset=dataset,
                    parameters=parameters,
                    modules=[MODULES[number] for number in others],
                    hash=hash,
                ) as iteration:
                    step(iteration, modules, dataset, parameters)


if __name__ == "__main__":
    main()
'''
