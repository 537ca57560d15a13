"""Columns of records in little memory: numbers as an array, and equal words kept once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

# Values that are looked at together. Words that are kept once, as names of groups should be.
_TOGETHER = 16_384
_MOST_WORDS = 10_000

Column = np.ndarray[Any, Any] | list[Any]

_TYPES: dict[type, type] = {int: np.int64, float: np.float64}


def compact_column(values: Iterable[object]) -> Column:
    """Return values as an array if all are whole numbers, or all are floats; else as a list.

    Numbers beyond 64 bits stay in a list. Equal words of a list are one object.
    """
    remaining = iter(values)
    arrays: list[np.ndarray[Any, Any]] = []
    while some := list(islice(remaining, _TOGETHER)):
        array = _as_array(some)
        if array is None or (arrays and array.dtype != arrays[0].dtype):
            return _as_list(arrays, some, remaining)
        arrays.append(array)
    return np.concatenate(arrays) if arrays else []


def _as_array(values: list[object]) -> np.ndarray[Any, Any] | None:
    kinds = set(map(type, values))
    kind = _TYPES.get(kinds.pop()) if len(kinds) == 1 else None
    if kind is None:
        return None
    try:
        return np.array(values, kind)
    except OverflowError:
        return None


def _as_list(
    arrays: list[np.ndarray[Any, Any]], some: list[object], remaining: Iterable[object]
) -> list[object]:
    found: list[object] = [value for array in arrays for value in array.tolist()]
    words: dict[object, object] = {}
    for part in (some, remaining):
        for value in part:
            if isinstance(value, str):
                value = words.get(value, value)
                if len(words) < _MOST_WORDS:
                    words[value] = value
            found.append(value)
    return found
