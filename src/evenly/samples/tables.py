"""Writes columns of numbers to a file in any format that holds records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evenly.errors import OutputError
from evenly.samples.arrow_columns import write_tables
from evenly.samples.compression import require_pyarrow
from evenly.samples.encoding import open_output, write_records
from evenly.samples.formats import output_format

# Rows converted to Python objects at once.
_ROWS_PER_BLOCK = 1 << 16


def check_table_path(path: str | os.PathLike[str]) -> None:
    """Check that a table can be written at `path`.

    Raises:
        OutputError: the suffix is unknown, or denotes a format for vectors.
        MissingExtraError: the format is parquet, and pyarrow is not installed.
    """
    format, _ = output_format(path)
    if format not in ("csv", "tsv", "jsonl", "json", "parquet"):
        raise OutputError(
            f"a table cannot be written as .{format}, got {os.fspath(path)}. Use one of the "
            "suffixes .csv, .tsv, .jsonl, .json and .parquet."
        )
    if format == "parquet":
        require_pyarrow(f"writing {os.fspath(path)}")


def write_columns(
    path: str | os.PathLike[str],
    columns: Mapping[str, np.ma.MaskedArray[Any, Any]],
    *,
    force: bool = False,
) -> None:
    """Write columns of the same length; masked values become null or an empty field.

    Raises:
        OutputExistsError: the path exists and `force` is False.
        OutputError: the suffix is invalid (see `check_table_path`), or the file not writable.
    """
    check_table_path(path)
    with open_output(path, force=force) as (format, stream):
        if format == "parquet":
            table = _table(columns)
            write_tables(stream, table.schema, [table])
        else:
            write_records(format, stream, _records(columns), list(columns))


def _records(columns: Mapping[str, np.ma.MaskedArray[Any, Any]]) -> Iterator[dict[str, object]]:
    count = min((len(column) for column in columns.values()), default=0)
    for begin in range(0, count, _ROWS_PER_BLOCK):
        part = [column[begin : begin + _ROWS_PER_BLOCK].tolist() for column in columns.values()]
        for values in zip(*part, strict=True):
            yield dict(zip(columns, values, strict=True))


def _table(columns: Mapping[str, np.ma.MaskedArray[Any, Any]]) -> Any:
    import pyarrow as pa

    arrays = [pa.array(column.data, mask=np.ma.getmaskarray(column)) for column in columns.values()]
    return pa.table(arrays, names=list(columns))
