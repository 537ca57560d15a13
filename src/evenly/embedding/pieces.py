"""Very long texts in pieces, whose tokens are together those of the whole text.

Tokenising takes about a hundred bytes of memory for each character. So long texts are cut where a
tokenizer certainly begins a new token, whatever stands before and after; the description of the
tokenizer must prove that, or the text stays whole. All that can make tokens depend on text
farther away is excluded: normalisation, the splitting into words, merges within words, and added
tokens, which are found before everything else.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LONG = 1 << 16
"""Characters from which a text is cut, and the least of a piece."""

# Characters that are tokenised at once.
_AT_ONCE = 1 << 18
_SPACE = "▁"
_WHITE = " \t\n\r"
# Chinese characters, and their commas and full stops.
_CHINESE = "\u4e00-\u9fff"
_WIDE_PUNCTUATION = "\u3001\u3002\uff0c"
_COLLAPSING_SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


@dataclass(frozen=True)
class Cutter:
    """Where the texts of one tokenizer can be cut.

    Attributes:
        boundary: matches at the end of a piece.
        dropped: how many characters after the boundary the next piece leaves out, because the
            tokenizer puts the same before every text.
        repeats: matches runs of characters that make the same tokens if only the groups are left;
            None if there are none.
    """

    boundary: re.Pattern[str]
    dropped: int = 0
    repeats: re.Pattern[str] | None = None

    def pieces(self, text: str, size: int = LONG) -> Iterator[str]:
        """Yield the pieces of a text, each of at least `size` characters but the last."""
        if self.repeats is not None:
            text = self.repeats.sub(r"\1\2", text)
        begin = 0
        while len(text) - begin > size:
            end = self.boundary.search(text, begin + size)
            if end is None:
                break
            yield text[begin : end.start()]
            begin = end.start() + self.dropped
        yield text[begin:]

    def words(self, text: str) -> list[str]:
        """Return the smallest pieces of a text; the whole text if they keep their boundaries."""
        return self.boundary.split(text) if self.dropped else [text]


def in_pieces(
    texts: Sequence[str], cutter: Callable[[], Cutter | None]
) -> Iterator[list[tuple[int, str]]]:
    """Yield the numbers and the pieces of texts, in order, as many as are tokenised at once.

    `cutter` is called if a text is long.
    """
    group: list[tuple[int, str]] = []
    size = 0
    for number, text in enumerate(texts):
        own = cutter() if len(text) > LONG else None
        for piece in [text] if own is None else own.pieces(text):
            if group and size + len(piece) > _AT_ONCE:
                yield group
                group, size = [], 0
            group.append((number, piece))
            size += len(piece)
    if group:
        yield group


def cutter_of(tokenizer: Any) -> Cutter | None:
    """Return where a tokenizer of `tokenizers` lets texts be cut; None if that is uncertain."""
    described = json.loads(tokenizer.to_str())
    added = described["added_tokens"]
    normalizer, splitter = described["normalizer"] or {}, described["pre_tokenizer"] or {}
    model = described["model"]
    kinds = tuple(part.get("type") for part in (normalizer, splitter, model))
    if kinds == ("BertNormalizer", "BertPreTokenizer", "WordPiece"):
        return _of_bert(normalizer, model, [token["content"] for token in added])
    if not all(_stands_apart(token) for token in added) or model.get("dropout"):
        return None
    if splitter.get("type") == "ByteLevel" and splitter.get("use_regex", True):
        return Cutter(_before_a_word()) if kinds[0] in (None, "NFC") else None
    ends = "".join({token["content"][-1] for token in added})
    if _is_llama(normalizer, splitter, model) or _is_metaspace(normalizer, splitter):
        return Cutter(_before_a_word(ends), dropped=1)
    return None


def _of_bert(normalizer: dict[str, Any], model: dict[str, Any], added: list[str]) -> Cutter | None:
    """Cut before white space, punctuation and Chinese characters, which always end a word.

    They are not combining characters, so normalisation does not look across the cut. An added token
    is not cut, because only its first character can be a boundary.

    A word of more than `max_input_chars_per_word` characters is one unknown token, however long
    it is, and white space is none.
    """
    inside = {character for token in added for character in token[1:]}
    marks = set(_WHITE + string.punctuation + _WIDE_PUNCTUATION) - inside
    chinese = normalizer["handle_chinese_chars"] and not any(map(_is_chinese, inside))
    known = f"[{re.escape(''.join(sorted(marks)))}{_CHINESE if chinese else ''}]"
    repeats = None
    # An added token must not begin or end within what is left out.
    ends = {character for token in added for character in (token[0], token[-1])}
    if not any(map(str.isalnum, ends)) and not any(map(str.isspace, inside | ends)):
        most = int(model["max_input_chars_per_word"]) + 1
        repeats = re.compile(rf"([0-9A-Za-z]{{{most}}})[0-9A-Za-z]+|([{_WHITE}])[{_WHITE}]+")
    return Cutter(re.compile(known), repeats=repeats) if marks else None


def _is_chinese(character: str) -> bool:
    return re.fullmatch(f"[{_CHINESE}]", character) is not None


def _before_a_word(not_after: str = "") -> re.Pattern[str]:
    """Cut at a single space before a letter, which every such tokenizer puts before the word."""
    return re.compile(rf"(?<=[^\s{re.escape(not_after)}]) (?=[A-Za-z])")


def _stands_apart(token: dict[str, Any]) -> bool:
    """Whether an added token neither begins a word, holds a space nor takes in those around it."""
    content = token["content"]
    return (
        not (token["single_word"] or token["rstrip"] or token["lstrip"])
        and not content[0].isalnum()
        and not any(character.isspace() for character in content)
    )


def _is_llama(normalizer: dict[str, Any], splitter: dict[str, Any], model: dict[str, Any]) -> bool:
    """Whether merges are over the whole text, but none takes in a space after something else."""
    steps = [
        {"type": "Prepend", "prepend": _SPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
    ]
    return (
        normalizer.get("normalizers") == steps
        and not splitter
        and model["type"] == "BPE"
        and not model.get("ignore_merges")
        and _SPACE in model["vocab"]
        and not any(re.search(f"[^{_SPACE}]{_SPACE}", token) for token in model["vocab"])
    )


def _is_metaspace(normalizer: dict[str, Any], splitter: dict[str, Any]) -> bool:
    """Whether words are split at spaces, and get their space back whatever they begin."""
    *before, last = splitter.get("pretokenizers", [splitter])
    steps = normalizer.get("normalizers", [normalizer] if normalizer else [])
    return (
        all(one.get("type") == "WhitespaceSplit" for one in before)
        and last.get("type") == "Metaspace"
        and last.get("replacement") == _SPACE
        and last.get("prepend_scheme") == "always"
        and last.get("split", True)
        and all(
            one.get("type") in ("Precompiled", "NFKC", "Strip") or one == _COLLAPSING_SPACES
            for one in steps
        )
    )
