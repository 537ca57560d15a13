"""Tokens of texts, word by word: each word is tokenised once, however many texts it is in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from evenly.embedding.pieces import Cutter

# Characters of words whose tokens are kept, for about 20 bytes each.
_KEPT_CHARACTERS = 1 << 21


class WordTokens:
    """The tokens of words that texts are cut into, kept for the next texts.

    Args:
        tokenizer: of `tokenizers`.
        cutter: where texts can be cut; None if they cannot, so that each is one word.
        kept_characters: all words are forgotten if they have more characters than these.
    """

    def __init__(
        self, tokenizer: Any, cutter: Cutter | None, kept_characters: int = _KEPT_CHARACTERS
    ) -> None:
        self._tokenizer, self._cutter = tokenizer, cutter
        self._most = kept_characters
        self._known: dict[str, bytes] = {}
        self._characters = 0

    def of(self, texts: Sequence[str]) -> list[bytes]:
        """Return the tokens of each text: int32 numbers, one after the other."""
        words = [[text] if self._cutter is None else self._cutter.words(text) for text in texts]
        if self._characters > self._most:
            self._known, self._characters = {}, 0
        new = list(set(chain.from_iterable(words)).difference(self._known))
        found = self._tokenizer.encode_batch(new, add_special_tokens=False)
        for word, tokens in zip(new, found, strict=True):
            self._known[word] = np.array(tokens.ids, np.int32).tobytes()
        self._characters += sum(map(len, new))
        known = self._known.__getitem__
        return [b"".join(map(known, some)) for some in words]
