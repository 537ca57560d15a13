"""Rows as users name them: by number, by a mask, or by id."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.embedding import NO_KEY, as_short_keys, short_key
from evenly.errors import OptionError, RowError
from evenly.paths import expand
from evenly.samples.rows import name_of
from evenly.selection.results.base import Result
from evenly.selection.results.row_files import rows_in_file
from evenly.selection.rules.row_values import as_plain, values_of
from evenly.shapes import Int, UInt64
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData

_SHOWN = 5
_LONGEST = 200
_BOOLS = bool | np.bool_
_WHOLE = int | np.integer


@dataclass(frozen=True, eq=False)
class RowNames:
    """The ways to name rows of a data set.

    Attributes:
        prepared: the data set.
        id_column: the column of the ids, or the ids; None if rows have no ids.
    """

    prepared: PreparedData
    id_column: Any = None

    def rows(self, option: str, given: Any) -> Int[np.ndarray, " m"]:
        """Return the row numbers that an option names, in the order given; ascending for a mask.

        Args:
            option: its name in messages.
            given: row numbers, a mask, ids, an earlier result, or the path of a file of them.

        Raises:
            OptionError: the value is neither row numbers, nor a mask of n values, nor ids, nor a
                result from the same data, nor a file.
            RowError: a row or an id does not exist, or several rows have the same id.
            DataError, ManifestError: the file cannot be read.
        """
        if isinstance(given, str | PathLike):
            given = self._in_file(option, fspath(given))
        if isinstance(given, Result):
            return self._of_result(option, given)
        values = as_plain(option, given)
        if not len(values):
            return np.empty(0, np.int64)
        if _are(values, _BOOLS):
            return self._of_mask(option, values)
        if self.id_column is not None:
            return self._of_ids(option, values)
        if not _are(values, _WHOLE):
            odd = next((value for value in values if not _is_whole(value)), None)
            raise OptionError(
                f"{option} must hold row numbers, or be a mask of one bool a row; it has {odd!r}. "
                "To name rows by their ids, say which column these are in: id_column=…"
            )
        return self._of_numbers(option, values)

    def _in_file(self, option: str, path: str) -> Any:
        by_id = self.id_column is not None
        if not os.path.isfile(expand(path)):  # noqa: PTH113 - a Path raises if the name is long
            raise OptionError(
                f"{option} is the name of a file, {path[:_LONGEST]!r}, which does not exist. Give "
                "row numbers, a mask or ids in a list, or a file of row numbers or ids: a "
                "manifest, a .npy array, or text with one row a line."
            )
        return self.prepared.remember(f"rows in {path}", lambda: rows_in_file(path, by_id=by_id))

    def _of_result(self, option: str, given: Result) -> Int[np.ndarray, " m"]:
        if not is_of_the_pool(given, self.prepared):
            source, samples = given.provenance.input, self.prepared.samples
            raise OptionError(
                f"{option} is a {given.noun} from other data ({source.origin}, "
                f"{count(source.rows, 'row')}), whose row numbers are not those of "
                f"{samples.origin} ({count(len(samples), 'row')}). If they are the same rows in "
                "another form, pass their numbers alone."
            )
        return np.array(given.indices)

    def _of_mask(self, option: str, values: Any) -> Int[np.ndarray, " m"]:
        if len(values) != len(self.prepared):
            raise OptionError(
                f"{option} is a mask of {count(len(values), 'value')}, but "
                f"{self.prepared.samples.origin} has {count(len(self.prepared), 'row')}. A mask "
                "has one bool a row."
            )
        return np.flatnonzero(np.asarray(values, bool))

    def _of_numbers(self, option: str, values: Any) -> Int[np.ndarray, " m"]:
        total = len(self.prepared)
        # Compared before conversion: numbers beyond int64 must not wrap around.
        outside = next((row for row in values if not 0 <= row < total), None)
        if outside is not None:
            raise RowError(
                f"{option} names row {outside}, but {self.prepared.samples.origin} has "
                f"{count(total, 'row')}, numbered from 0 to {total - 1}."
            )
        return np.array(values, np.int64)

    def _of_ids(self, option: str, values: Any) -> Int[np.ndarray, " m"]:
        wanted = [name_of(value) for value in values]
        found = self._rows_of({name for name in wanted if name is not None})
        missing = [name for name in wanted if name not in found]
        if missing:
            shown = ", ".join(repr(name) for name in missing[:_SHOWN])
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise RowError(f"{option} names ids that are not in {self._where}: {shown}{more}.")
        for name in wanted:
            first, *others = found[name]
            if others:
                locate = self.prepared.samples.locate
                raise RowError(
                    f"{option} names the id {name!r}, which is not unique in {self._where}: "
                    f"{locate(first)} and {locate(others[0])} have it. Give row numbers "
                    "or a mask."
                )
        return np.array([found[name][0] for name in wanted], np.int64)

    def _rows_of(self, names: set[str]) -> dict[str | None, list[int]]:
        """Return the rows with each of these ids, ascending; no entry for an id of no row."""
        name_by_key = {short_key(name): name for name in names}
        keys, wanted = self._keys, as_short_keys(b"".join(name_by_key))
        found: dict[str | None, list[int]] = {}
        for row in np.flatnonzero(np.isin(keys[:, 0], wanted[:, 0])).tolist():
            name = name_by_key.get(keys[row].tobytes())
            if name is not None:
                found.setdefault(name, []).append(row)
        return found

    @property
    def _where(self) -> str:
        named = isinstance(self.id_column, str)
        return f"the column {self.id_column!r}" if named else "id_column"

    @cached_property
    def _keys(self) -> UInt64[np.ndarray, "n 2"]:
        """(n, 2) the short key of each row's id, which takes less memory than the id."""
        given = self.id_column
        if not isinstance(given, str):
            return _keys_of(values_of(self.prepared, "id_column", given))

        def read() -> UInt64[np.ndarray, "n 2"]:
            return _keys_of(value for (value,) in self.prepared.samples.iter_columns([given]))

        return self.prepared.remember(f"ids in {given}", read)


