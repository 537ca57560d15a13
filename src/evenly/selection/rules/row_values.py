"""One value for each row, as users pass it: a column, or values row-aligned with the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import DataError, OptionError
from evenly.shapes import Float
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData

MOST = 2**53
"""The largest number up to which every whole number is exact in float64."""


def as_plain(option: str, given: Any) -> np.ndarray[Any, Any] | list[Any]:
    """Return several values as an array if they are an array or a series, else as a list.

    Raises:
        OptionError: it is a single value, a mapping, or an iterable of unknown length.
    """
    if isinstance(given, np.ndarray):
        return given
    if hasattr(given, "detach"):
        return np.asarray(given.detach().cpu())
    if hasattr(given, "to_pylist"):
        return list(given.to_pylist())
    if hasattr(given, "to_numpy"):
        return np.asarray(given.to_numpy())
    if (
        isinstance(given, str | bytes | Mapping)
        or not isinstance(given, Iterable)
        or not hasattr(given, "__len__")
    ):
        raise OptionError(
            f"{option} must be a list, an array or a series of values, got {given!r}."
        )
    return list(given)


def values_of(prepared: PreparedData, option: str, given: Any) -> np.ndarray[Any, Any] | list[Any]:
    """Return one value for each row: those of the named column, or those that were passed.

    Raises:
        ColumnError: there is no such column.
        OptionError: the number of values is not the number of rows.
    """
    if isinstance(given, str):
        return prepared.column(given)
    values = as_plain(option, given)
    if len(values) != len(prepared):
        raise OptionError(
            f"{option} has {count(len(values), 'value')}, but {prepared.samples.origin} has "
            f"{count(len(prepared), 'row')}. Pass one value a row, or the name of a column."
        )
    return values


def numbers_of(
    prepared: PreparedData, option: str, given: Any, *, whole: bool = False
) -> Float[np.ndarray, " n"]:
    """Return one number, 0 or more, for each row; 0 for rows that are not eligible.

    Numbers may be strings, which is all that CSV has.

    Raises:
        DataError: a row's value is not a number, is NaN, infinite or negative, or is not whole
            although it must be; the message names the row.
    """
    values = values_of(prepared, option, given)
    eligible = prepared.points.eligible
    numbers = _as_floats(values)
    wrong = eligible & ~((numbers >= 0) & (numbers <= (MOST if whole else np.inf)))
    wrong |= eligible & np.isinf(numbers)
    if whole:
        wrong |= eligible & (numbers != np.floor(numbers))
    if wrong.any():
        row = int(np.argmax(wrong))
        what = f"a whole number from 0 to {MOST}" if whole else "a finite number, 0 or more"
        name = f"column {given!r}" if isinstance(given, str) else "the value"
        others = int(np.count_nonzero(wrong)) - 1
        are = "is" if others == 1 else "are"
        more = f" ({count(others, 'more row')} {are} like it)" if others else ""
        raise DataError(
            f"{option}: {name} at {prepared.samples.locate(row)} is {_plain(values[row])!r}"
            f"{more}. Every usable row needs {what}: "
            "correct them, or leave such rows out."
        )
    return np.where(eligible, numbers, 0.0)


def _as_floats(values: np.ndarray[Any, Any] | list[Any]) -> Float[np.ndarray, " n"]:
    """Return values as numbers; NaN for what is not a number."""
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iuf":
        return values.astype(np.float64)
    return np.fromiter(map(_as_float, values), np.float64, len(values))


def _as_float(value: Any) -> float:
    if value is None or isinstance(value, bool | np.bool_):
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
