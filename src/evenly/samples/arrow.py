"""Arrow tables, and parquet files, which are read into Arrow tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy.typing as npt

from evenly.samples.arrow_values import column_values, table_records, take_rows
from evenly.samples.base import Samples
from evenly.samples.compression import require_pyarrow
from evenly.samples.rows import RowNumbers, check_columns, check_unique, row_numbers
from evenly.samples.source import FileStamp, guarded
from evenly.samples.urls import local
from evenly.tables import count

INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives to the column of an index without a name."""

ROWS_A_BATCH = 4096
"""Rows that become Python values at once."""


class ArrowSamples(Samples):
    """A pyarrow Table, from memory or from a parquet file.

    An index without a name, which pandas stores as a column, stays in tables that are taken and
    in parquet files that are written, and is no column of the records.

    Attributes:
        table: the table with all of its columns.
    """

    columns: tuple[str, ...] = ()

    def __init__(
        self,
        table: Any,
        *,
        origin: str,
        format: str = "arrow",
        stamp: FileStamp | None = None,
    ) -> None:
        self.origin = origin
        self.format = format
        self.table = table
        self._source = stamp
        check_unique(table.column_names, origin)
        self.columns = tuple(name for name in table.column_names if not INDEX.fullmatch(name))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts."""
        table = self.table.select(list(self.columns))
        if rows is not None:
            table = take_rows(table, row_numbers(rows, len(self)))
        yield from table_records(table, self.origin)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; `absent` is unused, because every row of a table has every column."""
        return read_table_columns(self.table, names, self.origin)

    def iter_columns(
        self, names: Sequence[str], absent: object = None
    ) -> Iterator[tuple[object, ...]]:
        """Yield the values of columns, row by row."""
        return iter_table_columns(self.table, names, self.origin)

    def parquet_paths(self) -> list[str]:
        """Return the parquet file that the table was read from, if there is one."""
        return [] if self._source is None or self.format != "parquet" else [self.origin]

    def arrow_column(self, name: str) -> Any:
        """Return a column as a pyarrow ChunkedArray."""
        check_columns([name], self.columns, self.origin)
        return self.table.column(name)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a pyarrow Table."""
        return take_rows(self.table, row_numbers(rows, len(self)))

    def _table(self, rows: RowNumbers) -> Any:
        return self.take(rows)


def open_table(data: Any) -> ArrowSamples:
    """Open a pyarrow Table or RecordBatch."""
    import pyarrow as pa

    table = pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data
    return ArrowSamples(table, origin=f"an Arrow table of {count(table.num_rows, 'row')}")


def open_parquet(path: str) -> ArrowSamples:
    """Read a parquet file.

    Raises:
        DataError: the file is incomplete, or not parquet.
        MissingExtraError: pyarrow is not installed.
    """
    require_pyarrow(f"reading {path}")
    import pyarrow.parquet as pq

    stamp = FileStamp.of(path)
    with guarded(path, "parquet file"), pq.ParquetFile(local(path)) as file:
        table = _read(file)
    return ArrowSamples(table, origin=path, format="parquet", stamp=stamp)


def _read(file: Any) -> Any:
    import pyarrow as pa

    try:
        return file.read()
    except pa.ArrowNotImplementedError:  # lists or structs with more than 2 GiB of strings
        return pa.Table.from_batches(file.iter_batches(), schema=file.schema_arrow)


def read_table_columns(table: Any, names: Sequence[str], origin: str) -> list[list[object]]:
    """Read columns of a table as lists; raises like Samples.read_columns."""
    if not table.num_rows:
        return [[] for _ in names]
    check_columns(names, table.column_names, origin)
    return [column_values(table.column(name), table.field(name), origin) for name in names]


def iter_table_columns(
    table: Any, names: Sequence[str], origin: str
) -> Iterator[tuple[object, ...]]:
    """Yield the values of columns of a table, row by row; raises like `read_table_columns`."""
    if not table.num_rows:
        return
    check_columns(names, table.column_names, origin)
    for batch in table.select(list(dict.fromkeys(names))).to_batches(max_chunksize=ROWS_A_BATCH):
        part = read_table_columns(pa_table(batch), names, origin)
        yield from zip(*part, strict=True)


def pa_table(batch: Any) -> Any:
    """Return a record batch as a table."""
    import pyarrow as pa

    return pa.Table.from_batches([batch])
