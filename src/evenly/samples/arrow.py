"""Arrow tables, and parquet files, which are read into Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy.typing as npt

from evenly.samples.base import Samples
from evenly.samples.encoding import require_pyarrow
from evenly.samples.rows import RowNumbers, check_columns, check_unique, row_numbers
from evenly.samples.source import FileStamp, guarded

_RECORDS_PER_BATCH = 4096


class ArrowSamples(Samples):
    """A pyarrow Table, from memory or from a parquet file."""

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
        self._data = table
        self._source = stamp
        self.columns = check_unique(table.column_names, origin)

    def __len__(self) -> int:
        return int(self._data.num_rows)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts."""
        table = self._data if rows is None else self.take(list(rows))
        for batch in table.to_batches(max_chunksize=_RECORDS_PER_BATCH):
            yield from batch.to_pylist()

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; `absent` is unused, because every row of a table has every column."""
        return read_table_columns(self._data, names, self.origin)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a pyarrow Table."""
        import pyarrow as pa

        return self._data.take(pa.array(row_numbers(rows, len(self))))

    def _table(self, rows: RowNumbers) -> Any:
        return self.take(rows)


def open_table(data: Any) -> ArrowSamples:
    """Open a pyarrow Table or RecordBatch."""
    import pyarrow as pa

    table = pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data
    return ArrowSamples(table, origin=f"an Arrow table of {table.num_rows} rows")


def open_parquet(path: str) -> ArrowSamples:
    """Read a parquet file.

    Raises:
        DataError: the file is incomplete, or not parquet.
        MissingExtraError: pyarrow is not installed.
    """
    require_pyarrow(f"reading {path}")
    import pyarrow.parquet as pq

    stamp = FileStamp.of(path)
    with guarded(path, "parquet file"), pq.ParquetFile(path) as file:
        table = file.read()
    return ArrowSamples(table, origin=path, format="parquet", stamp=stamp)


def read_table_columns(table: Any, names: Sequence[str], origin: str) -> list[list[object]]:
    """Read columns of a table as lists; raises ColumnError like Samples.read_columns."""
    if not table.num_rows:
        return [[] for _ in names]
    check_columns(names, table.column_names, origin)
    return [table.column(name).to_pylist() for name in names]
