"""Counts the tokens of texts with the encoder's tokenizer or another one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from evenly.embedding.hub import hub_tokenizer
from evenly.embedding.load import find_model
from evenly.embedding.offline import MINILM, packaged_minilm
from evenly.embedding.pieces import cutter_of, in_pieces
from evenly.embedding.sentence_transformer import token_lengths
from evenly.embedding.static import STATIC, static_files
from evenly.errors import EncoderError, EvenlyError, ModelNotFoundError, OptionError
from evenly.options import DEFAULT_ENCODER
from evenly.paths import expand
from evenly.progress import new_bar
from evenly.shapes import Int

_TEXTS_PER_BATCH = 2048
_TOKENIZER_JSON = "tokenizer.json"


@dataclass(frozen=True)
class TokenCounter:
    """A tokenizer, reduced to counting tokens.

    Attributes:
        name: name of the tokenizer in errors.
        lengths: returns the number of tokens of each text, without special tokens.
    """

    name: str
    lengths: Callable[[list[str]], Sequence[int]] = field(repr=False)


def count_tokens(
    texts: Iterable[str], tokenizer: TokenCounter, *, total: int, progress: bool | None = None
) -> Int[np.ndarray, " n"]:
    """Return the number of tokens of each of `total` whole texts, without special tokens.

    Raises:
        EncoderError: the tokenizer failed, or did not return one number of tokens per text.
    """
    counts, left = np.zeros(total, np.int64), iter(texts)
    with new_bar(total=total, desc="counting tokens", unit="text", shown=progress) as bar:
        for begin in range(0, total, _TEXTS_PER_BATCH):
            part = list(itertools.islice(left, _TEXTS_PER_BATCH))
            counts[begin : begin + len(part)] = _lengths(tokenizer, part)
            bar.update(len(part))
    return counts


def _lengths(tokenizer: TokenCounter, texts: list[str]) -> Int[np.ndarray, " m"]:
    try:
        found = np.asarray(tokenizer.lengths(texts))
    except (EvenlyError, MemoryError):
        raise
    except Exception as error:
        raise EncoderError(
            f"the tokenizer {tokenizer.name} failed with {type(error).__name__}: {error}"
        ) from error
    if found.shape != (len(texts),) or found.dtype.kind not in "iu" or found.min(initial=0) < 0:
        raise EncoderError(
            f"the tokenizer {tokenizer.name} must return one number of tokens, or one list of "
            f"tokens, per text; it returned {found[:3]!r}."
        )
    return found.astype(np.int64)


def load_tokenizer(
    tokenizer: Any = None, *, encoder: Any = DEFAULT_ENCODER, backend: str = "torch"
) -> TokenCounter:
    """Load a tokenizer without loading a model.

    Args:
        tokenizer: the name of a model on the Hugging Face hub, a folder or a tokenizer.json; a
            tokenizer of `transformers`, `tokenizers` or `tiktoken`; or a function of a text
            that returns its tokens or their number. None uses the encoder's tokenizer.
        encoder: an encoder as in `load_encoder`.
        backend: the encoder's backend.

    Raises:
        OptionError: `tokenizer` is of another type, or the encoder has no tokenizer.
        ModelNotFoundError: the tokenizer could not be found or downloaded.
    """
    if isinstance(tokenizer, str | os.PathLike):
        return _from_name(os.fspath(tokenizer))
    if tokenizer is not None:
        found = _from_object(tokenizer)
        if found is None:
            raise OptionError(
                "tokenizer must be a model name, a path, a tokenizer or a function of a text, got "
                f"{type(tokenizer).__name__}: {tokenizer!r}."
            )
        return found
    if isinstance(encoder, str) and encoder == STATIC:
        return _from_file(static_files()[1], STATIC)
    if isinstance(encoder, str | os.PathLike):
        name, folder = find_model(encoder, backend)
        return _from_folder(folder, name)
    own = _from_object(getattr(encoder, "tokenizer", None))
    if own is None:
        raise OptionError(
            f"the encoder {type(encoder).__name__} has no tokenizer to count tokens with. Give "
            "the cost of each row, costs=…, or a tokenizer, tokenizer=…"
        )
    return own


def _from_name(name: str) -> TokenCounter:
    path = Path(expand(name, OptionError))
    if path.is_file():
        return _from_file(path, name)
    if path.is_dir():
        return _from_folder(path, name)
    if name == STATIC:
        return _from_file(static_files()[1], STATIC)
    if name in (DEFAULT_ENCODER, MINILM) and (packaged := packaged_minilm()) is not None:
        return _from_folder(packaged, MINILM)
    return _from_folder(hub_tokenizer(name), name)


def _from_folder(folder: Path, name: str) -> TokenCounter:
    # sentence-transformers may save it one folder below, with the first module.
    files = [folder / _TOKENIZER_JSON, *sorted(folder.glob(f"*/{_TOKENIZER_JSON}"))]
    for file in files:
        if file.is_file():
            return _from_file(file, name)
    try:
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise ModelNotFoundError(
            f"no tokenizer could be loaded from {folder} ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}). It must hold a tokenizer.json, "
            "or what AutoTokenizer of transformers reads."
        ) from None
    return _from_transformers(loaded, name)


def _from_file(file: Path, name: str) -> TokenCounter:
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:
        raise ModelNotFoundError(f"{file} is not a valid tokenizer.json: {error}.") from None
    return _from_tokenizers(loaded, name)


def _from_tokenizers(tokenizer: Any, name: str) -> TokenCounter:
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def lengths(texts: list[str]) -> list[int]:
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        return [len(one.ids) for one in encoded]

    return _in_pieces(name, lengths, tokenizer)


def _from_transformers(tokenizer: Any, name: str) -> TokenCounter:
    lengths = partial(token_lengths, tokenizer, special_tokens=False)
    return _in_pieces(name, lengths, getattr(tokenizer, "backend_tokenizer", None))


def _in_pieces(
    name: str, lengths: Callable[[list[str]], Sequence[int]], tokenizer: Any
) -> TokenCounter:
    """Count the tokens of long texts in pieces, as a tokenizer of `tokenizers` allows."""
    cutter = cache(lambda: None if tokenizer is None else cutter_of(tokenizer))

    def summed(texts: list[str]) -> list[int]:
        counts = [0] * len(texts)
        for group in in_pieces(texts, cutter):
            found = lengths([piece for _, piece in group])
            for (number, _), count in zip(group, found, strict=True):
                counts[number] += count
        return counts

    return TokenCounter(name, summed)


def _from_object(tokenizer: Any) -> TokenCounter | None:
    name = type(tokenizer).__name__
    if hasattr(tokenizer, "model_input_names"):
        return _from_transformers(tokenizer, name)
    if hasattr(tokenizer, "encode_batch") and hasattr(tokenizer, "to_str"):
        # A copy, because counting changes its settings.
        return _from_tokenizers(type(tokenizer).from_str(tokenizer.to_str()), name)
    if hasattr(tokenizer, "encode_ordinary"):
        return TokenCounter(name, lambda texts: [len(tokenizer.encode_ordinary(t)) for t in texts])
    if callable(tokenizer):
        name = getattr(tokenizer, "__name__", name)
        return TokenCounter(name, lambda texts: [_count(tokenizer(text)) for text in texts])
    return None


def _count(tokens: Any) -> Any:
    return len(tokens) if hasattr(tokens, "__len__") and not isinstance(tokens, str) else tokens
