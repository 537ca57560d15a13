"""Columns of lists of numbers as arrays of vectors, from Arrow and from Python values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.samples.floats import check_exact, float_type

ABSENT = object()
"""Stands for a key that a record lacks."""

Vectors = tuple[npt.NDArray[Any], dict[int, str]]
"""Vectors (n, d), and row number -> why the row is NaN: phrases such as "is None"."""


def is_number_list(kind: Any, *, floats_only: bool = False) -> bool:
    """Return whether an Arrow type is one of lists of numbers; of floats only, if asked."""
    from pyarrow import types

    listed = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if not listed:
        return False
    numbers = kind.value_type
    return bool(types.is_floating(numbers) or (types.is_integer(numbers) and not floats_only))


def vectors_of_arrow(column: Any) -> Vectors:
    """Return a ChunkedArray of lists of numbers as an array; copied only if it must be.

    Most lists decide the length of a vector. The others, and missing lists, are NaN.
    """
    chunks = [chunk.storage if hasattr(chunk, "storage") else chunk for chunk in column.chunks]
    chunks = [chunk for chunk in chunks if len(chunk)]
    lengths = [_lengths(chunk) for chunk in chunks]
    dimension = usual_length(np.concatenate([np.empty(0, np.int64), *lengths]))
    parts: list[npt.NDArray[Any]] = [] if chunks else [np.empty((0, 0))]
    faults, start = {}, 0
    for chunk in chunks:
        part, wrong = vectors_of_lists(chunk, dimension)
        parts.append(part)
        faults.update({start + row: reason for row, reason in wrong.items()})
        start += len(chunk)
    array = np.concatenate(parts) if len(parts) != 1 else parts[0]
    return array, faults


def vectors_of_lists(lists: Any, dimension: int) -> Vectors:
    """Return an Arrow array of lists of numbers as an array (m, dimension), uncopied if possible.

    A list that is missing or has another length is NaN; a missing number is NaN, too.
    """
    numbers: npt.NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    lengths = _lengths(lists)
    right = lengths == dimension
    if right.all():
        return numbers.reshape(len(lists), dimension), {}
    array = np.full((len(lists), dimension), np.nan, float_type(numbers.dtype, "the column"))
    array[right] = numbers[np.repeat(right, np.maximum(lengths, 0))].reshape(-1, dimension)
    wrong = np.flatnonzero(~right).tolist()
    return array, {row: _wrong_length(int(lengths[row]), dimension) for row in wrong}


def usual_length(lengths: npt.ArrayLike) -> int:
    """Return the most frequent length above 0, the smallest of several; 0 if there is none."""
    every = np.asarray(lengths, np.int64)
    found, counts = np.unique(every[every > 0], return_counts=True)
    return int(found[np.argmax(counts)]) if len(found) else 0


def vectors_of_values(values: Iterable[object], origin: str) -> Vectors:
    """Return lists of numbers, 1-D arrays or JSON arrays as an array (n, d).

    Most of them decide the length of a vector. What is missing, is no list of numbers, or has
    another length is NaN.

    Raises:
        VectorError: an integer of 64 bits has no exact float64.
    """
    rows = [_numbers(value) for value in values]
    dimension = usual_length([len(row) for row in rows if not isinstance(row, str)])
    types = {row.dtype for row in rows if not isinstance(row, str) and len(row) == dimension}
    dtype = np.result_type(*types) if types else np.dtype(np.float64)
    array = np.full((len(rows), dimension), np.nan, float_type(dtype, origin))
    faults = {}
    for number, row in enumerate(rows):
        if isinstance(row, str):
            faults[number] = row
        elif len(row) != dimension:
            faults[number] = _wrong_length(len(row), dimension)
        else:
            check_exact(row[None], origin, np.array([number]))
            array[number] = row
        rows[number] = ""  # its memory is needed for the array
    return array, faults


def _lengths(lists: Any) -> npt.NDArray[np.int64]:
    """Return the length of each list, -1 for missing ones."""
    import pyarrow.compute as pc

    found = pc.list_value_length(lists).fill_null(-1).to_numpy(zero_copy_only=False)
    lengths: npt.NDArray[np.int64] = found.astype(np.int64)
    lengths[~lists.is_valid().to_numpy(zero_copy_only=False)] = -1
    return lengths


def _wrong_length(length: int, dimension: int) -> str:
    if length < 0:
        return "is None"
    if not length:
        return "is an empty list"
    return f"has {length} numbers, but others have {dimension}"


def _numbers(value: Any) -> npt.NDArray[Any] | str:
    """Return a list of numbers as a 1-D array, or the reason why it is none."""
    if value is None or value is ABSENT:
        return f"is {'None' if value is None else 'missing'}"
    kind = type(value).__name__
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return "is a string that is no list of numbers"
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return f"is {kind}, not a list of numbers"
    try:
        array = np.asarray(value)
        if array.dtype == object:  # None among numbers
            array = array.astype(float)
    except (TypeError, ValueError, OverflowError):
        return "is not a list of numbers"
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        return "is not a list of numbers"
    return array
