"""Turns texts into vectors: the `Encoder` protocol, the encoders and the on-disk cache.

Importing this package loads neither torch nor sentence-transformers, and a run whose texts are
all cached never loads them.
"""

from evenly.embedding.cache import CachedModel, CacheInfo, EmbeddingCache, open_cache
from evenly.embedding.embed import ArrayTarget, Embeddings, VectorTarget, embed_pool, embed_texts
from evenly.embedding.encoder import Encoder, LoadedEncoder
from evenly.embedding.hashed_texts import (
    NO_KEY,
    HashedTexts,
    as_short_keys,
    first_of_equals,
    short_key,
)
from evenly.embedding.kept_densities import KeptDensities
from evenly.embedding.load import load_encoder

__all__ = [
    "NO_KEY",
    "ArrayTarget",
    "CacheInfo",
    "CachedModel",
    "EmbeddingCache",
    "Embeddings",
    "Encoder",
    "HashedTexts",
    "KeptDensities",
    "LoadedEncoder",
    "VectorTarget",
    "as_short_keys",
    "embed_pool",
    "embed_texts",
    "first_of_equals",
    "load_encoder",
    "open_cache",
    "short_key",
]
