"""Hashes of arrays, block by block, so that the blocks can be hashed in different places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hashlib import _Hash

HASHED_ROWS = 4096
"""Rows of an array that are hashed together."""


def feed_array(digest: _Hash, array: Any) -> None:
    """Add the dtype, the shape and the hashes of all blocks of rows of an array to a hash.

    An array that is elsewhere or on disk has a method `block_hashes` of its own.
    """
    digest.update(f"{array.dtype.str} {array.shape}\n".encode())
    own = getattr(array, "block_hashes", None)
    for one in block_hashes(array) if own is None else own():
        digest.update(one)


def block_hashes(array: Any, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the hash of the bytes of each block of HASHED_ROWS rows, from one row to another."""
    end = len(array) if end is None else end
    for start in range(begin, end, HASHED_ROWS):
        part = np.ascontiguousarray(array[start : min(start + HASHED_ROWS, end)])
        yield hashlib.sha256(part.reshape(-1).view(np.uint8).data).digest()
