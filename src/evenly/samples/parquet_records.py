"""Records of parquet files that are too large to be in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.samples.arrow import INDEX, iter_table_columns, open_parquet
from evenly.samples.arrow_columns import write_tables
from evenly.samples.arrow_values import table_records, take_rows
from evenly.samples.base import Samples
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.join_tables import join_tables
from evenly.samples.parquet_file import ParquetFile, open_parquet_file
from evenly.samples.rows import RowNumbers, check_columns, check_unique, row_numbers
from evenly.samples.shards import join_shards


class ParquetRecords(Samples):
    """Parquet files of records with consecutive row numbers, read a batch of rows at a time.

    Rows are given in the types that hold the values of all files, such as int64 for int32. Rows
    that are taken are decoded with all that precede them in their row group.

    Args:
        files: the files, in the order of their rows.
        origin: name of the data in messages.
        blocks: see `write`.

    Raises:
        DataError: the files have different schemas.
    """

    format = "parquet"
    columns: tuple[str, ...] = ()

    def __init__(
        self, files: Sequence[ParquetFile], origin: str, blocks: BlockSizes = BLOCK_SIZES
    ) -> None:
        self.origin = origin
        self._files = tuple(files)
        self._bounds = np.cumsum([0, *(file.rows for file in files)])
        self._empty = join_tables([file.schema.empty_table() for file in files], origin)
        check_unique(self._empty.column_names, origin)
        self.columns = tuple(name for name in self._empty.column_names if not INDEX.fullmatch(name))
        row_bytes = sum(file.bytes for file in files) / max(1, len(self))
        self._rows_at_once = max(1, int(blocks.write / max(1.0, row_bytes)))

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def locate(self, row: int) -> str:
        """Return the file, and the row number in it, from 0."""
        owner = int(np.searchsorted(self._bounds, row, side="right")) - 1
        return f"{self._files[owner].stamp.path}, row {row - int(self._bounds[owner])}"

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts."""
        if rows is None:
            tables = self._batches(self.columns)
        else:
            numbers = row_numbers(rows, len(self))
            tables = (table.select(list(self.columns)) for table in self._taken(numbers))
        for table in tables:
            yield from table_records(table, self.origin)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; `absent` is unused, because every row of a table has every column."""
        values: list[list[object]] = [[] for _ in names]
        for row in self.iter_columns(names):
            for value, column in zip(row, values, strict=True):
                column.append(value)
        return values

    def iter_columns(
        self, names: Sequence[str], absent: object = None
    ) -> Iterator[tuple[object, ...]]:
        """Yield the values of columns, row by row."""
        check_columns(names, self._empty.column_names, self.origin)
        for table in self._batches(names):
            yield from iter_table_columns(table, names, self.origin)

    def parquet_paths(self) -> list[str]:
        """Return the files."""
        return [file.stamp.path for file in self._files]

    def arrow_column(self, name: str) -> Any:
        """Return a column as a pyarrow ChunkedArray."""
        check_columns([name], self.columns, self.origin)
        return join_tables(list(self._batches([name])), self.origin).column(0)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a pyarrow Table."""
        return self._table(row_numbers(rows, len(self)))

    def _table(self, rows: RowNumbers) -> Any:
        ascending, places = np.unique(rows, return_inverse=True)
        if self.fetch is not None:
            return take_rows(join_tables([self._empty, self.fetch(ascending)], self.origin), places)
        cuts = np.searchsorted(ascending, self._bounds)
        tables = [self._empty]
        for owner in np.flatnonzero(np.diff(cuts)).tolist():
            some = ascending[cuts[owner] : cuts[owner + 1]] - self._bounds[owner]
            tables.append(self._files[owner].table(some))
        return take_rows(join_tables(tables, self.origin), places)

    def _taken(self, rows: RowNumbers) -> Iterator[Any]:
        """Yield rows in their order, as many at once as may be in memory."""
        for begin in range(0, max(1, len(rows)), self._rows_at_once):
            yield self._table(rows[begin : begin + self._rows_at_once])

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield all rows as tables of some columns."""
        import pyarrow as pa

        empty = self._empty.select(list(dict.fromkeys(names)))
        for file in self._files:
            columns = [name for name in empty.column_names if name in file.schema.names]
            for start, batch in file.batches(columns or file.schema.names[:1]):
                table = pa.Table.from_batches([batch])
                if not columns:
                    table = file.table(np.arange(start, start + len(batch)), names)
                yield join_tables([empty, table], self.origin)

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format == "parquet":
            # How rows were read must not show in the file.
            tables = (table.combine_chunks() for table in self._taken(rows))
            write_tables(stream, self._empty.schema, tables)
        else:
            super()._encode(format, stream, rows)

    def _check_files(self) -> None:
        for file in self._files:
            file.stamp.check()

    def file_digests(self) -> list[bytes]:
        """Return the hash of each file."""
        return [file.stamp.digest() for file in self._files]


def open_parquet_records(
    paths: Sequence[str], origin: str, blocks: BlockSizes = BLOCK_SIZES
) -> Samples:
    """Open parquet files of records: small ones are read into memory.

    Raises:
        DataError: a file is incomplete, or their schemas are too different.
        MissingExtraError: pyarrow is not installed.
    """
    files = [open_parquet_file(path) for path in paths]
    if sum(file.bytes for file in files) > blocks.parquet:
        return ParquetRecords(files, origin if len(paths) > 1 else paths[0], blocks)
    tables = [open_parquet(path) for path in paths]
    return tables[0] if len(tables) == 1 else join_shards(tables, origin)
