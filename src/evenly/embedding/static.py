"""`encoder="static"`: the mean of wordllama's word vectors, much faster than a transformer.

Reads the package's weights and tokenizer, and never imports the package: that would configure
the root logger, and its loader may access the network for missing files. Needs neither torch nor
sentence-transformers, which take seconds to import; the vectors are bit for bit those of
`StaticEmbedding` of sentence-transformers.
"""

from __future__ import annotations

import importlib.util
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evenly.embedding.pieces import cutter_of, in_pieces
from evenly.embedding.word_tokens import WordTokens
from evenly.errors import EncoderError, MissingExtraError, ModelNotFoundError
from evenly.shapes import Float

STATIC = "static"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_TENSOR = "embedding.weight"
_BATCH = 8192


def static_files() -> tuple[Path, Path]:
    """Return the weights file and the tokenizer file of the installed wordllama.

    Raises:
        MissingExtraError: wordllama is not installed.
        ModelNotFoundError: wordllama is installed without these files.
    """
    package = importlib.util.find_spec("wordllama")
    if package is None or package.origin is None:
        raise MissingExtraError("wordllama", "static", f"encoder={STATIC!r}")
    folder = Path(package.origin).parent
    weights, tokenizer = folder / _WEIGHTS, folder / _TOKENIZER
    missing = [str(path) for path in (weights, tokenizer) if not path.is_file()]
    if missing:
        raise ModelNotFoundError(
            f"the installed package wordllama lacks {' and '.join(missing)}. Reinstall it: "
            "pip install --force-reinstall 'evenly[static]'"
        )
    return weights, tokenizer


class StaticEncoder:
    """An encoder that averages the word vectors of each text, loaded on first use.

    Args:
        weights, tokenizer: the files; see `static_files`.
        batch_size: the number of texts that are tokenised at once.
        prompt: text put before every text.
    """

    name = STATIC
    pads = False

    def __init__(
        self,
        weights: Path,
        tokenizer: Path,
        *,
        batch_size: int | None = None,
        prompt: str | None = None,
    ) -> None:
        self.texts_per_call = batch_size or _BATCH
        self._prompt = prompt or ""
        self._files = weights, tokenizer
        self._cutter = cache(lambda: cutter_of(self._loaded[1]))

    @cached_property
    def _loaded(self) -> tuple[Float[np.ndarray, "v d"], Any]:
        """The word vectors, and the tokenizer."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        weights, tokenizer = self._files
        try:
            table, words = load_file(weights)[_TENSOR], Tokenizer.from_file(str(tokenizer))
        except Exception as error:
            raise EncoderError(
                f"the encoder {STATIC!r} could not be loaded: {type(error).__name__}: {error}"
            ) from error
        words.no_padding()
        return table.astype(np.float32), words

    @cached_property
    def _words(self) -> WordTokens:
        return WordTokens(self._loaded[1], self._cutter())

    @property
    def dimension(self) -> int | None:
        """The length of a vector, or None before the first text is embedded."""
        return self._loaded[0].shape[1] if "_loaded" in self.__dict__ else None

    def encode(self, texts: list[str]) -> Float[np.ndarray, "n d"]:
        """Return the vectors of `texts`; a text without tokens has the vector 0."""
        from scipy.sparse import csr_array

        table, _ = self._loaded
        tokens = [bytearray() for _ in texts]
        for group in in_pieces([self._prompt + text for text in texts], self._cutter):
            found = self._words.of([piece for _, piece in group])
            for (row, _), own in zip(group, found, strict=True):
                tokens[row] += own
        columns = np.frombuffer(b"".join(tokens), np.int32)
        ends = np.cumsum([0, *map(len, tokens)]) // columns.itemsize
        # The product adds the vectors of a text one after the other, in the order of its tokens.
        counts = csr_array(
            (np.ones(len(columns), np.float32), columns, ends), shape=(len(texts), len(table))
        )
        vectors: Float[np.ndarray, "n d"] = counts @ table
        vectors /= np.maximum(np.diff(ends), 1).astype(np.float32)[:, None]
        return vectors
