"""`embed_texts`: each distinct text once, from the cache where it is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from tqdm import tqdm

from evenly.embedding.cache import EmbeddingCache, StoredRows
from evenly.embedding.encoder import LoadedEncoder
from evenly.errors import EncoderError

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["Embeddings", "embed_texts"]

logger = logging.getLogger("evenly")

# A shard is cut once it is worth a file: enough texts and enough work. Slow work is cut sooner,
# so that a kill costs little, and quick work before it fills the memory.
_SHARD_TEXTS = 1024
_SHARD_SECONDS = 2.0
_LONGEST_SHARD_SECONDS = 30.0
_LARGEST_SHARD_TEXTS = 65_536


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors with where they came from. `np.asarray(embeddings)` is the vectors.

    Attributes:
        vectors: one row a text, in the order of the texts; as the encoder scales them.
        encoder: the encoder's name.
        fingerprint: of the weights and options that made the vectors; None if unknown.
        weights_hash: of the weights; None if unknown.
        truncated: how many texts are longer than the encoder's window.
        reused: how many texts had their vector in the cache.
        computed: how many had not. A text that occurs several times counts each time, here
            and in `reused`, though it is embedded once.
        seconds: wall time of it all.
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        wanted = self.vectors.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.vectors.dtype:
            raise ValueError(f"vectors of {self.vectors.dtype} as {wanted} need a copy")
        return self.vectors.astype(wanted, copy=bool(copy))


def embed_texts(
    texts: Sequence[str],
    encoder: LoadedEncoder,
    *,
    cache: EmbeddingCache | None = None,
    progress: bool | None = None,
) -> Embeddings:
    """Embed `texts`, each distinct one once, reusing and filling the cache.

    Equal texts get bit-identical vectors. Interrupted, what was finished is kept, and the next
    call goes on from there. The last bits of a transformer's vector depend on the texts that
    were in its batch; the cache fixes them, so repeated runs over one cache agree exactly.

    Args:
        texts: any number of strings.
        encoder: from `load_encoder`.
        cache: where vectors are kept; used only for an encoder with a fingerprint.
        progress: draw a progress bar on stderr; by default only if that is a terminal.

    Raises:
        EncoderError: the encoder failed, or returned something else than vectors.
    """
    started = time.perf_counter()
    place: dict[str, int] = {}
    rows = np.fromiter((place.setdefault(text, len(place)) for text in texts), dtype=np.intp)
    distinct = list(place)

    stored = _look_up(distinct, encoder, cache)
    vectors = _embed_missing(distinct, stored, encoder, cache, progress)

    truncated = int(stored.truncated[rows].sum())
    reused = int(stored.found[rows].sum())
    if truncated:
        logger.warning(
            "%d of %d texts are longer than the %s tokens that %s reads: their ends are ignored",
            truncated,
            len(rows),
            encoder.window or "",
            encoder.name,
        )
    return Embeddings(
        # Without duplicates the vectors are in the order of the texts, and need no copy.
        vectors=vectors if len(distinct) == len(rows) else vectors[rows],
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        weights_hash=encoder.weights_hash,
        truncated=truncated,
        reused=reused,
        computed=len(rows) - reused,
        seconds=time.perf_counter() - started,
    )


def _look_up(
    distinct: list[str], encoder: LoadedEncoder, cache: EmbeddingCache | None
) -> StoredRows:
    if cache is None or encoder.fingerprint is None:
        nothing = np.zeros(len(distinct), dtype=bool)
        return StoredRows(nothing, None, nothing.copy())
    return cache.get(encoder.fingerprint, distinct)


def _embed_missing(
    distinct: list[str],
    stored: StoredRows,
    encoder: LoadedEncoder,
    cache: EmbeddingCache | None,
    progress: bool | None,
) -> Float[np.ndarray, "n d"]:
    """Complete what the cache had: return all vectors, and mark in `stored` who is truncated.

    Whatever ends it, an error or Ctrl-C, what was finished is in the cache afterwards.
    """
    # Longest first: batches of like length need little padding, and a batch that the memory
    # does not hold fails at the start rather than at the end.
    missing = sorted(np.flatnonzero(~stored.found).tolist(), key=lambda row: -len(distinct[row]))
    vectors, truncated = stored.vectors, stored.truncated
    done = kept = 0
    cut_at = time.perf_counter()

    def cut_shard() -> None:
        nonlocal kept, cut_at
        rows = missing[kept:done]
        if rows and cache is not None and encoder.fingerprint is not None and vectors is not None:
            texts = [distinct[row] for row in rows]
            cache.put(encoder.fingerprint, encoder.name, texts, vectors[rows], truncated[rows])
        kept, cut_at = done, time.perf_counter()

    with _progress_bar(len(missing), progress) as bar:
        try:
            while done < len(missing):
                rows = missing[done : done + encoder.texts_per_call]
                batch = [distinct[row] for row in rows]
                block = encoder.encode(batch)
                vectors = _with_room_for(block, vectors, len(distinct), encoder.name)
                vectors[rows] = block
                truncated[rows] = encoder.truncated(batch)
                done += len(rows)
                bar.update(len(rows))
                if _is_worth_a_shard(done - kept, time.perf_counter() - cut_at):
                    cut_shard()
        finally:
            cut_shard()
    return np.empty((0, encoder.dimension or 0), dtype=np.float32) if vectors is None else vectors


def _with_room_for(
    block: Float[np.ndarray, "m d"],
    vectors: Float[np.ndarray, "n d"] | None,
    texts: int,
    encoder: str,
) -> Float[np.ndarray, "n d"]:
    """Return the array that `block` goes into: made for the first block, checked for the rest."""
    if vectors is None:
        return np.empty((texts, block.shape[1]), dtype=np.float32)
    if block.shape[1] != vectors.shape[1]:
        raise EncoderError(
            f"the encoder {encoder!r} returned vectors of length {block.shape[1]} after vectors of "
            f"length {vectors.shape[1]}. All must have the same length; if the encoder has "
            "changed, its fingerprint must change too, or its cache be cleared."
        )
    return vectors


def _is_worth_a_shard(texts: int, seconds: float) -> bool:
    return (
        texts >= _LARGEST_SHARD_TEXTS
        or (texts >= _SHARD_TEXTS and seconds >= _SHARD_SECONDS)
        or seconds >= _LONGEST_SHARD_SECONDS
    )


def _progress_bar(texts: int, progress: bool | None) -> tqdm[NoReturn]:
    # disable=None: drawn only where stderr is a terminal.
    hidden = not progress if progress is not None else None
    return tqdm(total=texts, desc="embedding", unit="text", disable=True if texts == 0 else hidden)
