"""Strings and records in Python lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from evenly.errors import DataError
from evenly.samples.base import RecordSamples
from evenly.samples.rows import RowNumbers, row_numbers


class ListSamples(RecordSamples):
    """A list of dicts, or of strings.

    Args:
        items: the rows.
        origin: name of the data in messages.
        format: "list", or the format from which `items` was converted.
        pick: returns rows in the type of the input; by default a list. To be pickled with the
            samples, it must be a function of a module, or a `partial` of one.
    """

    def __init__(
        self,
        items: Sequence[Any],
        *,
        origin: str,
        format: str = "list",
        pick: Callable[[RowNumbers], Any] | None = None,
    ) -> None:
        self.origin = origin
        self.format = format
        self._items = items
        self._pick = pick

    def __len__(self) -> int:
        return len(self._items)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield the rows unchanged."""
        numbers = range(len(self)) if rows is None else rows
        return (self._items[row] for row in numbers)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the given rows, in that order, in the type of the input."""
        numbers = row_numbers(rows, len(self))
        if self._pick is not None:
            return self._pick(numbers)
        return [self._items[row] for row in numbers.tolist()]


def check_elements(items: Sequence[Any]) -> None:
    """Check that `items` are all dicts, or that they include strings.

    A None or a number among strings is an invalid row, reported later with the other ones.

    Raises:
        DataError: dicts are mixed with other types, or no element is a string or a dict.
    """
    records = [isinstance(item, Mapping) for item in items]
    if any(records) and not all(records):
        row = records.index(False)
        raise DataError(
            f"row {row} is {_kind(items[row])}, but other rows are dicts. "
            "Pass only dicts or only strings."
        )
    usable = any(records) or any(item is None or isinstance(item, str) for item in items)
    if len(items) and not usable:
        raise DataError(
            f"row 0 is {_kind(items[0])}. A list must hold strings, dicts, or vectors of the same "
            "length (lists of numbers or 1-D arrays)."
        )


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
