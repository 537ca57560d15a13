"""Tokens of texts, word by word: each word is tokenised once, however many texts it is in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from evenly.embedding.pieces import Cutter

# Bytes that words and their tokens take, about: two objects with their place in a dictionary, and
# what they consist of for each character.
_KEPT_BYTES, _BYTES_A_WORD, _BYTES_A_CHARACTER = 1 << 26, 180, 2


class WordTokens:
    """The tokens of words that texts are cut into, kept for the next texts.

    Args:
        tokenizer: of `tokenizers`.
        cutter: where texts can be cut; None if they cannot, so that each is one word.
        kept_bytes: all words are forgotten when they have reached this size.
    """

    def __init__(
        self, tokenizer: Any, cutter: Cutter | None, kept_bytes: int = _KEPT_BYTES
    ) -> None:
        self._tokenizer, self._cutter = tokenizer, cutter
        self._most = kept_bytes
        self._known: dict[str, bytes] = {}
        self._size = 0

    def of(self, texts: Sequence[str]) -> list[bytes]:
        """Return the tokens of each text: int32 numbers, one after the other."""
        words = [[text] if self._cutter is None else self._cutter.words(text) for text in texts]
        if self._size >= self._most:
            self._known, self._size = {}, 0
        new = list(set(chain.from_iterable(words)).difference(self._known))
        found = self._tokenizer.encode_batch(new, add_special_tokens=False)
        for word, tokens in zip(new, found, strict=True):
            self._known[word] = np.array(tokens.ids, np.int32).tobytes()
        self._size += _BYTES_A_WORD * len(new) + _BYTES_A_CHARACTER * sum(map(len, new))
        known = self._known.__getitem__
        return [b"".join(map(known, some)) for some in words]
