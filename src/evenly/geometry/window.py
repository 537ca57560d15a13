"""Consecutive rows of vectors, which may be on disk."""

from __future__ import annotations

from typing import Any

import numpy as np


def window(stored: Any, rows: slice) -> Any:
    """Return consecutive rows of an array; of one on disk, nothing is read yet."""
    return stored[rows] if isinstance(stored, np.ndarray) else _Window(stored, rows)


class _Window:
    """Consecutive rows of an array that is read by slices and row numbers."""

    def __init__(self, stored: Any, rows: slice) -> None:
        self._stored, self._first = stored, rows.start
        self.shape, self.dtype = (rows.stop - rows.start, stored.shape[1]), stored.dtype
        self.nbytes = self.shape[0] * self.shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: Any) -> np.ndarray[Any, Any]:
        if isinstance(rows, slice):
            begin, end, step = rows.indices(len(self))
            rows = slice(begin + self._first, end + self._first, step)
        else:
            rows = np.asarray(rows) + self._first
        taken: np.ndarray[Any, Any] = self._stored[rows]
        return taken
