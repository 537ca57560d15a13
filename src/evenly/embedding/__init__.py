"""Turns texts into vectors: the `Encoder` protocol, the encoders and the on-disk cache.

Importing this package loads neither torch nor sentence-transformers, and a run whose texts are
all cached never loads them.
"""

from evenly.embedding.cache import CachedModel, CacheInfo, EmbeddingCache, open_cache
from evenly.embedding.embed import Embeddings, embed_texts
from evenly.embedding.encoder import Encoder, LoadedEncoder
from evenly.embedding.load import load_encoder

__all__ = [
    "CacheInfo",
    "CachedModel",
    "EmbeddingCache",
    "Embeddings",
    "Encoder",
    "LoadedEncoder",
    "embed_texts",
    "load_encoder",
    "open_cache",
]
