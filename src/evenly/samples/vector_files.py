"""Vectors on disk as samples: .npy, .safetensors, and parquet with a column of vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, VectorError
from evenly.samples.arrow import read_table_columns
from evenly.samples.base import Samples
from evenly.samples.binary import BinaryRows
from evenly.samples.encoding import write_records, write_tables
from evenly.samples.parquet_vectors import ParquetRows
from evenly.samples.rows import RowNumbers, missing_column, row_numbers
from evenly.samples.stored import Part, StoredVectors
from evenly.samples.vectors import VectorRows

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["BinaryVectorFiles", "ParquetVectorFiles", "VectorFiles", "join_vector_files"]


_BATCH = 4096

_PartT = TypeVar("_PartT", bound=Part)


class VectorFiles(VectorRows, Generic[_PartT]):
    """Files of vectors of one format, their rows numbered through, and read when asked for.

    Attributes:
        parts: the files, in the order of their rows.

    Raises:
        VectorError: the files differ in dimension.
    """

    def __init__(self, parts: Sequence[_PartT], *, origin: str, format: str) -> None:
        self.origin = origin
        self.format = format
        self.parts = tuple(parts)
        self._stored = StoredVectors(parts)
        self._whole: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def stored(self) -> StoredVectors:
        """The vectors where they are."""
        return self._stored

    @property
    def vectors(self) -> npt.NDArray[Any]:
        """The vectors as one array (n, d), made at the first use; see StoredVectors.whole."""
        if self._whole is None:
            self._whole = self._stored.whole()
        return self._whole

    def locate(self, row: int) -> str:
        """Name the file, and the row in it, counted from 0."""
        part, local = self._stored.place(row)
        return f"{part.path}, row {local}"

    def check_unchanged(self) -> None:
        """Raise DataError when any of the files has changed since it was opened."""
        for part in self.parts:
            part.stamp.check()

    def _given(self, rows: RowNumbers) -> npt.NDArray[Any]:
        return self._stored.take(rows)

    def _feed(self, digest: _Hash) -> None:
        for part in self.parts:
            part.stamp.feed(digest)


class BinaryVectorFiles(VectorFiles[BinaryRows]):
    """Files .npy or .safetensors. Those written have the tensor name of those read."""

    def __init__(self, parts: Sequence[BinaryRows], *, origin: str, format: str) -> None:
        super().__init__(parts, origin=origin, format=format)
        names = {part.tensor for part in parts}
        self._tensor = (names.pop() if len(names) == 1 else "") or self._tensor


class ParquetVectorFiles(VectorFiles[ParquetRows]):
    """Parquet files with a column of vectors, whose other columns go where the rows go.

    Raises:
        DataError: the files differ in their columns.
        VectorError: the files differ in dimension.
    """

    _stream_format = "parquet"
    # Rows out of order walk through the files once a block.
    _block_bytes = 1 << 28

    def __init__(self, parts: Sequence[ParquetRows], *, origin: str) -> None:
        super().__init__(parts, origin=origin, format="parquet")
        self._schema = _common_schema(parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the schema."""
        return tuple(self._schema.names)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts."""
        chosen = np.arange(len(self)) if rows is None else row_numbers(rows, len(self))
        for some in self._chunks(chosen):
            for batch in self._table(some).to_batches(max_chunksize=_BATCH):
                yield from batch.to_pylist()

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; a table lacks no key in any row, so `absent` is not needed."""
        for name in names:
            if name not in self.columns:
                raise missing_column(name, self.columns, self.origin)
        if not names:
            return []
        return read_table_columns(self._table(np.arange(len(self)), names), names, self.origin)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a pyarrow Table, every column kept."""
        return self._table(row_numbers(rows, len(self)))

    def _table(self, rows: RowNumbers, names: Sequence[str] | None = None) -> Any:
        import pyarrow as pa

        order = np.argsort(rows, kind="stable")
        schema = self._schema
        if names is not None:
            schema = pa.schema([self._schema.field(name) for name in dict.fromkeys(names)])
        tables = [schema.empty_table()]
        for owner, _, local in self._stored.spread(rows[order]):
            tables.append(self.parts[owner].table(local, names))
        table = pa.concat_tables(tables, promote_options="default")
        return table.take(pa.array(np.argsort(order)))

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format in ("npy", "safetensors"):
            self._write_vectors(format, stream, rows)
        elif format == "parquet":
            write_tables(stream, self._schema, (self._table(some) for some in self._chunks(rows)))
        else:
            write_records(format, stream, self.records(rows), self.columns)


def join_vector_files(parts: Sequence[Samples], origin: str) -> Samples:
    """Make one data set of files of one format, at least one of which holds vectors.

    Raises:
        DataError: parquet files that differ in their columns.
        VectorError: files that differ in dimension, or of which some hold records.
    """
    binary = [part for part in parts if isinstance(part, BinaryVectorFiles)]
    parquet = [part for part in parts if isinstance(part, ParquetVectorFiles)]
    if binary:
        rows = [row for file in binary for row in file.parts]
        return BinaryVectorFiles(rows, origin=origin, format=binary[0].format)
    if len(parquet) < len(parts):
        other = next(part for part in parts if not isinstance(part, ParquetVectorFiles))
        raise VectorError(
            f"{parquet[0].origin} holds vectors, and {other.origin} holds records. Name files "
            "of one kind with a pattern such as 'folder/vectors-*.parquet'."
        )
    return ParquetVectorFiles([rows for file in parquet for rows in file.parts], origin=origin)


def _common_schema(parts: Sequence[ParquetRows]) -> Any:
    import pyarrow as pa

    schema, first = parts[0].schema, parts[0]
    for part in parts[1:]:
        try:
            schema = pa.unify_schemas([schema, part.schema], promote_options="default")
        except pa.ArrowException as error:
            raise DataError(f"{first.path} and {part.path} do not fit together: {error}") from error
        if part.column != first.column:
            raise DataError(
                f"{first.path} and {part.path} do not fit together: their vectors are in "
                f"different columns, {first.column!r} and {part.column!r}."
            )
    return schema
