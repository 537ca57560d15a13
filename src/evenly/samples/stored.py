"""Vectors on disk: one read-only array (n, d) over the rows of one or more files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from evenly.errors import RowError, VectorError
from evenly.memory import free_memory
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.floats import float_type
from evenly.samples.hashes import HASHED_ROWS, block_hashes
from evenly.samples.rows import RowNumbers, row_numbers
from evenly.samples.source import FileStamp
from evenly.tables import count


class Part(Protocol):
    """The rows of one file, in the order of the file.

    Attributes:
        stamp: size and date of the file when it was opened.
        shape: (n, d); d is 0 if a file without rows does not define it.
        dtype: NumPy type of the numbers; float32 for bfloat16.
        row_bytes: uncompressed size of a row in the type of the file.
        seekable: whether reading a row anywhere costs no more than its bytes.
    """

    stamp: FileStamp
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    row_bytes: int
    seekable: bool

    def fill(self, first: int, out: npt.NDArray[Any]) -> None:
        """Read m consecutive rows from row `first` into `out` (m, d), converted to its type."""

    def fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        """Read `rows` (m,), in ascending order, into `out` (m, d), converted to its type."""

    def around(self) -> tuple[bytes, bytes] | None:
        """Return the bytes of the file before and after the rows; None unless it holds an array."""

    def mapped(self) -> npt.NDArray[Any] | None:
        """Return all rows as a memory map, or None if the file cannot be mapped."""

    def release(self) -> None:
        """Drop what is kept between reads."""


class _LastRows(NamedTuple):
    """The last rows of a pass, in memory.

    Attributes:
        begin: the first of them.
        blocks: the rows.
        until: when so many bytes were read, they are dropped.
    """

    begin: int
    blocks: tuple[npt.NDArray[Any], ...]
    until: int

    def fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> int:
        """Copy those of `rows` that are here to the end of `out`; return how many are not.

        Rows are in ascending order.
        """
        begin = self.begin
        for block in self.blocks:
            first, end = np.searchsorted(rows, [begin, begin + len(block)])
            out[first:end] = block[rows[first:end] - begin]
            begin += len(block)
        return int(np.searchsorted(rows, self.begin))


class StoredVectors:
    """A read-only array (n, d) of vectors on disk, which reads only the requested rows.

    Indexing returns new C-contiguous arrays. Files are read instead of mapped, because the pages
    of a map count as memory of the process, and a mapped file that shrinks kills the process.
    Only the last block of a parquet file is kept between reads. Several threads can read at the
    same time; those that read the same parquet file take turns.

    Args:
        parts: the files.
        blocks: how much is read at once.
        hash_blocks: whether `in_order` finds what `block_hashes` returns, and not `file_digest`.

    Attributes:
        parts: the files, in the order of their rows.
        shape: (n, d).
        dtype: float16, float32 or float64 in the byte order of this machine: the widest type
            that a part needs, so that no value changes. Integers need float32 or float64 as in
            `as_vectors`; bfloat16 needs float32.
        file_dtype: type of the numbers on disk if all parts have the same, else `dtype`.
        nbytes: uncompressed size of all rows on disk, in the types of the files.
        bytes_in_memory: size of all rows as one array of `dtype`.
        bytes_read: size on disk of all rows returned so far, including repeats; bytes_read /
            nbytes is the number of passes over the data.
        file_digest: the sha256 of the only file, once all rows were read in order; None before.
        seekable: False if scattered rows cost much more than their bytes: parquet decodes all
            preceding rows of the row group, and .npy in Fortran order scatters the numbers of a
            row. Read such data in order if possible.

    Raises:
        VectorError: parts have different dimensions or do not hold numbers.
    """

    ndim = 2

    def __init__(
        self, parts: Sequence[Part], blocks: BlockSizes = BLOCK_SIZES, *, hash_blocks: bool = False
    ) -> None:
        self.parts = tuple(parts)
        self._hash_blocks = hash_blocks
        self._block_hashes: list[bytes] | None = None
        self._gather_bytes = blocks.gather
        self._bounds = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape = (int(self._bounds[-1]), _common_dimension(parts))
        types = [float_type(part.dtype, part.stamp.path) for part in parts]
        self.dtype: np.dtype[Any] = np.result_type(*types)
        file_dtypes = {part.dtype for part in parts}
        self.file_dtype = file_dtypes.pop() if len(file_dtypes) == 1 else self.dtype
        self.nbytes = sum(part.shape[0] * part.row_bytes for part in parts)
        self.bytes_in_memory = self.shape[0] * self.shape[1] * self.dtype.itemsize
        self.seekable = all(part.seekable for part in parts)
        self.bytes_read = 0
        self.file_digest: bytes | None = None
        self._last = _LastRows(self.shape[0], (), 0)
        self._lock = Lock()
        self._held: set[int] = set()

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<StoredVectors {self.shape} {self.dtype} in {count(len(self.parts), 'file')}>"

    def __getitem__(
        self, rows: int | np.integer[Any] | slice | npt.NDArray[Any] | list[int]
    ) -> npt.NDArray[Any]:
        """Read one row (d,), a slice of rows (m, d), or a list of rows (m, d).

        Args:
            rows: a row number, which counts from the end if negative; a slice of step 1; or row
                numbers in any order, which may repeat.

        Raises:
            RowError: a row is out of range, or `rows` is of another type.
            VectorError: a 64-bit integer has no exact float64, or lists in parquet differ in
                length; the message names the file and the row.
            DataError: a file has changed since it was opened.

        Cost: slices are read directly into the result. Lists are read in the order of the files,
            neighbouring rows together: a few microseconds per isolated row, and one block of
            additional memory.
        """
        if isinstance(rows, slice):
            return self._slice(rows)
        if isinstance(rows, int | np.integer):
            number = int(rows) + len(self) if rows < 0 else int(rows)
            row: npt.NDArray[Any] = self[[number]][0]
            return row
        return self._rows(row_numbers(rows, len(self)), self.dtype)

    def in_order(
        self, rows_at_once: int, hold: float = 0.0
    ) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
        """Yield all rows, some at once, and hash them in passing: `file_digest` has the result.

        Only a single file that holds an array is hashed; or each block of rows, if `hash_blocks`
        was set and `rows_at_once` is a multiple of HASHED_ROWS. The last rows, `hold` bytes at
        most, stay in memory while rows are read once more.
        """
        last: list[npt.NDArray[Any]] = []
        around = None
        if len(self.parts) == 1 and self.file_dtype == self.dtype and not self._hash_blocks:
            around = self.parts[0].around()
        hashes: list[bytes] = []
        in_blocks = self._hash_blocks and rows_at_once % HASHED_ROWS == 0
        digest = hashlib.sha256(b"" if around is None else around[0])
        for begin in range(0, len(self), rows_at_once):
            rows = slice(begin, min(begin + rows_at_once, len(self)))
            block = self[rows]
            if around is not None:
                digest.update(block.reshape(-1).view(np.uint8).data)
            if in_blocks:
                hashes += block_hashes(block)
            yield rows, block
            last.append(block)
            while sum(block.nbytes for block in last) > hold:
                last.pop(0)
        held = sum(len(block) for block in last)
        self._last = _LastRows(len(self) - held, tuple(last), self.bytes_read + self.nbytes)
        if around is not None:
            digest.update(around[1])
            self.file_digest = digest.digest()
        if in_blocks:
            self._block_hashes = hashes

    def block_hashes(self) -> Iterable[bytes]:
        """Return the hash of each block of rows; see `feed_array`."""
        return block_hashes(self) if self._block_hashes is None else self._block_hashes

    def take(self, rows: RowNumbers) -> npt.NDArray[Any]:
        """Read rows as `file_dtype`, so that integers stay integers; otherwise like indexing."""
        return self._rows(rows, self.file_dtype)

    def whole(self) -> npt.NDArray[Any]:
        """Return all rows as one array.

        Only a single file that needs no conversion and would take more than half of the free
        memory becomes a memory map: reading a mapped file that has shrunk kills the process.
        """
        large = self.bytes_in_memory > free_memory() / 2
        if large and len(self.parts) == 1 and self.file_dtype == self.dtype:
            mapped = self.parts[0].mapped()
            if mapped is not None:
                return mapped
        return self[:]

    def locate(self, row: int) -> tuple[Part, int]:
        """Return the part that holds a row, and the row number in that part."""
        owner = int(np.searchsorted(self._bounds, row, side="right")) - 1
        return self.parts[owner], row - int(self._bounds[owner])

    def split_by_part(self, rows: RowNumbers) -> Iterator[tuple[int, slice, RowNumbers]]:
        """Split `rows` (k,), in ascending order, by part.

        Yields for each part that holds any of them: its position in `parts`, the slice of
        `rows`, and the row numbers in the part.
        """
        cuts = np.searchsorted(rows, self._bounds)
        for owner in np.flatnonzero(np.diff(cuts)).tolist():
            selected = slice(int(cuts[owner]), int(cuts[owner + 1]))
            yield owner, selected, rows[selected] - self._bounds[owner]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process needs: it reads the same files."""
        nothing = _LastRows(self.shape[0], (), 0)
        return {**self.__dict__, "_held": set(), "_lock": None, "_last": nothing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())

    def release(self) -> None:
        """Drop what is kept between reads; the next read loads it again."""
        with self._lock:
            held, self._held = self._held, set()
        for owner in held:
            self.parts[owner].release()

    def _slice(self, rows: slice) -> npt.NDArray[Any]:
        first, stop, step = rows.indices(len(self))
        if step != 1:
            raise RowError(
                f"slices of stored vectors must have step 1, got {rows}. Use a list of row numbers."
            )
        stop = max(first, stop)
        out = np.empty((stop - first, self.shape[1]), self.dtype)
        begins = np.clip(self._bounds, first, stop)
        for owner in np.flatnonzero(np.diff(begins)).tolist():
            begin, end = int(begins[owner]), int(begins[owner + 1])
            with self._reading(owner, end - begin) as part:
                part.fill(begin - int(self._bounds[owner]), out[begin - first : end - first])
        return out

    def _rows(self, rows: RowNumbers, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        out = np.empty((len(rows), self.shape[1]), dtype)
        # Files are read in ascending order, directly into the result if `rows` ascend too.
        order = None if np.all(rows[1:] >= rows[:-1]) else np.argsort(rows, kind="stable")
        step = max(1, self._gather_bytes // max(1, out[:1].nbytes))
        for start in range(0, len(rows), step):
            chunk = slice(start, start + step)
            if order is None:
                self._fill_rows(rows[chunk], out[chunk])
                continue
            block = np.empty((len(order[chunk]), self.shape[1]), dtype)
            self._fill_rows(rows[order[chunk]], block)
            out[order[chunk]] = block
        return out

    def _fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        rows = rows[: self._last.fill_rows(rows, out)]
        for owner, selected, local in self.split_by_part(rows):
            with self._reading(owner, len(local)) as part:
                part.fill_rows(local, out[selected])

    @contextmanager
    def _reading(self, owner: int, rows: int) -> Iterator[Part]:
        """Yield a part for reading `rows` rows; count them, and release the previous parts."""
        part = self.parts[owner]
        with self._lock:
            self.bytes_read += rows * part.row_bytes
            if self.bytes_read > self._last.until:
                self._last = _LastRows(self.shape[0], (), 0)
            previous, self._held = self._held - {owner}, set()
        for other in previous:
            self.parts[other].release()
        try:
            yield part
        finally:
            with self._lock:
                self._held.add(owner)


def _common_dimension(parts: Sequence[Part]) -> int:
    known = [part for part in parts if part.shape[1]]
    for part in known:
        if part.shape[1] != known[0].shape[1]:
            raise VectorError(
                f"the vectors have different lengths: {known[0].stamp.path} has "
                f"{known[0].shape[1]} numbers per row, {part.stamp.path} has {part.shape[1]}. All "
                "files must agree."
            )
    return known[0].shape[1] if known else 0
