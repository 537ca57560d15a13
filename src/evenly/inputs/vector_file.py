"""Vectors of texts in a temporary file, for as long as a run reads them."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from evenly.atomic import scratch_file
from evenly.embedding import EmbeddingCache
from evenly.errors import OutputError
from evenly.samples import BinaryRows, FileStamp, StoredVectors
from evenly.shapes import Float, Int

log = logging.getLogger("evenly")

_FOLDER = "scratch"


class VectorFile:
    """A temporary file of n vectors, written in any order and then read as `StoredVectors`.

    It is removed with the vectors that are read from it, at the end of the process at the latest;
    that of a killed process by the next one.

    Raises:
        OutputError: no folder can be written, or the disk has too little space.
    """

    def __init__(self, rows: int, dimension: int, cache: EmbeddingCache | None) -> None:
        self._shape = (rows, dimension)
        size = rows * dimension * 4
        self._files = ExitStack()
        self._stream, self._path = self._open(cache)
        free = shutil.disk_usage(self._path.parent).free
        if size > free:
            self.discard()
            raise OutputError(
                f"{rows:,} vectors of {dimension} numbers need {size / 1e9:.1f} GB in "
                f"{self._path.parent}, where {free / 1e9:.1f} GB are free. Free some space, name "
                "another cache folder, or allow more memory."
            )
        log.info(
            "%s vectors of %d numbers go to a temporary file of %.2f GB in %s",
            f"{rows:,}",
            dimension,
            size / 1e9,
            self._path.parent,
        )
        with self._one_error():
            self._stream.truncate(size)

    def _open(self, cache: EmbeddingCache | None) -> tuple[Any, Path]:
        try:
            return self._files.enter_context(scratch_file(scratch_folder(cache)))
        except OSError:
            folder = scratch_folder(None)
        try:
            return self._files.enter_context(scratch_file(folder))
        except OSError as error:
            raise OutputError(f"cannot write to {folder}: {error.strerror or error}.") from error

    def write(self, rows: Int[np.ndarray, " m"], vectors: Float[np.ndarray, "m d"]) -> None:
        """Write the vectors of some rows, which ascend; neighbouring ones at once."""
        data = np.ascontiguousarray(vectors, np.float32)
        ends = np.append(np.flatnonzero(np.diff(rows) != 1) + 1, len(rows))
        begin = 0
        with self._one_error():
            for end in ends.tolist():
                self._stream.seek(int(rows[begin]) * self._shape[1] * 4)
                self._stream.write(data[begin:end].reshape(-1).view(np.uint8).data)
                begin = end

    def finish(self) -> StoredVectors:
        """Return the vectors, read from the file; those that were not written are 0."""
        with self._one_error():
            self._stream.flush()
        stamp = FileStamp.of(str(self._path))
        rows = BinaryRows(stamp, self._shape, np.dtype(np.float32), offset=0)
        stored = StoredVectors([rows], hash_blocks=True)  # as arrays of vectors are hashed
        weakref.finalize(stored, _remove, self._files, os.getpid())
        return stored

    def discard(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # a full disk again, for what was not written yet
            self._files.close()

    @contextlib.contextmanager
    def _one_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            size = self._shape[0] * self._shape[1] * 4
            raise OutputError(
                f"cannot write {self._path}: {error.strerror or error}. The vectors need "
                f"{size / 1e6:,.1f} MB there until the run ends. Free some space, name another "
                "cache folder, or allow more memory."
            ) from error


def _remove(files: ExitStack, process: int) -> None:
    if os.getpid() == process:  # and not a fork of it
        files.close()


def scratch_folder(cache: EmbeddingCache | None) -> Path:
    """Return where temporary vectors go: beside the cache, or else the system's folder for them."""
    return Path(tempfile.gettempdir()) if cache is None else cache.folder / _FOLDER
