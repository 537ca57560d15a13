"""Data frames and series of pandas and Polars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import getitem
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from evenly.errors import DataError
from evenly.samples.base import Samples
from evenly.samples.encoding import plain_json, require_pyarrow
from evenly.samples.lists import ListSamples
from evenly.samples.rows import RowNumbers, check_columns, check_unique, row_numbers

if TYPE_CHECKING:
    from hashlib import _Hash


class _Frame(Samples):
    """Base class of both kinds of frame, which builds rows from columns."""

    columns: tuple[str, ...] = ()

    def __init__(self, frame: Any) -> None:
        self.origin = f"a {self.format} DataFrame of {len(frame)} rows"
        self._frame = frame
        self.columns = check_unique([str(name) for name in frame.columns], self.origin)

    def __len__(self) -> int:
        return len(self._frame)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts of plain values, None for missing ones."""
        frame = self._frame if rows is None else self.take(list(rows))
        values = [self._values(frame, position) for position in range(len(self.columns))]
        for row in zip(*values, strict=True):
            yield dict(zip(self.columns, row, strict=True))

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns, with None for missing values; see Samples.read_columns."""
        if not len(self):
            return [[] for _ in names]
        check_columns(names, self.columns, self.origin)
        return [self._values(self._frame, self.columns.index(name)) for name in names]

    def _values(self, frame: Any, position: int) -> list[object]:
        raise NotImplementedError

    def _feed(self, digest: _Hash) -> None:
        digest.update(plain_json(self.columns))
        super()._feed(digest)


class PandasFrame(_Frame):
    """A pandas DataFrame, which keeps its index; missing values (NaN, NA, NaT) become None."""

    format = "pandas"

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a DataFrame, each with its index label."""
        return self._frame.iloc[row_numbers(rows, len(self))]

    def _values(self, frame: Any, position: int) -> list[object]:
        return _pandas_values(frame.iloc[:, position])

    def _table(self, rows: RowNumbers) -> Any:
        pa = require_pyarrow("writing parquet")
        return pa.Table.from_pandas(self.take(rows))


class PolarsFrame(_Frame):
    """A Polars DataFrame."""

    format = "polars"

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a Polars DataFrame."""
        return self._frame[row_numbers(rows, len(self))]

    def _values(self, frame: Any, position: int) -> list[object]:
        values: list[object] = frame.to_series(position).to_list()
        return values

    def _table(self, rows: RowNumbers) -> Any:
        require_pyarrow("writing parquet")
        return self.take(rows).to_arrow()


def open_pandas(data: Any) -> Samples:
    """Open a DataFrame, or a Series of strings.

    Raises:
        DataError: the Series holds something else.
    """
    if hasattr(data, "columns"):
        return PandasFrame(data)
    values = _pandas_values(data)
    return _open_series(data, values, partial(getitem, data.iloc), "pandas")


def open_polars(data: Any) -> Samples:
    """Open a DataFrame, or a Series of strings.

    Raises:
        DataError: the Series holds something else, or the data are a LazyFrame.
    """
    if hasattr(data, "collect"):
        raise DataError("a LazyFrame has no rows before it is collected. Pass data.collect().")
    if hasattr(data, "columns"):
        return PolarsFrame(data)
    return _open_series(data, data.to_list(), partial(getitem, data), "polars")


def _open_series(data: Any, values: list[object], pick: Any, format: str) -> Samples:
    if values and not any(isinstance(value, str) for value in values):
        raise DataError(
            f"a {format} Series must hold strings, but this one has the type {data.dtype}. "
            "Pass a DataFrame, or a 2-D array of vectors (to_numpy())."
        )
    origin = f"a {format} Series of {len(values)} strings"
    return ListSamples(values, origin=origin, format=format, pick=pick)


def _pandas_values(series: Any) -> list[object]:
    missing = series.isna().tolist()
    values = series.tolist()
    return [None if absent else value for value, absent in zip(values, missing, strict=True)]
