"""Files of vectors as samples: .npy, .safetensors, and parquet with a column of vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, VectorError
from evenly.samples.arrow import read_table_columns
from evenly.samples.base import Samples
from evenly.samples.binary import BinaryRows
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.encoding import write_records, write_tables
from evenly.samples.parquet_vectors import ParquetRows
from evenly.samples.rows import RowNumbers, check_columns, row_numbers
from evenly.samples.stored import Part, StoredVectors
from evenly.samples.vectors import VectorRows

if TYPE_CHECKING:
    from hashlib import _Hash

_RECORDS_PER_BATCH = 4096
_PartT = TypeVar("_PartT", bound=Part)


class VectorFiles(VectorRows, Generic[_PartT]):
    """Files of vectors of one format with consecutive row numbers, read on demand.

    Attributes:
        parts: the files, in the order of their rows.

    Raises:
        VectorError: the files have different dimensions.
    """

    def __init__(
        self,
        parts: Sequence[_PartT],
        *,
        origin: str,
        format: str,
        blocks: BlockSizes = BLOCK_SIZES,
    ) -> None:
        self.origin = origin
        self.format = format
        self.parts = tuple(parts)
        self._stored = StoredVectors(parts, blocks)
        self._blocks = blocks
        self._whole: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def stored(self) -> StoredVectors:
        """The vectors on disk."""
        return self._stored

    @property
    def vectors(self) -> npt.NDArray[Any]:
        """The vectors as one array (n, d), read on first use; see StoredVectors.whole."""
        if self._whole is None:
            self._whole = self._stored.whole()
        return self._whole

    def locate(self, row: int) -> str:
        """Return the file, and the row number in it, from 0."""
        part, local = self._stored.locate(row)
        return f"{part.path}, row {local}"

    def check_unchanged(self) -> None:
        """Raise DataError if a file has changed since it was opened."""
        for part in self.parts:
            part.stamp.check()

    def _original(self, rows: RowNumbers) -> npt.NDArray[Any]:
        return self._stored.take(rows)

    def _feed(self, digest: _Hash) -> None:
        for part in self.parts:
            part.stamp.feed(digest)


class BinaryVectorFiles(VectorFiles[BinaryRows]):
    """Files of .npy or .safetensors; written tensors have the name of those read."""

    @property
    def _tensor(self) -> str:
        names = {part.tensor for part in self.parts}
        return (names.pop() if len(names) == 1 else "") or super()._tensor


class ParquetVectorFiles(VectorFiles[ParquetRows]):
    """Parquet files with a column of vectors; their other columns are returned with the rows.

    Raises:
        DataError: the files have different columns.
        VectorError: the files have different dimensions.
    """

    _stream_format = "parquet"

    def __init__(
        self, parts: Sequence[ParquetRows], *, origin: str, blocks: BlockSizes = BLOCK_SIZES
    ) -> None:
        super().__init__(parts, origin=origin, format="parquet", blocks=blocks)
        self._schema = _common_schema(parts)

    @property
    def _block_bytes(self) -> int:
        return self._blocks.write_parquet

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the schema."""
        return tuple(self._schema.names)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts."""
        numbers = np.arange(len(self)) if rows is None else row_numbers(rows, len(self))
        for chunk in self._chunks(numbers):
            for batch in self._table(chunk).to_batches(max_chunksize=_RECORDS_PER_BATCH):
                yield from batch.to_pylist()

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; `absent` is unused, because every row of a table has every column."""
        check_columns(names, self.columns, self.origin)
        if not names:
            return []
        return read_table_columns(self._table(np.arange(len(self)), names), names, self.origin)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a pyarrow Table with all columns."""
        return self._table(row_numbers(rows, len(self)))

    def _table(self, rows: RowNumbers, names: Sequence[str] | None = None) -> Any:
        import pyarrow as pa

        order = np.argsort(rows, kind="stable")
        schema = self._schema
        if names is not None:
            schema = pa.schema([self._schema.field(name) for name in dict.fromkeys(names)])
        tables = [schema.empty_table()]
        for owner, _, local in self._stored.split_by_part(rows[order]):
            tables.append(self.parts[owner].table(local, names))
        table = pa.concat_tables(tables, promote_options="default")
        return table.take(pa.array(np.argsort(order)))

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format in ("npy", "safetensors"):
            self._write_vectors(format, stream, rows)
        elif format == "parquet":
            write_tables(stream, self._schema, (self._table(chunk) for chunk in self._chunks(rows)))
        else:
            write_records(format, stream, self.records(rows), self.columns)


def join_vector_files(parts: Sequence[Samples], origin: str) -> Samples:
    """Join files of one format, at least one of which holds vectors, into one data set.

    Raises:
        DataError: parquet files have different columns.
        VectorError: the files have different dimensions, or some hold records.
    """
    binary = [part for part in parts if isinstance(part, BinaryVectorFiles)]
    parquet = [part for part in parts if isinstance(part, ParquetVectorFiles)]
    if binary:
        rows = [row for file in binary for row in file.parts]
        return BinaryVectorFiles(
            rows, origin=origin, format=binary[0].format, blocks=binary[0]._blocks
        )
    if len(parquet) < len(parts):
        other = next(part for part in parts if not isinstance(part, ParquetVectorFiles))
        raise VectorError(
            f"{parquet[0].origin} holds vectors, but {other.origin} holds records. Select files "
            "of one kind with a pattern such as 'folder/vectors-*.parquet'."
        )
    files = [rows for file in parquet for rows in file.parts]
    return ParquetVectorFiles(files, origin=origin, blocks=parquet[0]._blocks)


def _common_schema(parts: Sequence[ParquetRows]) -> Any:
    import pyarrow as pa

    schema, first = parts[0].schema, parts[0]
    for part in parts[1:]:
        try:
            schema = pa.unify_schemas([schema, part.schema], promote_options="default")
        except pa.ArrowException as error:
            raise DataError(
                f"{first.path} and {part.path} have different schemas: {error}"
            ) from error
        if part.column != first.column:
            raise DataError(
                f"{first.path} and {part.path} have their vectors in different columns, "
                f"{first.column!r} and {part.column!r}. Rename one of them."
            )
    return schema
