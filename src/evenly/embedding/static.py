"""`encoder="static"`: the mean of wordllama's word vectors, much faster than a transformer.

Reads the package's weights and tokenizer, and never imports the package: that would configure
the root logger, and its loader may access the network for missing files.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from evenly.errors import MissingExtraError, ModelNotFoundError

STATIC = "static"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"


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


def load_static(weights: Path, tokenizer: Path, *, device: str) -> Any:
    """Build the SentenceTransformer that averages the word vectors of each text."""
    import numpy as np
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    try:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    except ImportError:  # before sentence-transformers 5
        from sentence_transformers.models import StaticEmbedding

    # Stored in half precision, summed in single precision.
    table = load_file(weights)["embedding.weight"].astype(np.float32)
    module = StaticEmbedding(Tokenizer.from_file(str(tokenizer)), embedding_weights=table)
    # Looking words up costs less than moving the texts to a GPU.
    return SentenceTransformer(modules=[module], device="cpu" if device == "auto" else device)
