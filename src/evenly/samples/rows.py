"""Checks of row numbers and column names."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import ColumnError, DataError, OutputError, RowError
from evenly.samples.json_values import MISSING

RowNumbers = npt.NDArray[np.int64]


def row_numbers(rows: Iterable[int] | npt.NDArray[Any], count: int) -> RowNumbers:
    """Return `rows` as an int64 array (k,) of numbers from 0 to count - 1.

    Raises:
        RowError: a number is not an integer or out of range; the message names the first.
    """
    array = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise RowError(
            "rows must be a list of row numbers, got an array of "
            f"{array.dtype} of shape {array.shape}."
        )
    outside = np.flatnonzero((array < 0) | (array >= count))
    if outside.size:
        raise RowError(
            f"row {array[outside[0]]} is out of range: the data have {count} rows, "
            f"numbered from 0 to {count - 1}."
        )
    return array.astype(np.int64)


def missing_column(name: str, columns: Sequence[str], origin: str) -> ColumnError:
    """Return the error that lists the columns there are and suggests the most similar one."""
    if not columns:
        return ColumnError(f"{origin} has no columns, so there is no column {name!r}.")
    close = difflib.get_close_matches(name, columns, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return ColumnError(
        f"{origin} has no column {name!r}.{hint} The columns are: {', '.join(columns)}."
    )


def check_columns(names: Iterable[str], columns: Sequence[str], origin: str) -> None:
    """Raise ColumnError if any of `names` is not one of `columns`."""
    for name in names:
        if name not in columns:
            raise missing_column(name, columns, origin)


def check_names(record: Iterable[Any], format: str) -> None:
    """Raise OutputError if a key of a record is not a string, as names of columns must be."""
    for key in record:
        if not isinstance(key, str):
            raise OutputError(
                f"{format} has names of columns, which are strings, but a record has the key "
                f"{key!r} of type {type(key).__name__}. Rename it, or write .jsonl instead."
            )


def check_unique(columns: Sequence[str], origin: str) -> tuple[str, ...]:
    """Return `columns` as a tuple, or raise ColumnError if two have the same name."""
    for name, count in Counter(columns).items():
        if count > 1:
            raise ColumnError(
                f"{origin} has {count} columns named {name!r}. Rename all but one of them."
            )
    return tuple(columns)


def name_of(value: Any) -> str | None:
    """Return the name of an id or a group: 17, "17" and 17.0 are the same. None if missing."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or type(value).__name__ in MISSING:
        return None
    if isinstance(value, float):
        if np.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    kind: Any = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        # Its text would be its address, which is another one in every run.
        raise DataError(
            f"an object of type {kind.__name__} cannot name a group or a row. Pass strings "
            "or numbers."
        )
    return str(value)
