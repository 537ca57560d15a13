"""`embed_texts`: embeds each distinct text once, and reuses cached vectors."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from evenly.embedding.cache import CachedRows, EmbeddingCache
from evenly.embedding.encoder import LoadedEncoder
from evenly.errors import EncoderError
from evenly.progress import hide
from evenly.shapes import Float
from evenly.tables import count

logger = logging.getLogger("evenly")


@dataclass(frozen=True)
class ShardLimits:
    """When finished vectors are written to the cache as one shard.

    A shard is written once it holds enough texts and enough work to be worth a file, sooner if
    the encoder is slow, so that an interruption costs little, and before it fills the memory.
    """

    min_texts: int = 1024
    min_seconds: float = 2.0
    max_texts: int = 65_536
    max_seconds: float = 30.0

    def reached(self, texts: int, seconds: float) -> bool:
        """Return whether `texts`, embedded in `seconds`, make a shard."""
        return (
            texts >= self.max_texts
            or seconds >= self.max_seconds
            or (texts >= self.min_texts and seconds >= self.min_seconds)
        )


_SHARD_LIMITS = ShardLimits()


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors with their provenance; `np.asarray(embeddings)` returns the vectors.

    Attributes:
        vectors: one row per text, in the order of the texts; as the encoder scales them.
        encoder: the encoder's name.
        fingerprint: hash of the weights and options that made the vectors; None if unknown.
        weights_hash: hash of the weights; None if unknown.
        truncated: number of texts that are longer than the encoder's window.
        reused: number of texts whose vectors came from the cache.
        computed: number of all other texts. Here and in `reused` a repeated text counts each
            time, although it is embedded once.
        seconds: total wall time.
    """

    vectors: Float[np.ndarray, "n d"]
    encoder: str
    fingerprint: str | None
    weights_hash: str | None
    truncated: int
    reused: int
    computed: int
    seconds: float

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, key: Any) -> Any:
        """Return the vector of a text, or those of several."""
        return self.vectors[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        wanted = self.vectors.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.vectors.dtype:
            raise ValueError(
                f"converting vectors of {self.vectors.dtype} to {wanted} requires a copy, but "
                "copy=False was passed."
            )
        return self.vectors.astype(wanted, copy=bool(copy))


def embed_texts(
    texts: Sequence[str],
    encoder: LoadedEncoder,
    *,
    cache: EmbeddingCache | None = None,
    progress: bool | None = None,
    shard_limits: ShardLimits = _SHARD_LIMITS,
) -> Embeddings:
    """Embed `texts`, each distinct one once, reading from and writing to the cache.

    Equal texts get bit-identical vectors. After an interruption, the finished vectors are in
    the cache and the next call resumes from there. The last bits of a transformer's vectors
    depend on the other texts in the batch; with a cache, repeated runs agree exactly.

    Args:
        texts: any number of strings.
        encoder: an encoder from `load_encoder`.
        cache: where vectors are kept; used only if the encoder has a fingerprint.
        progress: whether to draw a progress bar on stderr; by default only on a terminal.
        shard_limits: when finished vectors are written to the cache.

    Raises:
        EncoderError: the encoder failed, or returned something other than vectors.
    """
    started = time.perf_counter()
    position: dict[str, int] = {}
    rows = np.fromiter((position.setdefault(text, len(position)) for text in texts), dtype=np.intp)
    distinct = list(position)

    if cache is None or encoder.fingerprint is None:
        nothing = np.zeros(len(distinct), dtype=bool)
        cached = CachedRows(nothing, None, nothing.copy())
    else:
        cached = cache.get(encoder.fingerprint, distinct)
    vectors = _embed_missing(distinct, cached, encoder, cache, shard_limits, progress)

    truncated = int(cached.truncated[rows].sum())
    reused = int(cached.found[rows].sum())
    if truncated:
        logger.warning(
            "%d of %s %s longer than the %s tokens that %s reads: what follows is ignored",
            truncated,
            count(len(rows), "text"),
            "is" if truncated == 1 else "are",
            encoder.window or "",
            encoder.name,
        )
    return Embeddings(
        # Without duplicates the vectors are in the order of the texts already.
        vectors=vectors if len(distinct) == len(rows) else vectors[rows],
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        weights_hash=encoder.weights_hash,
        truncated=truncated,
        reused=reused,
        computed=len(rows) - reused,
        seconds=time.perf_counter() - started,
    )


def _embed_missing(
    distinct: list[str],
    cached: CachedRows,
    encoder: LoadedEncoder,
    cache: EmbeddingCache | None,
    shard_limits: ShardLimits,
    progress: bool | None,
) -> Float[np.ndarray, "n d"]:
    """Return the vectors of all texts, and complete `cached.truncated`.

    Finished vectors reach the cache even if an error or Ctrl-C ends the call.
    """
    # Longest first: batches of similar lengths need little padding, and a batch that does not
    # fit in memory fails at the start rather than at the end.
    missing = sorted(np.flatnonzero(~cached.found).tolist(), key=lambda row: -len(distinct[row]))
    vectors, truncated = cached.vectors, cached.truncated
    n_done = n_stored = 0
    shard_started = time.perf_counter()

    def write_shard() -> None:
        nonlocal n_stored, shard_started
        rows = missing[n_stored:n_done]
        if rows and cache is not None and encoder.fingerprint is not None and vectors is not None:
            texts = [distinct[row] for row in rows]
            cache.put(encoder.fingerprint, encoder.name, texts, vectors[rows], truncated[rows])
        n_stored, shard_started = n_done, time.perf_counter()

    hidden = hide(progress) if missing else True
    with tqdm(total=len(missing), desc="embedding", unit="text", disable=hidden) as bar:
        try:
            while n_done < len(missing):
                rows = missing[n_done : n_done + encoder.texts_per_call]
                batch = [distinct[row] for row in rows]
                block = encoder.encode(batch)
                vectors = _allocated(block, vectors, len(distinct), encoder.name)
                vectors[rows] = block
                truncated[rows] = encoder.truncated(batch)
                n_done += len(rows)
                bar.update(len(rows))
                if shard_limits.reached(n_done - n_stored, time.perf_counter() - shard_started):
                    write_shard()
        finally:
            write_shard()
    return np.empty((0, encoder.dimension or 0), dtype=np.float32) if vectors is None else vectors


def _allocated(
    block: Float[np.ndarray, "m d"],
    vectors: Float[np.ndarray, "n d"] | None,
    texts: int,
    encoder: str,
) -> Float[np.ndarray, "n d"]:
    """Return the array for all vectors: created for the first block, checked for later ones."""
    if vectors is None:
        return np.empty((texts, block.shape[1]), dtype=np.float32)
    if block.shape[1] != vectors.shape[1]:
        raise EncoderError(
            f"the encoder {encoder!r} returned vectors of length {block.shape[1]} after vectors of "
            f"length {vectors.shape[1]}. All vectors must have the same length. If the encoder has "
            "changed, change its fingerprint or clear its cache."
        )
    return vectors
