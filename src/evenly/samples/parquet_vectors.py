"""Parquet files whose rows are vectors: a column of lists of floats, and no text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import VectorError
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.compression import require_pyarrow
from evenly.samples.floats import check_shape
from evenly.samples.number_lists import is_number_list, usual_length, vectors_of_lists
from evenly.samples.parquet_file import ParquetFile, open_streaming
from evenly.samples.rows import RowNumbers, check_unique
from evenly.samples.source import FileStamp, guarded, incomplete

# Lists that are compared to find the length of a vector.
_LISTS_LOOKED_AT = 64
# Names of columns whose strings identify a row and are not its text, including pandas' index.
_ID = re.compile(r"(^|[\W_])(id|uuid|guid|key|hash)$|^__index_level_\d+__$", re.IGNORECASE)


class ParquetRows(ParquetFile):
    """The vector column of one parquet file: a `Part` of StoredVectors.

    A row group is decoded from its start, one block of rows at a time. The last block and the
    position after it are kept, so that sequential reading decodes each row once. A missing
    number becomes NaN, and so does a list that is missing or has another length than most.

    Attributes:
        stamp: size and date of the file when it was opened.
        column: name of the column of vectors.
        faults: row number -> why the list that was read there became NaN.
        shape, dtype, row_bytes, seekable: see `Part`.
    """

    seekable = False
    error = VectorError

    def __init__(self, stamp: FileStamp, column: str, file: Any, blocks: BlockSizes) -> None:
        super().__init__(stamp, file)
        self.column = column
        self.faults: dict[int, str] = {}
        kind = self.schema.field(column).type
        dimension = getattr(kind, "list_size", 0) or _usual_length(file, column)
        self.shape = (self.rows, dimension)
        self.dtype: np.dtype[Any] = np.dtype(f"f{kind.value_type.bit_width // 8}")
        self.row_bytes = dimension * self.dtype.itemsize
        self._rows_per_block = max(1, blocks.decode // max(1, self.row_bytes))
        if self.shape[0]:
            check_shape(self.shape, f"the column {column!r} of {stamp.path}")
        self._lock = Lock()
        self._reader: tuple[int, Iterator[tuple[int, Any]]] | None = None
        self._block: tuple[int, npt.NDArray[Any]] = (0, np.empty((0, dimension), self.dtype))

    def fill(self, first: int, out: npt.NDArray[Any]) -> None:
        """Read m consecutive rows from row `first` into `out` (m, d), converted to its type."""
        done = 0
        with self._lock:
            while done < len(out):
                start, block = self._block_with(first + done)
                piece = block[first + done - start :][: len(out) - done]
                out[done : done + len(piece)] = piece
                done += len(piece)

    def fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        """Read `rows` (m,), in ascending order, into `out` (m, d), converted to its type."""
        done = 0
        with self._lock:
            while done < len(rows):
                start, block = self._block_with(int(rows[done]))
                end = int(np.searchsorted(rows, start + len(block)))
                out[done:end] = block[rows[done:end] - start]
                done = end

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process needs: it reads the same file."""
        empty = (0, self._block[1][:0])
        return {**self.__dict__, "_lock": None, "_reader": None, "_block": empty}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())

    def around(self) -> tuple[bytes, bytes] | None:
        """Return None: the rows are compressed."""
        return None

    def mapped(self) -> None:
        """Return None: parquet cannot be mapped."""

    def release(self) -> None:
        """Close the file and drop the last block."""
        with self._lock:
            self._reader = None
            self._block = (0, self._block[1][:0].copy())

    def _block_with(self, row: int) -> tuple[int, npt.NDArray[Any]]:
        """Return the number of the first row of the block that holds `row`, and the block."""
        start, block = self._block
        if start <= row < start + len(block):
            return self._block
        group = int(np.searchsorted(self._bounds, row, side="right")) - 1
        reader, self._reader = self._reader, None  # discarded if an error occurs
        if reader is None or reader[0] != group or row < start:
            reader = (group, self.batches([self.column], group))
        for start, batch in reader[1]:
            if row < start + len(batch):
                self._block = (start, self._decode(batch.column(self.column), start))
                self._reader = reader
                return self._block
        reason = "it has fewer rows than its header states"
        raise VectorError(incomplete(self.stamp.path, "parquet file", reason))

    def _decode(self, lists: Any, start: int) -> npt.NDArray[Any]:
        block, faults = vectors_of_lists(lists, self.shape[1])
        self.faults.update({start + row: reason for row, reason in faults.items()})
        return block


def open_parquet_rows(
    path: str, blocks: BlockSizes = BLOCK_SIZES, column: str | None = None
) -> ParquetRows | None:
    """Locate the vectors in a parquet file; return None if the file holds records.

    A file holds vectors if exactly one column has lists of floats, and no other column can hold
    content: the others are numbers, dates or booleans, or strings whose column name ends in id,
    uuid, guid, key or hash. If a `column` is named, it holds the vectors if it has lists of
    floats.

    Raises:
        DataError: the file is incomplete, or not parquet.
        VectorError: the lists are empty.
        MissingExtraError: pyarrow is not installed.
    """
    require_pyarrow(f"reading {path}")
    stamp = FileStamp.of(path)
    with guarded(path, "parquet file"), open_streaming(path) as file:
        check_unique(file.schema_arrow.names, path)
        if column is None:
            column = _vector_column(file.schema_arrow)
        elif not is_number_list(file.schema_arrow.field(column).type, floats_only=True):
            column = None
        return None if column is None else ParquetRows(stamp, column, file, blocks)


def _vector_column(schema: Any) -> str | None:
    vectors = [field.name for field in schema if is_number_list(field.type, floats_only=True)]
    others = [field for field in schema if not is_number_list(field.type, floats_only=True)]
    if len(vectors) != 1 or any(_may_be_content(field) for field in others):
        return None
    return str(vectors[0])


def _may_be_content(field: Any) -> bool:
    from pyarrow import types

    kind = field.type
    if types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind):
        return False
    is_short = (
        types.is_string(kind) or types.is_large_string(kind) or types.is_fixed_size_binary(kind)
    )
    return not (is_short and _ID.search(field.name))


def _usual_length(file: Any, column: str) -> int:
    """Return the length of most of the first lists that are not empty; 0 if there are none."""
    for batch in file.iter_batches(batch_size=_LISTS_LOOKED_AT, columns=[column]):
        lengths = batch.column(column).value_lengths().drop_null().to_pylist()
        if any(lengths):
            return usual_length(lengths)
    return 0
