"""Vectors that stay on disk: one read-only array (n, d) over the rows of one or more files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from evenly.errors import RowError, VectorError
from evenly.samples.floats import float_type
from evenly.samples.rows import RowNumbers, row_numbers
from evenly.samples.source import FileStamp

__all__ = ["Part", "StoredVectors"]

# Rows that are not in order are gathered in blocks of this size.
_BLOCK_BYTES = 1 << 24


class Part(Protocol):
    """The rows of one file, in the order in which they stand there."""

    @property
    def stamp(self) -> FileStamp:
        """The file as it was when it was opened."""

    @property
    def path(self) -> str:
        """The path of the file."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d); d is 0 where a file without rows does not say it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers, as NumPy has them: bfloat16 counts as float32."""

    @property
    def row_bytes(self) -> int:
        """What a row takes as it was given, uncompressed."""

    @property
    def seekable(self) -> bool:
        """Whether a row costs no more than its bytes, wherever it is."""

    def fill(self, first: int, out: npt.NDArray[Any]) -> None:
        """Put the rows from `first` on into `out` (m, d), converted to its type."""

    def fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        """Put `rows` (m,), which never decrease, into `out` (m, d), converted to its type."""

    def mapped(self) -> npt.NDArray[Any] | None:
        """Return all rows as a memory map, or None where the file cannot be mapped."""

    def release(self) -> None:
        """Forget what is held from one read to the next."""


