"""The texts of a pool by their hashes: which are equal is known without keeping any of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evenly.shapes import Bool, Int, UInt64

KEY_BYTES = 32
_SHORT_BYTES = 16
NO_KEY = bytes(_SHORT_BYTES)
"""Stands for the short key of a row without a text."""


def text_key(text: str) -> bytes:
    """Return the 32-byte hash that identifies a text."""
    # JSON can hold lone surrogates, which strict UTF-8 cannot encode.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def short_key(text: str) -> bytes:
    """Return the first half of a text's hash, which is kept for every row."""
    return text_key(text)[:_SHORT_BYTES]


def as_short_keys(keys: bytes | bytearray | np.ndarray) -> UInt64[np.ndarray, "m 2"]:
    """Return short keys, one after the other in bytes, or of whole keys (m, 32), as numbers."""
    if isinstance(keys, np.ndarray):
        return np.ascontiguousarray(keys[:, :_SHORT_BYTES]).view(np.uint64)
    return np.frombuffer(keys, np.uint64).reshape(-1, 2)


def first_of_equals(
    keys: UInt64[np.ndarray, "n 2"], order: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " n"]:
    """Return, for every row, the first row in an order with the same key.

    A row that the order leaves out is its own.
    """
    first, some = np.arange(len(keys)), keys[order]
    by_key = np.lexsort((some[:, 1], some[:, 0]))  # stable: of equal ones, the first comes first
    some, rows = some[by_key], order[by_key]
    begins = np.ones(len(rows), bool)
    begins[1:] = (some[1:] != some[:-1]).any(axis=1)
    first[rows] = rows[begins][np.cumsum(begins) - 1]
    return first


@dataclass(frozen=True, eq=False)
class HashedTexts:
    """n texts that can be read again and again, with the hashes by which they are compared.

    Attributes:
        keys: (n, 2) the short key of each text; anything for a row without one.
        usable: (n,) whether the row has a text.
        read: returns the n texts in their order; anything for a row without one.
    """

    keys: UInt64[np.ndarray, "n 2"]
    usable: Bool[np.ndarray, " n"]
    read: Callable[[], Iterable[str]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> HashedTexts:
        """Return the texts of a sequence, all usable."""
        keys = as_short_keys(b"".join(map(short_key, texts)))
        return cls(keys, np.ones(len(texts), bool), lambda: texts)

    def __len__(self) -> int:
        return len(self.usable)

    @cached_property
    def first(self) -> Int[np.ndarray, " n"]:
        """(n,) the first row with the same text; the row itself if it has no text."""
        return first_of_equals(self.keys, np.flatnonzero(self.usable))

    @cached_property
    def distinct(self) -> Int[np.ndarray, " m"]:
        """(m,) the rows whose text occurs in no earlier row."""
        return np.flatnonzero(self.usable & (self.first == np.arange(len(self))))

    @cached_property
    def _repeats(self) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " r"]]:
        """The rows whose text occurs before, sorted by the first row of the text, and that row."""
        rows = np.flatnonzero(self.first != np.arange(len(self)))
        rows = rows[np.argsort(self.first[rows], kind="stable")]
        return rows, self.first[rows]

    def all_rows(
        self, distinct: Int[np.ndarray, " m"]
    ) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " r"]]:
        """Return all rows with the texts of some distinct rows, ascending, and of which each is.

        The second array holds positions in `distinct`.
        """
        repeats, originals = self._repeats
        begins, ends = (np.searchsorted(originals, distinct, side) for side in ("left", "right"))
        counts = ends - begins
        places = np.repeat(np.arange(len(distinct)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.concatenate([distinct, repeats[begins[places] + within]])
        order = np.argsort(rows)
        return rows[order], np.concatenate([np.arange(len(distinct)), places])[order]
