"""The texts of a data set: read one after the other, and kept until they are embedded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evenly.embedding import NO_KEY, HashedTexts, as_short_keys, short_key
from evenly.inputs.kept_texts import KeptTexts
from evenly.inputs.memory_plan import room_for_texts
from evenly.options import InputOptions
from evenly.progress import new_bar
from evenly.samples import RowTexts, Samples, open_texts
from evenly.shapes import Bool, Int32, UInt64


@dataclass(frozen=True, eq=False)
class PoolTexts:
    """What is known of the texts of a data set after they were read once.

    Attributes:
        source: reads them again.
        kept: all of them until they are embedded, if there is room; None for no texts.
        keys: (n, 2) the short key of each text; 0 for an invalid row.
        lengths: (n,) characters of each text; 0 for an invalid row.
        invalid: row number -> why it has no text.
    """

    source: RowTexts
    kept: KeptTexts | None
    keys: UInt64[np.ndarray, "n 2"]
    lengths: Int32[np.ndarray, " n"]
    invalid: dict[int, str]

    def read(self) -> Iterator[str]:
        """Yield the text of each row, "" for invalid rows."""
        if self.kept is not None and self.kept.complete:
            return iter(self.kept)
        return self.source.texts()

    def hashed(self, usable: Bool[np.ndarray, " n"]) -> HashedTexts:
        """Return the texts of some rows as they are embedded."""
        return HashedTexts(self.keys, usable, self.read)


def read_pool_texts(samples: Samples, options: InputOptions, *, keep: bool = True) -> PoolTexts:
    """Read the text of each row once, and keep it for embedding if wanted.

    Raises:
        ColumnError, TextError, OptionError: as in `read_texts`.
    """
    source = open_texts(samples, options.text, options.roles)
    kept = KeptTexts(room_for_texts(len(samples), options)) if keep else None
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
            kept.add(text)
    return PoolTexts(source, kept, as_short_keys(keys), lengths, invalid)
