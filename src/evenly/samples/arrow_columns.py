"""Columns of Python values as Arrow columns that keep them, and tables as parquet files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np

from evenly.errors import OutputError
from evenly.samples.compression import Unclosed, require_pyarrow
from evenly.samples.json_values import MISSING, json_record
from evenly.samples.rows import check_names

_NUMBERS: frozenset[type] = frozenset({int, float})
# Columns of one of these types keep their values by definition.
_PLAIN: tuple[frozenset[type], ...] = (frozenset({str}), frozenset({bool}), _NUMBERS)


def table_of_records(records: Sequence[Any], columns: Sequence[str]) -> Any:
    """Convert dicts to a pyarrow Table; missing keys become null.

    Raises:
        OutputError: a column cannot keep its values; the message names the column.
    """
    pa = require_pyarrow("writing parquet")
    for record in records:
        check_names(record, "parquet")
    arrays = []
    for name in columns:
        values = [record.get(name) for record in records]
        try:
            array = pa.array(values)
            pa.field(name, array.type)  # the name may hold half a character
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise unfit_for_parquet(name, error, values) from error
        check_kept(name, values, array)
        arrays.append(array)
    return pa.table(arrays, names=list(columns))


def check_kept(name: str, values: Sequence[Any], array: Any) -> None:
    """Check that an Arrow column holds the values that it was made from.

    pyarrow reduces mixed values to one type: strings beside bytes become bytes, times of a day
    become dates, and times without a zone get one.

    Raises:
        OutputError: a value is another one; the message names the column.
    """
    types = frozenset(map(type, values)) - {type(None)}
    if any(types <= plain for plain in _PLAIN):
        return
    for value, kept in zip(values, array.to_pylist(), strict=True):
        if not _is_same(value, kept):
            raise unfit_for_parquet(
                name, f"{str(value)[:60]!r} would become {str(kept)[:60]!r}", values
            )


def write_tables(stream: BinaryIO, schema: Any, tables: Iterable[Any]) -> None:
    """Write pyarrow Tables of one schema as one parquet file, one table at a time.

    Raises:
        OutputError: parquet cannot hold the type of a column; the message names the column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetWriter(Unclosed(stream), schema) as writer:
            for table in tables:
                writer.write_table(table)
    except pa.ArrowException as error:
        check_schema(schema)
        raise OutputError(
            f"parquet cannot hold these records: {error}. Write .jsonl instead."
        ) from error


def check_schema(schema: Any) -> None:
    """Raise OutputError if parquet cannot hold the type of a column, whose name it contains."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for field in schema:
        column = pa.schema([field.with_nullable(True)])
        try:
            with pq.ParquetWriter(io.BytesIO(), column) as writer:
                writer.write_table(pa.table([pa.nulls(1, field.type)], schema=column))
        except pa.ArrowException as error:
            raise unfit_for_parquet(field.name, error, [field.type]) from error


def unfit_for_parquet(name: object, reason: object, values: Sequence[Any]) -> OutputError:
    """Return the error that parquet cannot hold a column, with advice that helps."""
    try:
        json_record({"values": values}, set())
        way = "Convert the column to values of one type, or write .jsonl instead."
    except OutputError:
        way = "Convert the column to strings or numbers, or leave it out."
    one_line = " ".join(str(reason).split()).rstrip(".")
    return OutputError(f"parquet cannot hold the column {name!r}: {one_line[:300]}. {way}")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_same(value: Any, kept: Any) -> bool:
    """Return whether a value that was read back from Arrow is the one that was written."""
    if isinstance(value, np.ndarray):
        value = list(value)
    if value is None or type(value).__name__ in MISSING or _is_nan(value):
        return kept is None or _is_nan(kept)
    if isinstance(value, np.generic):
        # Dates of NumPy are converted as a whole or not at all.
        return value.dtype.kind in "mM" or _is_same(value.item(), kept)
    if isinstance(value, Mapping):
        return isinstance(kept, dict) and all(
            _is_same(value.get(key), item) for key, item in kept.items()
        )
    if isinstance(value, (list, tuple)):
        return (
            isinstance(kept, list) and len(value) == len(kept) and all(map(_is_same, value, kept))
        )
    if isinstance(value, datetime):
        zoned = value.tzinfo is not None
        return isinstance(kept, datetime) and kept == value and (kept.tzinfo is not None) == zoned
    return bool(value == kept)
