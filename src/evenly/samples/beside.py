"""`open_with_vectors`: records with a vector for each, from a column, a file or an array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evenly.errors import ColumnError, DataError, OptionError, VectorError
from evenly.options import NotKept
from evenly.samples.base import Samples, VectorsBeside
from evenly.samples.formats import split_suffix
from evenly.samples.number_lists import (
    ABSENT,
    Vectors,
    is_number_list,
    vectors_of_arrow,
    vectors_of_values,
)
from evenly.samples.opening import open_samples
from evenly.samples.parquet_records import open_parquet_records
from evenly.samples.parquet_vectors import open_parquet_rows
from evenly.samples.rows import check_columns, name_of
from evenly.samples.vector_files import ParquetVectorFiles
from evenly.samples.vectors import VectorSamples
from evenly.tables import count

_LOOKED_AT = 20


def open_with_vectors(
    data: Any, vectors: Any, id_column: Any = None, *, on_disk: bool = True
) -> Samples:
    """Open data, and give each row its vector.

    Args:
        data: as in `open_samples`.
        vectors: the name of a column of lists of numbers; a path, glob or folder of vectors, or
            of records with one such column; an array, a tensor, a frame or a series of them. A
            string is a path if it has the suffix of a file format or a slash, else a column.
            None for the data as they are.
        id_column: the column, if both have it, by which rows and vectors are matched; otherwise
            they are matched by position.
        on_disk: whether the column of a parquet file may stay there.

    Raises:
        DataError: the data and the vectors have different numbers of rows, or cannot be read.
        ColumnError: there is no such column, or it is unclear which holds the vectors.
        OptionError: the data are vectors themselves.
    """
    samples = open_samples(data)
    if vectors is None or not len(samples):
        return samples
    check_records(samples)
    column = column_of(vectors)
    if column is not None:
        return _with_column(samples, column, on_disk=on_disk)
    beside, table = _open_beside(vectors)
    if isinstance(id_column, str) and table is not None:
        return as_records(samples).with_vectors(_matched(samples, beside, table, id_column))
    if len(beside.rows) != len(samples):
        raise DataError(
            f"{samples.origin} has {count(len(samples), 'row')}, and {beside.origin} has "
            f"{count(len(beside.rows), 'vector')}. They are matched by position, so there must "
            "be one "
            "vector for each row, in the same order. Vectors in a table with ids are matched by "
            "these: id_column=…"
        )
    return as_records(samples).with_vectors(beside)


def check_records(samples: Samples) -> None:
    """Raise OptionError if data are vectors, which cannot have other vectors beside them."""
    if not samples.holds_records and not isinstance(samples, ParquetVectorFiles):
        raise OptionError(
            f"{samples.origin} holds vectors itself. Leave vectors out, or pass the records that "
            "they belong to as the data."
        )


def column_of(vectors: Any) -> str | None:
    """Return the column that an option names, if it is neither a path nor vectors."""
    return vectors if isinstance(vectors, str) and path_of(vectors) is None else None


def path_of(vectors: Any) -> str | None:
    """Return the path that an option names: a Path, or a string with a suffix or a slash.

    A path that could be the name of a column begins with "./".
    """
    if isinstance(vectors, os.PathLike):
        path = os.fspath(vectors)
        return path if path_of(path) else f".{os.sep}{path}"
    is_path = isinstance(vectors, str) and (
        split_suffix(vectors)[0] is not None or "/" in vectors or os.sep in vectors
    )
    return vectors if is_path else None


def as_records(samples: Samples) -> Samples:
    """Return parquet files as records, although they would be vectors by themselves."""
    if not isinstance(samples, ParquetVectorFiles):
        return samples
    records = open_parquet_records([part.stamp.path for part in samples.parts], samples.origin)
    records.path = samples.path
    return records


def _with_column(samples: Samples, column: str, *, on_disk: bool = True) -> Samples:
    """Return the samples with the vectors of one of their columns."""
    origin = f"the column {column!r} of {samples.origin}"
    files = _files_with_column(samples, column) if on_disk else None
    if files is not None:
        return files.with_vectors(VectorsBeside(files, origin, column))
    records = as_records(samples)
    array, faults = _column_as_array(records, column, origin)
    rows = VectorSamples(array, origin=origin)
    return records.with_vectors(VectorsBeside(rows, origin, column, faults))


def _files_with_column(samples: Samples, column: str) -> ParquetVectorFiles | None:
    """Return parquet files whose vectors are this column, which stays on disk; None for others."""
    paths = samples.parquet_paths()
    if not paths:
        return None
    check_columns([column], samples.columns, samples.origin)
    parts = [open_parquet_rows(path, column=column) for path in paths]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    files = ParquetVectorFiles(found, origin=samples.origin)
    files.path = samples.path
    return files


def _column_as_array(samples: Samples, column: str, origin: str) -> Vectors:
    arrow = samples.arrow_column(column)
    if arrow is not None and is_number_list(getattr(arrow.type, "storage_type", arrow.type)):
        array, faults = vectors_of_arrow(arrow)
    else:
        array, faults = vectors_of_values(samples.column_values(column, ABSENT), origin)
    if not array.shape[1]:
        raise VectorError(
            f"{origin} holds no vectors: at {samples.locate(0)} it {faults[0]}. A vector is a "
            "list of numbers."
        )
    return array, faults


def open_vectors(vectors: Any) -> VectorsBeside:
    """Open what was passed as vectors: an array, a file, or a table with one column of lists."""
    return _open_beside(vectors)[0]


def _open_beside(vectors: Any) -> tuple[VectorsBeside, Samples | None]:
    """Return the vectors that were passed, and the table that they are in if it has more columns.

    A table without other columns has nothing to match by, and is None, too.
    """
    path = path_of(vectors)
    given: str | NotKept = NotKept(type(vectors).__qualname__) if path is None else path
    if path is None and _is_series(vectors):
        origin = f"a {type(vectors).__name__} of {len(vectors)} vectors"
        array, faults = _series_as_array(vectors, origin)
        return VectorsBeside(VectorSamples(array, origin=origin), origin, given, faults), None
    samples = open_samples(getattr(vectors, "vectors", vectors) if path is None else path)
    table = samples if len(samples.columns) > 1 else None
    if samples.holds_vectors or not len(samples):
        return VectorsBeside(samples, samples.origin, given), table
    column = _only_column_of_vectors(samples)
    beside = _with_column(samples, column).beside
    assert beside is not None
    return VectorsBeside(beside.rows, samples.origin, given, beside.faults), table


def _matched(
    samples: Samples, beside: VectorsBeside, table: Samples, id_column: str
) -> VectorsBeside:
    """Return vectors in the order of the records with the same ids.

    Raises:
        ColumnError: the records or the vectors have no such column.
        DataError: two vectors have the id of a record.
    """
    positions: dict[str | None, int] = {}
    twice: dict[str | None, int] = {}
    for row, value in enumerate(table.column_values(id_column)):
        if positions.setdefault(name_of(value), row) != row:
            twice.setdefault(name_of(value), row)
    wanted = [name_of(value) for value in samples.column_values(id_column)]
    for name in wanted:
        if name in twice and name is not None:
            raise DataError(
                f"two vectors have the {id_column} {name!r}: {table.locate(positions[name])} and "
                f"{table.locate(twice[name])}. Each id may have one."
            )
    positions.pop(None, None)
    order = np.array([positions.get(name, -1) for name in wanted], np.int64)
    origin = f"{beside.origin}, matched by {id_column!r}"
    rows = beside.rows
    if np.array_equal(order, np.arange(len(rows))):
        return replace(beside, origin=origin)
    found = np.flatnonzero(order >= 0)
    stored = rows.stored_vectors
    array = np.full((len(order), stored.shape[1]), np.nan, stored.dtype)
    array[found] = stored[order[found]]
    reasons = {
        row: beside.fault(of)
        if of >= 0
        else f"has the {id_column} {wanted[row]!r}, which is not in {beside.origin}"
        for row, of in enumerate(order.tolist())
    }
    faults = {row: reason for row, reason in reasons.items() if reason}
    return VectorsBeside(VectorSamples(array, origin=origin), origin, beside.given, faults)


def _is_series(vectors: Any) -> bool:
    """Whether a value is a column of its own: a series, an Arrow array, an array of objects."""
    if isinstance(vectors, Samples) or hasattr(vectors, "columns"):
        return False
    shape = getattr(vectors, "shape", None)
    if shape is not None:
        return len(shape) == 1
    return hasattr(vectors, "to_pylist") and hasattr(vectors, "type")


def _series_as_array(vectors: Any, origin: str) -> Vectors:
    arrow = vectors if hasattr(vectors, "to_pylist") else None
    if arrow is not None and is_number_list(getattr(arrow.type, "storage_type", arrow.type)):
        import pyarrow as pa

        chunked = arrow if hasattr(arrow, "chunks") else pa.chunked_array([arrow])
        array, faults = vectors_of_arrow(chunked)
    else:
        names = ("to_pylist", "to_list", "tolist")
        values = next(getattr(vectors, name) for name in names if hasattr(vectors, name))()
        array, faults = vectors_of_values(values, origin)
    if len(array) and not array.shape[1]:
        raise VectorError(f"{origin} holds none: row 0 {faults[0]}. A vector is a list of numbers.")
    return array, faults


def _only_column_of_vectors(samples: Samples) -> str:
    """Return the only column of lists of numbers.

    Raises:
        ColumnError: there is none, or more than one.
    """
    some = list(samples.records(range(min(_LOOKED_AT, len(samples)))))
    found = [name for name in samples.columns if any(_is_vector(one, name) for one in some)]
    if len(found) == 1:
        return found[0]
    several = f"{' and '.join(found)} do" if found else "none does"
    raise ColumnError(
        f"{samples.origin} is passed as vectors, so exactly one of its columns must hold lists of "
        f"numbers, and {several}. The columns are: {', '.join(samples.columns)}. Pass the column "
        "alone, as an array or as .npy."
    )


def _is_vector(record: Any, name: str) -> bool:
    value = record.get(name) if hasattr(record, "get") else None
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or not len(value):
        return False
    return all(isinstance(number, int | float | np.number) for number in value[:3])
