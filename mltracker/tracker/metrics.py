"""An aggregate's metrics, connected to the store. Recording them is the hot path: microseconds a call."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orjson import dumps

from mltracker import html
from mltracker.commands import check, contents
from mltracker.errors import InvalidValue, StoreError
from mltracker.events.catalogue import MetricRenameUndone, MetricSeriesRecorded, MetricsRecorded
from mltracker.events.envelope import kind
from mltracker.events.values import encode_number, number
from mltracker.html import Rows
from mltracker.models import Metric
from mltracker.ports import Metrics
from mltracker.series import Series
from mltracker.tracker import columns
from mltracker.tracker.access import Access

_RECORDED = kind(MetricsRecorded.type, MetricsRecorded.version)
_SERIES = kind(MetricSeriesRecorded.type, MetricSeriesRecorded.version)
_SMALLEST, _LARGEST = -(2**63) + 1, 2**63 - 1
_MOST_NAMES = 100_000
_names: set[str] = set()
"""Names and phases that were checked before."""


class TrackedMetrics(Metrics):
    """The metrics of the aggregate that these keys mean; new points go to the oldest key."""

    __slots__ = ("_access", "_append", "_keys", "_path", "_stream")

    def __init__(self, access: Access, keys: Sequence[str], path: str) -> None:
        self._access = access
        self._path = path
        self._keys = keys
        self._append = access.append_data
        self._stream = keys[0].encode()

    def log(
        self,
        values: Mapping[str, float],
        *,
        step: int | None = None,
        epoch: int | None = None,
        batch: int | None = None,
        phase: str | None = None,
    ) -> None:
        plain = (
            type(values) is dict
            and _names.issuperset(values)
            and (step is None or (type(step) is int and _SMALLEST <= step <= _LARGEST))
            and (epoch is None or (type(epoch) is int and _SMALLEST <= epoch <= _LARGEST))
            and (batch is None or (type(batch) is int and _SMALLEST <= batch <= _LARGEST))
            and (phase is None or (type(phase) is str and phase in _names))
        )
        if plain:
            total = 0.0
            for value in values.values():
                if type(value) is float:
                    total += value
                elif type(value) is not int or not _SMALLEST <= value <= _LARGEST:
                    plain = False
                    break
            plain = plain and total - total == 0  # neither NaN nor an infinity is among them
        if not plain:
            values, step, epoch, batch, phase = _checked(values, step, epoch, batch, phase)
        data: dict[str, Any] = {"values": values}
        if step is not None:
            data["step"] = step
        if epoch is not None:
            data["epoch"] = epoch
        if batch is not None:
            data["batch"] = batch
        if phase is not None:
            data["phase"] = phase
        if not values:
            return
        try:
            line = dumps(data)
        except TypeError:  # a name that is equal to a known one, but of another type of string
            data["values"] = {str.__str__(name): value for name, value in values.items()}
            line = dumps(data)
        try:
            self._append(_RECORDED, self._stream, line)
        except StoreError as error:
            self._access.failed(error)

    def add(self, metric: Metric) -> None:
        if not isinstance(metric, Metric):
            raise InvalidValue("metric", f"must be a Metric, not {type(metric).__name__}")
        name = metric.name if type(metric.name) is str else check.name("metric name", metric.name)
        self.log({name: metric.value}, step=metric.step, epoch=metric.epoch, batch=metric.batch, phase=metric.phase)

    def log_series(
        self,
        name: str,
        values: Iterable[float],
        steps: Iterable[int] | None = None,
        *,
        epoch: int | None = None,
        phase: str | None = None,
    ) -> None:
        name, phase = check.name("metric name", name), check.optional_name("phase", phase)
        epoch = check.place("epoch", epoch)
        column = columns.check_values(name, values)
        places = None if steps is None else columns.check_steps(steps, len(column.column))
        try:
            for data in columns.encoded(name, column, places, epoch, phase):
                self._append(_SERIES, self._stream, data)
        except StoreError as error:
            self._access.failed(error)

    def list(
        self,
        name: str | None = None,
        phase: str | None = None,
        *,
        epoch: int | None = None,
        session: str | None = None,
        voided: bool = False,
    ) -> builtins.list[Metric]:
        return Rows(
            self._access.ask(
                lambda model: model.metrics(self._keys).list(name, phase, epoch=epoch, session=session, voided=voided)
            )
        )

    def series(self, name: str, phase: str | None = None, *, session: str | None = None, last: bool = False) -> Series:
        return self._access.ask(lambda model: model.metrics(self._keys).series(name, phase, session=session, last=last))

    def names(self) -> builtins.list[tuple[str | None, str]]:
        return self._access.ask(lambda model: model.metrics(self._keys).names())

    def void(self, metric: Metric | str, why: str = "") -> None:
        self._access.decide(lambda given: contents.void(given, self._keys, metric, why))

    def unvoid(self, metric: Metric | str, why: str = "") -> None:
        self._access.decide(lambda given: contents.unvoid(given, self._keys, metric, why))

    def rename(self, old: str, new: str, why: str = "") -> Callable[[], None]:
        renames = self._access.decide(lambda given: contents.rename_metric(given, self._keys, old, new, why))
        pending = [(key, rename.id) for key, rename in zip(self._keys, renames, strict=False)]

        def undo() -> None:
            while pending:
                key, rename = pending.pop()
                self._access.append(MetricRenameUndone(stream=key, rename=rename))

        return undo

    def clear(self, why: str = "") -> None:
        self._access.decide(lambda given: contents.clear_metrics(given, self._keys, why))

    def __repr__(self) -> str:
        return f"<metrics of {self._path}>"

    def _repr_html_(self) -> str:
        names = self.names()
        return html.table(map(self._summary, names), len(names))

    def _summary(self, series: tuple[str | None, str]) -> dict[str, Any]:
        phase, name = series
        return {"phase": phase, "name": name, "points": len(self.series(name, phase).values)}


def _checked(values: object, step: object, epoch: object, batch: object, phase: object) -> Any:
    """The same, every part of it looked at, as JSON can hold it. Raises InvalidName, InvalidMetric, InvalidValue."""
    if not isinstance(values, Mapping):
        raise InvalidValue("values", f"must be a mapping of names to numbers, not {type(values).__name__}")
    numbers = {}
    for name, value in values.items():
        known = name if type(name) is str and name in _names else check.name("metric name", name)
        numbers[known] = encode_number(float(value) if isinstance(value, float) else number(known, value))
    step, epoch, batch = check.place("step", step), check.place("epoch", epoch), check.place("batch", batch)
    phase = check.optional_name("phase", phase)
    if len(_names) < _MOST_NAMES:
        _names.update(numbers if phase is None else (*numbers, phase))
    return numbers, step, epoch, batch, phase
