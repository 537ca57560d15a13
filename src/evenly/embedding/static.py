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
from evenly.errors import EncoderError, MissingExtraError, ModelNotFoundError
from evenly.shapes import Float

STATIC = "static"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_TENSOR = "embedding.weight"
_BATCH = 8192
_TOKENS_AT_ONCE = 65_536


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
        """The word vectors, in half precision as they are stored, and the tokenizer."""
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
        return table, words

    @property
    def dimension(self) -> int | None:
        """The length of a vector, or None before the first text is embedded."""
        return self._loaded[0].shape[1] if "_loaded" in self.__dict__ else None

    def encode(self, texts: list[str]) -> Float[np.ndarray, "n d"]:
        """Return the vectors of `texts`; a text without tokens has the vector 0."""
        table, tokenizer = self._loaded
        texts = [self._prompt + text for text in texts]
        vectors = np.zeros((len(texts), table.shape[1]), np.float32)
        counts = np.zeros((len(texts), 1), np.float32)
        for group in in_pieces(texts, self._cutter):
            found = tokenizer.encode_batch([piece for _, piece in group], add_special_tokens=False)
            for (row, _), words in zip(group, found, strict=True):
                tokens = words.ids
                counts[row] += len(tokens)
                # Summed one after the other, which gives the same bits for any size of the blocks.
                for begin in range(0, len(tokens), _TOKENS_AT_ONCE):
                    block = table[tokens[begin : begin + _TOKENS_AT_ONCE]].astype(np.float32)
                    block[0] += vectors[row]
                    vectors[row] = block.sum(axis=0)
        vectors /= np.maximum(counts, 1)
        return vectors
