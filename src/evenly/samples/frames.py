"""Data frames and series of pandas and Polars."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import getitem
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from evenly.errors import DataError
from evenly.samples.arrow_columns import check_kept, unfit_for_parquet
from evenly.samples.arrow_values import column_values
from evenly.samples.base import Samples
from evenly.samples.compression import require_pyarrow
from evenly.samples.json_values import plain_json
from evenly.samples.lists import ListSamples
from evenly.samples.rows import RowNumbers, check_columns, check_unique, row_numbers
from evenly.tables import count

if TYPE_CHECKING:
    from hashlib import _Hash


_TEMPORAL = re.compile("Date|Time|Duration")


class _Frame(Samples):
    """Base class of both kinds of frame, which builds rows from columns."""

    columns: tuple[str, ...] = ()

    def __init__(self, frame: Any) -> None:
        self.origin = f"a {self.format} DataFrame of {count(len(frame), 'row')}"
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

    def _converted(
        self, frame: Any, convert: Callable[[Any], Any], convert_column: Callable[[int], Any]
    ) -> Any:
        """Convert a frame to Arrow; on failure, raise OutputError with the column at fault."""
        try:
            return convert(frame)
        except Exception:  # each library raises errors of many classes
            for place, name in enumerate(self.columns):
                try:
                    convert_column(place)
                except Exception as error:
                    raise unfit_for_parquet(name, error, self._values(frame, place)) from error
            raise

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
        frame = self.take(rows)

        def convert(part: Any) -> Any:
            return pa.Table.from_pandas(part, preserve_index=False)

        table = self._converted(frame, convert, lambda place: convert(frame.iloc[:, [place]]))
        for place, name in enumerate(self.columns):
            if str(frame.dtypes.iloc[place]) == "object":
                check_kept(name, self._values(frame, place), table.column(place))
        return table


class PolarsFrame(_Frame):
    """A Polars DataFrame."""

    format = "polars"

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a Polars DataFrame."""
        return self._frame[row_numbers(rows, len(self))]

    def _values(self, frame: Any, position: int) -> list[object]:
        series = frame.to_series(position)
        # Python's dates and times hold less than those of Polars, which rounds or panics.
        if _TEMPORAL.search(str(series.dtype)):
            with contextlib.suppress(ImportError):
                import pyarrow as pa

                column = series.to_arrow()
                return column_values(column, pa.field(series.name, column.type), self.origin)
        values: list[object] = series.to_list()
        return values

    def arrow_column(self, name: str) -> Any:
        """Return a column as a pyarrow ChunkedArray; None without pyarrow."""
        check_columns([name], self.columns, self.origin)
        try:
            import pyarrow as pa
        except ImportError:
            return None
        return pa.chunked_array([self._frame.get_column(name).to_arrow()])

    def _table(self, rows: RowNumbers) -> Any:
        require_pyarrow("writing parquet")
        frame = self.take(rows)
        for name, kind in frame.schema.items():
            if "Object" in str(kind):  # Polars would write the addresses of its values
                raise unfit_for_parquet(name, "it holds Python objects", frame[name].to_list())
        return self._converted(
            frame, lambda part: part.to_arrow(), lambda place: frame.to_series(place).to_arrow()
        )


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
    origin = f"a {format} Series of {count(len(values), 'string')}"
    return ListSamples(values, origin=origin, format=format, pick=pick)


def _pandas_values(series: Any) -> list[object]:
    missing = series.isna().tolist()
    values = series.tolist()
    return [None if absent else value for value, absent in zip(values, missing, strict=True)]
