"""Files of vectors as samples: .npy, .safetensors, and parquet with a column of vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, VectorError
from evenly.samples.arrow import read_table_columns
from evenly.samples.arrow_columns import write_tables
from evenly.samples.arrow_values import table_records, take_rows
from evenly.samples.base import Samples
from evenly.samples.binary import BinaryRows
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.encoding import write_records
from evenly.samples.parquet_vectors import ParquetRows
from evenly.samples.rows import RowNumbers, check_columns, row_numbers
from evenly.samples.stored import Part, StoredVectors
from evenly.samples.vectors import VectorRows

_PartT = TypeVar("_PartT", bound=Part)


class VectorFiles(VectorRows, Generic[_PartT]):
    """Files of vectors of one format with consecutive row numbers, read on demand.

    Attributes:
        parts: the files, in the order of their rows.

    Raises:
        VectorError: the files have different dimensions.
    """

    stored: StoredVectors

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
        self.stored = StoredVectors(parts, blocks)
        self._blocks = blocks
        self._block_bytes = blocks.write

    def __len__(self) -> int:
        return len(self.stored)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process needs: it reads the files again."""
        return {name: value for name, value in self.__dict__.items() if name != "vectors"}

    @cached_property
    def vectors(self) -> npt.NDArray[Any]:
        """The vectors as one array (n, d), read on first use; see StoredVectors.whole."""
        return self.stored.whole()

    def locate(self, row: int) -> str:
        """Return the file, and the row number in it, from 0."""
        part, local = self.stored.locate(row)
        return f"{part.stamp.path}, row {local}"

    def _check_files(self) -> None:
        for part in self.parts:
            part.stamp.check()

    def _original(self, rows: RowNumbers) -> npt.NDArray[Any]:
        return self.stored.take(rows)

    def file_digests(self) -> list[bytes]:
        """Return the hash of each file, which is known of one that was read in order."""
        known = self.stored.file_digest
        if known is not None:
            self._check_files()
            return [known]
        return [part.stamp.digest() for part in self.parts]


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
        self,
        parts: Sequence[ParquetRows],
        *,
        origin: str,
        format: str = "parquet",
        blocks: BlockSizes = BLOCK_SIZES,
    ) -> None:
        super().__init__(parts, origin=origin, format=format, blocks=blocks)
        self._schema = _common_schema(parts)
        self._block_bytes = blocks.write_parquet
        self.columns = tuple(self._schema.names)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts."""
        numbers = np.arange(len(self)) if rows is None else row_numbers(rows, len(self))
        for chunk in self._chunks(numbers):
            yield from table_records(self._table(chunk), self.origin)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; `absent` is unused, because every row of a table has every column."""
        check_columns(names, self.columns, self.origin)
        if not names:
            return []
        return read_table_columns(self._table(np.arange(len(self)), names), names, self.origin)

    def parquet_paths(self) -> list[str]:
        """Return the files, in the order of their rows."""
        return [part.stamp.path for part in self.parts]

    def vector_fault(self, row: int) -> str | None:
        """Return why the vector of a row was read as NaN."""
        part, local = self.stored.locate(row)
        return part.faults.get(local) if isinstance(part, ParquetRows) else None

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
        if self.fetch is not None and names is None:
            tables.append(self.fetch(rows[order]))
        else:
            for owner, _, local in self.stored.split_by_part(rows[order]):
                tables.append(self.parts[owner].table(local, names))
        table = pa.concat_tables(tables, promote_options="permissive")
        return take_rows(table, np.argsort(order))

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format in ("npy", "safetensors"):
            self._write_vectors(format, stream, rows)
        elif format == "parquet":
            # How rows were read must not show in the file.
            tables = (self._table(chunk).combine_chunks() for chunk in self._chunks(rows))
            write_tables(stream, self._schema, tables)
        else:
            write_records(format, stream, self.records(rows), self.columns)


def join_vector_files(parts: Sequence[Samples], origin: str) -> Samples:
    """Join files of one format, at least one of which holds vectors, into one data set.

    Raises:
        DataError: parquet files have different columns.
        VectorError: the files have different dimensions, or some hold records.
    """
    files = [part for part in parts if isinstance(part, VectorFiles)]
    first = files[0]
    for part in parts:
        if not isinstance(part, VectorFiles):
            raise VectorError(
                f"{first.origin} holds vectors, but {part.origin} holds records. Select files of "
                "one kind with a pattern such as 'folder/vectors-*.parquet'."
            )
    rows = [row for file in files for row in file.parts]
    return type(first)(rows, origin=origin, format=first.format, blocks=first._blocks)


def _common_schema(parts: Sequence[ParquetRows]) -> Any:
    import pyarrow as pa

    schema, first = parts[0].schema, parts[0]
    for part in parts[1:]:
        try:
            schema = pa.unify_schemas([schema, part.schema], promote_options="permissive")
        except pa.ArrowException as error:
            names = f"{first.stamp.path} and {part.stamp.path}"
            raise DataError(f"{names} have different schemas: {error}") from error
        if part.column != first.column:
            raise DataError(
                f"{first.stamp.path} and {part.stamp.path} have their vectors in different "
                f"columns, {first.column!r} and {part.column!r}. Rename one of them."
            )
    return schema
