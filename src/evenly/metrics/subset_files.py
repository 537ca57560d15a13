"""Subsets in files: results, row numbers or ids, or records that are rows of the data."""

from __future__ import annotations

from collections import deque
from os import PathLike
from os.path import exists
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.distributed.samples import ClusterSamples
from evenly.embedding import NO_KEY, short_key
from evenly.errors import RowError, TextError, VectorError
from evenly.inputs.row_keys import find_keys, keys_of_records, keys_of_rows, keys_of_vectors
from evenly.paths import expand, is_remote, local_name
from evenly.samples import Samples, open_samples, open_texts, text_columns
from evenly.samples.formats import split_suffix
from evenly.selection.results.row_files import (
    begins_with_row_number,
    is_manifest,
    load_result,
    read_array,
    rows_in_file,
)
from evenly.selection.rules.row_names import RowNames
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData

# Longer names are not shown whole.
_LONGEST = 200


def open_subset(given: Any, data: Samples, *, by_id: bool) -> Any:
    """Return what a path of a subset holds: a result, row numbers or ids, or `Samples`.

    What is not a path is returned unchanged. `by_id` is whether the lines of a text are ids.

    Raises:
        RowError: there is no such file.
        DataError, ManifestError: the file cannot be read.
    """
    if not isinstance(given, str | PathLike):
        return given
    path = expand(given, RowError)
    if is_remote(path):
        raise RowError(f"{path} is a URL. Copy the file of a subset to this machine.")
    path = local_name(path)
    if not exists(path):  # noqa: PTH110 - a Path raises if the name is too long
        raise RowError(
            f"there is no file {path[:_LONGEST]}. A subset is row numbers, a result, or the path "
            "of a manifest, of row numbers or ids, or of records of the data."
        )
    if is_manifest(path):
        return load_result(path)
    format, _ = split_suffix(path)
    if format == "npy":
        array = read_array(path)
        return array if array.ndim == 1 else open_samples(path)
    holds_texts = format == "txt" and data.holds_records and not begins_with_row_number(path)
    if format is None or (format == "txt" and (by_id or not holds_texts)):
        return rows_in_file(path, by_id=by_id)
    return open_samples(path)


def rows_of_records(
    prepared: PreparedData, subset: Samples, id_column: str | None
) -> Int[np.ndarray, " k"]:
    """Return the rows of a data set that are the rows of a subset of it.

    They are found by their ids if a column is named. Otherwise the k-th of several equal rows in
    the subset is the k-th of those in the data, where rows are equal if the same text is embedded
    of them, or, if nothing is embedded, if they are the same record or vector.

    Raises:
        RowError: a row of the subset is not in the data.
        TextError, VectorError: one holds vectors, and the other one texts.
    """
    if id_column is not None:
        ids = subset.column(id_column)
        return RowNames(prepared, id_column).rows(subset.origin, ids)
    data, wanted = prepared.samples, _keys_of_subset(prepared, subset)
    places: dict[bytes, deque[int]] = {key: deque() for key in wanted}
    for row, key in _find(prepared, frozenset(places)):
        places[key].append(row)
    found = {key for key, rows in places.items() if rows}
    rows = [places[key].popleft() if places[key] else -1 for key in wanted]
    missing = [place for place, row in enumerate(rows) if row < 0]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        often = "so often among" if wanted[missing[0]] in found else "among"
        raise RowError(
            f"{subset.locate(missing[0])}{more}: not {often} the rows of {data.origin}. A file of "
            "records must be a part of the data. If the same rows were changed, name the column of "
            "their ids: id_column=…"
        )
    return np.array(rows, np.int64)


def _find(prepared: PreparedData, wanted: frozenset[bytes]) -> list[tuple[int, bytes]]:
    """Return the rows of the data that have one of some keys, ascending, and the keys."""
    data = prepared.samples
    if isinstance(data, ClusterSamples):
        return data.find_keys(wanted)
    return find_keys(keys_of_rows(data, prepared.pool_texts, prepared.points.stored), wanted)


def _keys_of_subset(prepared: PreparedData, subset: Samples) -> list[bytes]:
    """Return what decides whether rows of the subset are equal to rows of the data."""
    data, options = prepared.samples, prepared.options
    if not data.holds_records:
        if subset.holds_records:
            raise TextError(f"{subset.origin} holds texts, but {data.origin} holds vectors.")
        return list(keys_of_vectors(subset.stored_vectors, prepared.points.stored.dtype))
    if not subset.holds_records:
        raise VectorError(f"{subset.origin} holds vectors, but {data.origin} holds records.")
    if prepared.pool_texts is None:
        return list(keys_of_records(subset.records()))
    columns = options.text if callable(options.text) else text_columns(data, options.text)
    if not subset.columns and not callable(columns):
        columns = ()  # plain strings are the texts
    theirs = open_texts(subset, columns or None, options.roles).read()
    return [NO_KEY if reason else short_key(text) for text, reason in theirs]
