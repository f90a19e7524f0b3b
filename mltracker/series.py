"""One metric as two columns, and the only place that knows NumPy, pandas and polars."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

from mltracker.errors import MissingExtra

try:
    import numpy as np
except ImportError:
    np = None  # type: ignore[assignment]

NO_STEP = -(2**63)
"""Stands in `steps` for a point without one; no recorded step can have this value."""


class Series(NamedTuple):
    """Columns of equal length, sorted by step, then stamp; points without a step (NO_STEP) come last.

    `steps` is int64; `values` is int64 if all are ints, else float64. NumPy arrays where NumPy is installed, else
    `array.array`.
    """

    steps: Any
    values: Any

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns step and value. Raises MissingExtra."""
        try:
            import pandas
        except ImportError:
            raise MissingExtra("pandas", "pandas") from None
        return pandas.DataFrame({"step": self.steps, "value": self.values})

    def to_polars(self) -> Any:
        """A polars DataFrame with the columns step and value. Raises MissingExtra."""
        try:
            import polars
        except ImportError:
            raise MissingExtra("polars", "polars") from None
        return polars.DataFrame({"step": self.steps, "value": self.values})
