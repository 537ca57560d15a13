"""The texts of a data set: read one after the other, and kept only as long as they are few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evenly.embedding import NO_KEY, HashedTexts, as_short_keys, short_key
from evenly.memory import free_memory, memory_bytes
from evenly.options import InputOptions
from evenly.progress import new_bar
from evenly.samples import RowTexts, Samples, open_texts
from evenly.shapes import Bool, Int32, UInt64

# The share of the memory in which texts are kept, so that files are parsed once less.
_SHARE = 1 / 16
# What a string takes beside its characters.
_BYTES_A_TEXT = 64


@dataclass(frozen=True, eq=False)
class PoolTexts:
    """What is known of the texts of a data set after they were read once.

    Attributes:
        source: reads them again.
        kept: all of them, if they are small; None otherwise.
        keys: (n, 2) the short key of each text; 0 for an invalid row.
        lengths: (n,) characters of each text; 0 for an invalid row.
        invalid: row number -> why it has no text.
    """

    source: RowTexts
    kept: list[str] | None
    keys: UInt64[np.ndarray, "n 2"]
    lengths: Int32[np.ndarray, " n"]
    invalid: dict[int, str]

    def read(self) -> Iterator[str]:
        """Yield the text of each row, "" for invalid rows."""
        return iter(self.kept) if self.kept is not None else self.source.texts()

    def hashed(self, usable: Bool[np.ndarray, " n"]) -> HashedTexts:
        """Return the texts of some rows as they are embedded."""
        return HashedTexts(self.keys, usable, self.read)


def read_pool_texts(samples: Samples, options: InputOptions) -> PoolTexts:
    """Read the text of each row once.

    Raises:
        ColumnError, TextError, OptionError: as in `read_texts`.
    """
    source = open_texts(samples, options.text, options.roles)
    allowed = memory_bytes(options.memory)
    room = _SHARE * (free_memory() / 2 if allowed is None else allowed)
    kept: list[str] | None = []
    keys = bytearray()
    lengths = np.zeros(len(samples), np.int32)
    invalid: dict[int, str] = {}
    found = new_bar(source.read(), "reading", len(samples), unit="row", shown=options.progress)
    for row, (text, reason) in enumerate(found):
        lengths[row] = len(text)
        if reason:
            invalid[row] = reason
            keys += NO_KEY
        else:
            keys += short_key(text)
        if kept is not None:
            kept.append(text)
            room -= len(text) + _BYTES_A_TEXT
            if room < 0:
                kept = None
    return PoolTexts(source, kept, as_short_keys(keys), lengths, invalid)
