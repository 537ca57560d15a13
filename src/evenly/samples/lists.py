"""Strings and records that are already Python objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from evenly.errors import DataError
from evenly.samples.base import RecordSamples
from evenly.samples.rows import RowNumbers, row_numbers

__all__ = ["ListSamples", "check_elements"]


class ListSamples(RecordSamples):
    """A list of dicts, or of strings.

    Args:
        items: the rows.
        origin: how to name them to people.
        format: "list", or the format of what `items` was taken from.
        pick: returns rows as the type that came in; by default a list.
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
        """Yield the rows as they came."""
        chosen = range(len(self)) if rows is None else rows
        return (self._items[row] for row in chosen)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows, in the order named, as the type that came in."""
        chosen = row_numbers(rows, len(self))
        if self._pick is not None:
            return self._pick(chosen)
        return [self._items[row] for row in chosen.tolist()]


def check_elements(items: Sequence[Any]) -> None:
    """Check that `items` are all dicts, or strings with at most some unusable rows among them.

    A None or a number among strings is one bad row, to be reported with the other bad texts.

    Raises:
        DataError: dicts and others are mixed, or no element is a string or a dict.
    """
    records = [isinstance(item, Mapping) for item in items]
    if any(records) and not all(records):
        row = records.index(False)
        raise DataError(
            f"row {row} is {_kind(items[row])}, but other rows are dicts. "
            "Pass dicts only, or strings only."
        )
    usable = any(records) or any(item is None or isinstance(item, str) for item in items)
    if len(items) and not usable:
        raise DataError(
            f"row 0 is {_kind(items[0])}. A list may hold strings, dicts, or vectors of one "
            "length (lists of numbers, or 1-D arrays)."
        )


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
