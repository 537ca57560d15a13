"""One parquet file, of which a batch of rows is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evenly.errors import DataError
from evenly.samples.compression import require_pyarrow
from evenly.samples.rows import RowNumbers, check_unique
from evenly.samples.source import FileStamp, guarded
from evenly.samples.urls import local

# Reads a column chunk piece by piece; by default pyarrow reads that of a row group at once.
_BUFFER_BYTES = 1 << 20
_ROWS_A_BATCH = 4096


class ParquetFile:
    """The rows of one parquet file, read in their order.

    Attributes:
        stamp: size and date of the file when it was opened.
        schema: pyarrow schema of all columns.
        rows: number of rows.
        bytes: uncompressed size of all columns in the file.
    """

    error: type[DataError] = DataError

    def __init__(self, stamp: FileStamp, file: Any, rows_per_block: int = _ROWS_A_BATCH) -> None:
        self.stamp = stamp
        self.schema = file.schema_arrow
        self.rows = int(file.metadata.num_rows)
        groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
        self.bytes = sum(int(group.total_byte_size) for group in groups)
        self._bounds = np.cumsum([0, *(group.num_rows for group in groups)])
        self._rows_per_block = rows_per_block

    def table(self, rows: RowNumbers, names: Sequence[str] | None = None) -> Any:
        """Return `rows` (m,), in ascending order, as a pyarrow Table of all or some columns.

        The table lacks the columns that the file lacks; if it lacks all, they are null.
        """
        import pyarrow as pa

        requested = list(dict.fromkeys(self.schema.names if names is None else names))
        columns = [name for name in requested if name in self.schema.names]
        if not columns:  # a table without columns would have no rows
            return pa.table({name: pa.nulls(len(rows)) for name in requested})
        tables = [self.schema.empty_table().select(columns)]
        groups = np.searchsorted(self._bounds, rows, side="right") - 1
        for group in np.unique(groups).tolist():
            wanted = rows[groups == group]
            for start, batch in self.batches(columns, group):
                begin, end = np.searchsorted(wanted, [start, start + len(batch)])
                read = pa.Table.from_batches([batch]).select(columns)
                tables.append(read.take(pa.array(wanted[begin:end] - start)))
                if end == len(wanted):
                    break
        return pa.concat_tables(tables)

    def batches(self, columns: list[str], group: int | None = None) -> Iterator[tuple[int, Any]]:
        """Yield the batches of a row group or of all, each with the number of its first row."""
        self.stamp.check()
        groups = range(len(self._bounds) - 1) if group is None else [group]
        path = self.stamp.path
        with guarded(path, "parquet file", self.error), open_streaming(path) as file:
            for number in groups:
                start = int(self._bounds[number])
                for batch in file.iter_batches(
                    batch_size=self._rows_per_block, row_groups=[number], columns=columns
                ):
                    yield start, batch
                    start += len(batch)


def open_parquet_file(path: str) -> ParquetFile:
    """Read the footer of a parquet file.

    Raises:
        DataError: the file is incomplete, or not parquet.
        ColumnError: two columns have the same name.
        MissingExtraError: pyarrow is not installed.
    """
    require_pyarrow(f"reading {path}")
    stamp = FileStamp.of(path)
    with guarded(path, "parquet file"), open_streaming(path) as file:
        check_unique(file.schema_arrow.names, path)
        return ParquetFile(stamp, file)


def open_streaming(path: str) -> Any:
    """Open a parquet file so that iterating over its batches needs little memory."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(local(path), pre_buffer=False, buffer_size=_BUFFER_BYTES)
