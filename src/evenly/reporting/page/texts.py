"""Texts of rows as a page shows them: on one line, shortened, and with nothing that acts.

Markup is made harmless where the page is written (by Jinja's escaping, and in JSON). Here are the
characters that would act in plain text, too: control characters, and those that change the
direction of what follows, are shown by their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from evenly.errors import ColumnError, TextError
from evenly.inputs.prepare import PreparedData
from evenly.samples import open_texts
from evenly.shapes import Int

# Controls, marks of direction, line separators, tags, and halves of characters.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_LONGEST = 300


def shown(text: object, width: int = _LONGEST) -> str:
    """Return a text on one line, shortened to `width` characters, with its controls spelled out."""
    # A row may be very long, so only what can be shown of it is read.
    beginning = str(text)[: 4 * width]
    line = _ACTING.sub(_spelled, " ".join(beginning.split()))
    is_whole = len(line) <= width and len(beginning) == len(str(text))
    return line if is_whole else line[: width - 1].rstrip() + "…"


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class RowTexts:
    """The texts of a data set, for people; there are none if its rows are vectors only.

    Only the texts that are shown are read, and only what is shown of them is kept.
    """

    def __init__(self, prepared: PreparedData) -> None:
        self._prepared = prepared
        self._lengths = _lengths_of(prepared)
        self._beginnings: dict[int, str] = {}

    def __bool__(self) -> bool:
        return self._lengths is not None

    def lengths(self) -> Int[np.ndarray, " n"]:
        """Return the number of characters of each row's text."""
        return np.empty(0, np.int64) if self._lengths is None else self._lengths

    def beginnings(self, rows: Sequence[int], characters: int) -> list[str]:
        """Return how the texts of rows begin, in so many characters; "" without texts."""
        if not self:
            return [""] * len(rows)
        return [text[:characters] for text in self._prepared.texts_of(rows)]

    def read(self, rows: Sequence[int]) -> None:
        """Read the texts of rows that will be shown one by one, all at once."""
        new = [row for row in dict.fromkeys(rows) if row not in self._beginnings]
        self._beginnings.update(zip(new, self.beginnings(new, 4 * _LONGEST + 1), strict=True))

    def of(self, row: int, width: int = _LONGEST) -> str:
        """Return what is shown of the text of a row; "" without texts."""
        self.read([row])
        return shown(self._beginnings[row], width)


def _lengths_of(prepared: PreparedData) -> Int[np.ndarray, " n"] | None:
    if prepared.pool_texts is not None:
        return prepared.pool_texts.lengths
    if not prepared.samples.holds_records:
        return None
    try:
        texts = open_texts(prepared.samples, prepared.options.text, prepared.options.roles)
        return np.fromiter(map(len, texts.texts()), np.int64, len(prepared))
    except (ColumnError, TextError):
        if prepared.embeddings is not None:
            raise
        return None  # records with vectors of their own need no text
