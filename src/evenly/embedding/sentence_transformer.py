"""Models of sentence-transformers, loaded when the first text is embedded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evenly.embedding.pieces import LONG, Cutter, cutter_of
from evenly.embedding.quiet import quiet_libraries
from evenly.errors import EncoderError, EvenlyError
from evenly.shapes import Bool

logger = logging.getLogger("evenly")
_BATCH_ON_CPU = 32
_BATCH_ON_GPU = 256
_BATCHES_PER_CALL = 8

# Upper bound on the tokens of one non-ASCII character: the compatibility ligature U+FDFA
# expands to 18 characters, each of which may become a token.
_TOKENS_PER_CHARACTER = 20
_SPECIAL_TOKENS = 8

# More tokens than a prompt can take from a text by joining its last word with the text's first.
_SPARE_TOKENS = 256


class SentenceTransformerEncoder:
    """An encoder that loads a SentenceTransformer on first use.

    Args:
        load: returns the model; called at most once.
        name: name of the encoder in errors.
        batch_size: texts per batch; permanently halved when a GPU runs out of memory.
        prompt: text put before every text; None for the model's default prompt, if it has one.
        window: number of tokens the model reads of a text, if known before loading.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        *,
        name: str,
        batch_size: int | None = None,
        prompt: str | None = None,
        window: int | None = None,
    ) -> None:
        self.name = name
        self.batch_size = batch_size
        self.prompt = prompt
        self._load = load
        self._window = window

    @cached_property
    def model(self) -> Any:
        """The SentenceTransformer, loaded on first use."""
        try:
            with quiet_libraries():
                return self._load()
        except (EvenlyError, MemoryError):
            raise
        except Exception as error:
            raise EncoderError(
                f"the encoder {self.name!r} could not be loaded: {type(error).__name__}: {error}"
            ) from error

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return "model" in self.__dict__

    @property
    def dimension(self) -> int | None:
        """The length of a vector, or None before the model is loaded."""
        if not self.loaded:
            return None
        # Renamed in sentence-transformers 5.
        new = getattr(self.model, "get_embedding_dimension", None)
        size = new() if new else self.model.get_sentence_embedding_dimension()
        return None if size is None else int(size)

    @property
    def window(self) -> int | None:
        """The number of tokens the model reads of a text; None if unlimited or not known yet."""
        if self._window is not None or not self.loaded:
            return self._window
        window = getattr(self.model, "max_seq_length", None)
        return window if isinstance(window, int) else None

    @property
    def texts_per_call(self) -> int:
        """The number of texts per call: several batches, which the library sorts by length."""
        return _BATCHES_PER_CALL * (self.batch_size or _BATCH_ON_CPU)

    def encode(self, texts: list[str]) -> Any:
        """Return the vectors of `texts`; uses smaller batches if a GPU runs out of memory."""
        model = self.model
        if self.batch_size is None:
            on_cpu = str(getattr(model, "device", "cpu")).startswith("cpu")
            self.batch_size = _BATCH_ON_CPU if on_cpu else _BATCH_ON_GPU
        import torch

        prompt = {} if self.prompt is None else {"prompt": self.prompt}
        try:
            return model.encode(
                self._beginnings(texts),
                batch_size=self.batch_size,
                show_progress_bar=False,
                convert_to_numpy=True,
                **prompt,
            )
        except torch.cuda.OutOfMemoryError:
            if self.batch_size == 1:
                raise
        self.batch_size //= 2
        logger.warning(
            "%s: out of GPU memory, continuing with batches of %d texts",
            self.name,
            self.batch_size,
        )
        # Outside the except block, so that the failed call no longer holds GPU memory.
        torch.cuda.empty_cache()
        return self.encode(texts)

    def truncated(self, texts: list[str]) -> Bool[np.ndarray, " n"]:
        """Return which texts, with the prompt before them, have more tokens than the window."""
        longer = np.zeros(len(texts), dtype=bool)
        tokenizer: Any = getattr(self.model, "tokenizer", None)
        window = self.window
        if window is None or not hasattr(tokenizer, "model_input_names"):
            return longer
        prompt = self._prompt_or_default()
        full = [prompt + text for text in texts]
        # Tokenising is slow compared with checking the length, and few texts are long.
        suspects = [row for row, text in enumerate(full) if _max_tokens(text) > window]
        if suspects:
            lengths = token_lengths(tokenizer, self._beginnings([full[row] for row in suspects]))
            longer[suspects] = np.array(lengths) > window
        return longer

    def _prompt_or_default(self) -> str:
        """Return the prompt that `encode` puts before every text."""
        if self.prompt is not None:
            return self.prompt
        prompts = getattr(self.model, "prompts", None) or {}
        return prompts.get(getattr(self.model, "default_prompt_name", None)) or ""

    @cached_property
    def _cutter(self) -> Cutter | None:
        tokenizer: Any = getattr(self.model, "tokenizer", None)
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None or getattr(tokenizer, "truncation_side", "right") != "right":
            return None
        return cutter_of(backend)

    def _beginnings(self, texts: list[str]) -> list[str]:
        """Cut off what is certainly beyond the window, if a text is far longer.

        Tokens of the pieces are those of the text, so that a beginning with more tokens than the
        window is all that the model reads.
        """
        window = self.window
        if window is None or max(map(len, texts), default=0) <= LONG or self._cutter is None:
            return texts
        return [text if len(text) <= LONG else self._beginning(text, window) for text in texts]

    def _beginning(self, text: str, window: int) -> str:
        assert self._cutter is not None
        kept, tokens = [], 0
        for piece in self._cutter.pieces(text):
            kept.append(piece)
            tokens += token_lengths(self.model.tokenizer, [piece], special_tokens=False)[0]
            if tokens > window + _SPARE_TOKENS:
                break
        return (" " * self._cutter.dropped).join(kept)


def token_lengths(tokenizer: Any, texts: list[str], *, special_tokens: bool = True) -> list[int]:
    """Return how many tokens a tokenizer of transformers makes of each whole text."""
    tokens = tokenizer(
        texts,
        add_special_tokens=special_tokens,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    return [len(ids) for ids in tokens]


def _max_tokens(text: str) -> int:
    """Return an upper bound on the number of tokens of a text, without tokenising it."""
    return len(text) * (1 if text.isascii() else _TOKENS_PER_CHARACTER) + _SPECIAL_TOKENS


def load_folder(
    folder: Path,
    *,
    device: str,
    dtype: str | None,
    backend: str,
    max_length: int | None,
    trust_remote_code: bool,
) -> Any:
    """Load the SentenceTransformer in `folder`; call it inside `quiet_libraries`."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(folder),
        device=resolve_device(device),
        backend=backend,
        trust_remote_code=trust_remote_code,
        # Everything is in the folder, except trusted code from other repositories.
        local_files_only=not trust_remote_code,
    )
    if dtype is not None:
        model = model.to(getattr(torch, dtype))
    if max_length is not None:
        model.max_seq_length = max_length
    return model


def resolve_device(device: str) -> str:
    """Return the device to use; "auto" selects CUDA, else Apple's GPU, else the CPU."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