def _keys_of(ids: Iterable[Any]) -> UInt64[np.ndarray, "n 2"]:
    keys = bytearray()
    for value in ids:
        name = name_of(value)
        keys += NO_KEY if name is None else short_key(name)
    return as_short_keys(keys)


def is_of_the_pool(earlier: Result, prepared: PreparedData) -> bool:
    """Whether the row numbers of an earlier result are row numbers of this data set.

    Of a stream, only the number of rows is known.
    """
    source = earlier.provenance.input
    if source.rows != len(prepared):
        return False
    if source.content_hash is None:
        return True
    samples = prepared.samples
    return source.content_hash == prepared.remember("content hash", samples.content_hash)


def names_rows(given: Any, *, by_id: bool) -> bool:
    """Whether a value names rows of the data, rather than being data itself.

    One-dimensional whole numbers and booleans name rows; strings do if rows have ids.
    """
    if isinstance(given, str) or hasattr(given, "read") or hasattr(given, "columns"):
        return False
    if getattr(given, "ndim", 1) != 1:
        return False
    try:
        values = as_plain("away_from", given)
    except OptionError:
        return False
    if not len(values):
        return True
    return _are(values, _BOOLS) or _are(values, _WHOLE) or (by_id and _are(values, str))


def _are(values: np.ndarray[Any, Any] | list[Any], kind: Any) -> bool:
    """Whether all values are of a type; booleans are not whole numbers."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.ndim == 1 and isinstance(values[0], kind)
    return all(_is_whole(value) if kind is _WHOLE else isinstance(value, kind) for value in values)


def _is_whole(value: Any) -> bool:
    return isinstance(value, _WHOLE) and not isinstance(value, bool)
