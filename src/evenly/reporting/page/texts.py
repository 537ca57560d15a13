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
from evenly.samples import read_texts
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
    """The texts of a data set, for people; there are none if its rows are vectors only."""

    def __init__(self, prepared: PreparedData) -> None:
        self.texts = _texts_of(prepared)

    def __bool__(self) -> bool:
        return self.texts is not None

    def whole(self, rows: Sequence[int]) -> list[str]:
        """Return the texts of rows as they are, "" without texts."""
        return ["" if self.texts is None else self.texts[row] for row in rows]

    def lengths(self) -> Int[np.ndarray, " n"]:
        """Return the number of characters of each row's text."""
        return np.array([len(text) for text in self.texts or ()], np.int64)

    def of(self, row: int, width: int = _LONGEST) -> str:
        """Return what is shown of the text of a row; "" without texts."""
        return "" if self.texts is None else shown(self.texts[row], width)


def _texts_of(prepared: PreparedData) -> Sequence[str] | None:
    if prepared.pool_texts is not None:
        return prepared.all_texts()
    if not prepared.samples.holds_records:
        return None
    try:
        found = read_texts(prepared.samples, prepared.options.text, prepared.options.roles)
    except (ColumnError, TextError):
        if prepared.embeddings is not None:
            raise
        return None  # records with vectors of their own need no text
    return found.values