class StoredVectors:
    """A read-only array (n, d) of vectors on disk, of which only what is asked for is read.

    Indexing gives real, C-contiguous arrays that share memory with nothing. Files are read,
    not mapped: pages of a map count as memory of the process until they are dropped, and a
    map of a file that shrinks kills it. Nothing grows with what was read before, so there is
    nothing to drop between reads but the last block of a parquet file. Threads may read at
    once; those that read parquet wait for each other.

    Attributes:
        parts: the files, in the order of their rows.
        shape: (n, d).
        dtype: float16, float32 or float64, in the byte order of this machine: the widest that
            a part needs, so that no value changes. Integers need float32 or float64 as in
            `as_vectors`, bfloat16 needs float32.
        given: the type of what is on disk where all parts agree on it, else `dtype`.
        nbytes: what all rows take on disk, uncompressed, in the types that the files have.
        bytes_in_memory: what all rows would take as one array of `dtype`.
        bytes_read: what the rows handed out so far take on disk, each as often as it was
            handed out: bytes_read / nbytes is how often the data were read.
        seekable: False when rows far apart cost much more than their bytes: in parquet all
            that stands before them in their row group is decoded, and in .npy in Fortran order
            each number is in another place. Read such data in their order where you can.

    Raises:
        VectorError: parts of different dimensions, or not of numbers; a message names the files.
    """

    ndim = 2

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._bounds = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape = (int(self._bounds[-1]), _common_dimension(parts))
        types = [float_type(part.dtype, part.path) for part in parts]
        self.dtype: np.dtype[Any] = np.result_type(*types)
        given = {part.dtype for part in parts}
        self.given = given.pop() if len(given) == 1 else self.dtype
        self.nbytes = sum(part.shape[0] * part.row_bytes for part in parts)
        self.bytes_in_memory = self.shape[0] * self.shape[1] * self.dtype.itemsize
        self.seekable = all(part.seekable for part in parts)
        self.bytes_read = 0
        self._lock = Lock()
        self._held: set[int] = set()

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<StoredVectors {self.shape} {self.dtype} in {len(self.parts)} file(s)>"

    def __getitem__(
        self, rows: int | np.integer[Any] | slice | npt.NDArray[Any] | list[int]
    ) -> npt.NDArray[Any]:
        """Read one row (d,), a slice of rows (m, d), or the rows named (m, d).

        Args:
            rows: a row number, negative ones counting from the end; a slice of step 1; or row
                numbers in any order, repeats allowed.

        Raises:
            RowError: a row that is not there, or anything else than the above.
            VectorError: a 64-bit integer without an exact float64, or lists of numbers in
                parquet that differ in length; the message names file and row.
            DataError: a file changed since it was opened.

        Cost: a slice is read straight into the result. Rows are read in the order of the
            files, those near each other at once: a few microseconds for a row that is far from
            the others, and one block of memory beside the result.
        """
        if isinstance(rows, slice):
            return self._slice(rows)
        if isinstance(rows, int | np.integer):
            number = int(rows) + len(self) if rows < 0 else int(rows)
            row: npt.NDArray[Any] = self[[number]][0]
            return row
        return self._rows(row_numbers(rows, len(self)), self.dtype)

    def take(self, rows: RowNumbers) -> npt.NDArray[Any]:
        """Read rows in the type `given`: integers stay integers. Otherwise as indexing."""
        return self._rows(rows, self.given)

    def whole(self) -> npt.NDArray[Any]:
        """Return all rows as one array: a memory map where one file can be mapped as it is.

        Several files, parquet, integers, bfloat16 and foreign byte orders are read into memory.
        """
        if len(self.parts) == 1 and self.given == self.dtype:
            mapped = self.parts[0].mapped()
            if mapped is not None:
                return mapped
        return self[:]

    def place(self, row: int) -> tuple[Part, int]:
        """Return the part that a row is in, and its number there."""
        owner = int(np.searchsorted(self._bounds, row, side="right")) - 1
        return self.parts[owner], row - int(self._bounds[owner])

    def spread(self, rows: RowNumbers) -> Iterator[tuple[int, slice, RowNumbers]]:
        """Say which of `rows` (k,), which never decrease, are in which part.

        Yields for each part that has any: its position in `parts`, which of `rows` they are,
        and their row numbers in the part.
        """
        cuts = np.searchsorted(rows, self._bounds)
        for owner in np.flatnonzero(np.diff(cuts)).tolist():
            those = slice(int(cuts[owner]), int(cuts[owner + 1]))
            yield owner, those, rows[those] - self._bounds[owner]

    def release(self) -> None:
        """Forget what is held from one read to the next; the next read brings it back."""
        with self._lock:
            held, self._held = self._held, set()
        for owner in held:
            self.parts[owner].release()

    def _slice(self, rows: slice) -> npt.NDArray[Any]:
        first, stop, step = rows.indices(len(self))
        if step != 1:
            raise RowError(f"stored vectors have slices of step 1 only, got {rows}.")
        stop = max(first, stop)
        out = np.empty((stop - first, self.shape[1]), self.dtype)
        begins = np.clip(self._bounds, first, stop)
        for owner in np.flatnonzero(np.diff(begins)).tolist():
            begin, end = int(begins[owner]), int(begins[owner + 1])
            with self._turn_to(owner, end - begin) as part:
                part.fill(begin - int(self._bounds[owner]), out[begin - first : end - first])
        return out

    def _rows(self, rows: RowNumbers, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        out = np.empty((len(rows), self.shape[1]), dtype)
        # Files are read forwards, and into the result itself when that is forwards too.
        order = None if np.all(rows[1:] >= rows[:-1]) else np.argsort(rows, kind="stable")
        step = max(1, _BLOCK_BYTES // max(1, out[:1].nbytes))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            if order is None:
                self._fill_rows(rows[some], out[some])
                continue
            block = np.empty((len(order[some]), self.shape[1]), dtype)
            self._fill_rows(rows[order[some]], block)
            out[order[some]] = block
        return out

    def _fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        for owner, those, local in self.spread(rows):
            with self._turn_to(owner, len(local)) as part:
                part.fill_rows(local, out[those])

    @contextmanager
    def _turn_to(self, owner: int, rows: int) -> Iterator[Part]:
        """Read some rows of a part: count them, and let go of the parts that were read before."""
        part = self.parts[owner]
        with self._lock:
            self.bytes_read += rows * part.row_bytes
            left, self._held = self._held - {owner}, set()
        for other in left:
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
                f"vectors of different lengths: {known[0].path} has {known[0].shape[1]} numbers "
                f"a row, {part.path} has {part.shape[1]}. All files must have the same."
            )
    return known[0].shape[1] if known else 0
