"""How many tokens texts have, by the encoder's tokenizer or another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from evenly.embedding.hub import hub_tokenizer
from evenly.embedding.load import DEFAULT_ENCODER, find_model
from evenly.embedding.offline import MINILM, packaged_minilm
from evenly.embedding.static import STATIC, static_files
from evenly.errors import EncoderError, EvenlyError, ModelNotFoundError, OptionError

if TYPE_CHECKING:
    from jaxtyping import Int

__all__ = ["TokenCounter", "count_tokens", "load_tokenizer"]

_TEXTS_AT_ONCE = 2048
_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TokenCounter:
    """A tokenizer, as all that is asked of it here.

    Attributes:
        name: what to call it in errors.
        lengths: of some texts, how many tokens each has, special tokens not counted.
    """

    name: str
    lengths: Callable[[list[str]], Sequence[int]] = field(repr=False)


def count_tokens(
    texts: Sequence[str], tokenizer: TokenCounter, *, progress: bool | None = None
) -> Int[np.ndarray, " n"]:
    """How many tokens each text has, nothing cut off and special tokens not counted.

    Raises:
        EncoderError: the tokenizer failed, or did not give a number of tokens for each text.
    """
    counts = np.zeros(len(texts), np.int64)
    hidden = not progress if progress is not None else None
    with tqdm(total=len(texts), desc="counting tokens", unit="text", disable=hidden) as bar:
        for begin in range(0, len(texts), _TEXTS_AT_ONCE):
            part = list(texts[begin : begin + _TEXTS_AT_ONCE])
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
            f"the tokenizer {tokenizer.name} failed: {type(error).__name__}: {error}"
        ) from error
    if found.shape != (len(texts),) or found.dtype.kind not in "iu" or found.min(initial=0) < 0:
        raise EncoderError(
            f"the tokenizer {tokenizer.name} must give one number of tokens, or one list of "
            f"tokens, for each text; it gave {found[:3]!r}."
        )
    return found.astype(np.int64)


def load_tokenizer(
    tokenizer: Any = None, *, encoder: Any = DEFAULT_ENCODER, backend: str = "torch"
) -> TokenCounter:
    """Find a tokenizer; no model is loaded for it.

    Args:
        tokenizer: the name of a model on the Hugging Face hub, a folder or a tokenizer.json; a
            tokenizer of `transformers`, `tokenizers` or `tiktoken`; a function of a text that
            returns its tokens or how many there are. None for the encoder's own.
        encoder: as for `load_encoder`.
        backend: of the encoder.

    Raises:
        OptionError: it is none of these, or the encoder has no tokenizer.
        ModelNotFoundError: it is neither on this machine nor to be had from the hub.
    """
    if tokenizer is not None:
        if isinstance(tokenizer, str | os.PathLike):
            return _named(tokenizer)
        found = _of_object(tokenizer)
        if found is None:
            raise OptionError(
                "tokenizer must be a name, a path, a tokenizer or a function of a text, got "
                f"{type(tokenizer).__name__}: {tokenizer!r}."
            )
        return found
    if isinstance(encoder, str) and encoder == STATIC:
        return _of_file(static_files()[1], STATIC)
    if isinstance(encoder, str | os.PathLike):
        name, folder = find_model(encoder, backend)
        return _of_folder(folder, name)
    own = _of_object(getattr(encoder, "tokenizer", None))
    if own is None:
        raise OptionError(
            f"the encoder {type(encoder).__name__} has no tokenizer to count tokens with. Say what "
            "each row costs, costs=…, or how to count, tokenizer=…"
        )
    return own


def _named(tokenizer: str | os.PathLike[str]) -> TokenCounter:
    given = os.fspath(tokenizer)
    path = Path(given).expanduser()
    if path.is_file():
        return _of_file(path, given)
    if path.is_dir():
        return _of_folder(path, given)
    if given == STATIC:
        return _of_file(static_files()[1], STATIC)
    if given in (DEFAULT_ENCODER, MINILM) and (packaged := packaged_minilm()) is not None:
        return _of_folder(packaged, MINILM)
    return _of_folder(hub_tokenizer(given), given)


def _of_folder(folder: Path, name: str) -> TokenCounter:
    # Models of sentence-transformers may keep it one folder below, with their first module.
    files = [folder / _FILE, *sorted(folder.glob(f"*/{_FILE}"))]
    for file in files:
        if file.is_file():
            return _of_file(file, name)
    try:
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise ModelNotFoundError(
            f"no tokenizer could be loaded from {folder} ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''})."
        ) from None
    return TokenCounter(name, lambda texts: _by_transformers(loaded, texts))


def _of_file(file: Path, name: str) -> TokenCounter:
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:
        raise ModelNotFoundError(f"{file} is no tokenizer: {error}.") from None
    return _of_tokenizers(loaded, name)


def _of_tokenizers(tokenizer: Any, name: str) -> TokenCounter:
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def lengths(texts: list[str]) -> list[int]:
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        return [len(one.ids) for one in encoded]

    return TokenCounter(name, lengths)


def _of_object(tokenizer: Any) -> TokenCounter | None:
    name = type(tokenizer).__name__
    if hasattr(tokenizer, "model_input_names"):
        return TokenCounter(name, lambda texts: _by_transformers(tokenizer, texts))
    if hasattr(tokenizer, "encode_batch") and hasattr(tokenizer, "to_str"):
        # A copy, whose settings may be changed.
        return _of_tokenizers(type(tokenizer).from_str(tokenizer.to_str()), name)
    if hasattr(tokenizer, "encode_ordinary"):
        return TokenCounter(name, lambda texts: [len(tokenizer.encode_ordinary(t)) for t in texts])
    if callable(tokenizer):
        name = getattr(tokenizer, "__name__", name)
        return TokenCounter(name, lambda texts: [_size(tokenizer(text)) for text in texts])
    return None


def _by_transformers(tokenizer: Any, texts: list[str]) -> list[int]:
    tokens = tokenizer(
        texts,
        add_special_tokens=False,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    return [len(ids) for ids in tokens]


def _size(answer: Any) -> Any:
    return len(answer) if hasattr(answer, "__len__") and not isinstance(answer, str) else answer
