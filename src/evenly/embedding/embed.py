"""`embed_pool`: embeds each distinct text once, a chunk of texts at a time; reuses vectors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from evenly.embedding.cache import EmbeddingCache
from evenly.embedding.encoder import LoadedEncoder
from evenly.embedding.hashed_texts import HashedTexts
from evenly.errors import EncoderError
from evenly.progress import new_bar
from evenly.shapes import Bool, Float, Int
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
    max_bytes: int = 1 << 24

    def reached(self, texts: int, seconds: float, size: int = 0) -> bool:
        """Return whether `texts`, with `size` bytes of vectors made in `seconds`, make a shard."""
        return (
            texts >= self.max_texts
            or seconds >= self.max_seconds
            or size >= self.max_bytes
            or (texts >= self.min_texts and seconds >= self.min_seconds)
        )


_SHARD_LIMITS = ShardLimits()

# Texts that are in memory at once, and sorted by length: as many, or of so many characters.
_CHUNK_TEXTS = 65_536
_CHUNK_CHARACTERS = 1 << 23


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Vectors with their provenance; `np.asarray(embeddings)` returns the vectors.

    Attributes:
        vectors: one row per text, in the order of the texts; as the encoder scales them. An
            array, or on disk and read by slices and row numbers. A row without a text is 0.
        encoder: the encoder's name.
        fingerprint: hash of the weights and options that made the vectors; None if unknown.
        weights_hash: hash of the weights; None if unknown.
        truncated: number of texts that are longer than the encoder's window.
        reused: number of texts whose vectors came from the cache.
        computed: number of all other texts. Here and in `reused` a repeated text counts each
            time, although it is embedded once.
        seconds: total wall time.
    """

    vectors: Any
    encoder: str
    fingerprint: str | None
    weights_hash: str | None
    truncated: int
    reused: int
    computed: int
    seconds: float

    def __repr__(self) -> str:
        return f"Embeddings({' x '.join(map(str, self.vectors.shape))}, {self.encoder})"

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, key: Any) -> Any:
        """Return the vector of a text, or those of several."""
        return self.vectors[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        vectors: np.ndarray = self.vectors if isinstance(self.vectors, np.ndarray) else self[:]
        wanted = vectors.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != vectors.dtype:
            raise ValueError(
                f"converting vectors of {vectors.dtype} to {wanted} requires a copy, but "
                "copy=False was passed."
            )
        return vectors.astype(wanted, copy=bool(copy))


class VectorTarget(Protocol):
    """Where the vectors of n rows go."""

    def write(self, rows: Int[np.ndarray, " m"], vectors: Float[np.ndarray, "m d"]) -> None:
        """Keep the vectors of some rows, which ascend."""

    def finish(self) -> Any:
        """Return all of them, as an array or what is read like one; 0 for rows without one."""

    def discard(self) -> None:
        """Drop what was written, after an error."""


class ArrayTarget:
    """Keeps vectors in memory."""

    def __init__(self, rows: int, dimension: int) -> None:
        self._vectors = np.zeros((rows, dimension), np.float32)

    def write(self, rows: Int[np.ndarray, " m"], vectors: Float[np.ndarray, "m d"]) -> None:
        """Keep the vectors of some rows."""
        self._vectors[rows] = vectors

    def finish(self) -> Float[np.ndarray, "n d"]:
        """Return the array."""
        return self._vectors

    def discard(self) -> None:
        """Do nothing: the array goes with this object."""


def embed_texts(
    texts: Sequence[str],
    encoder: LoadedEncoder,
    *,
    cache: EmbeddingCache | None = None,
    progress: bool | None = None,
    shard_limits: ShardLimits = _SHARD_LIMITS,
) -> Embeddings:
    """Embed texts that are in memory; see `embed_pool`."""
    return embed_pool(
        HashedTexts.of(texts), encoder, cache=cache, progress=progress, shard_limits=shard_limits
    )


def embed_pool(
    texts: HashedTexts,
    encoder: LoadedEncoder,
    *,
    target: Callable[[int, int], VectorTarget] = ArrayTarget,
    cache: EmbeddingCache | None = None,
    progress: bool | None = None,
    shard_limits: ShardLimits = _SHARD_LIMITS,
) -> Embeddings:
    """Embed texts, each distinct one once, reading from and writing to the cache.

    Equal texts get bit-identical vectors. After an interruption, the finished vectors are in
    the cache and the next call resumes from there. The last bits of a transformer's vectors
    depend on the other texts in the batch; with a cache, repeated runs agree exactly. The batches
    are the same wherever the vectors go.

    Args:
        texts: the texts, read once if the cache lacks any.
        encoder: an encoder from `load_encoder`.
        target: given the numbers of rows and of coordinates, returns what takes the vectors.
        cache: where vectors are kept; used only if the encoder has a fingerprint.
        progress: whether to draw a progress bar on stderr; by default only on a terminal.
        shard_limits: when finished vectors are written to the cache.

    Raises:
        EncoderError: the encoder failed, or returned something other than vectors.
        OutputError: the target is on a disk that is full.
    """
    started = time.perf_counter()
    run = _Run(texts, encoder, target, cache, shard_limits)
    try:
        run.take_cached()
        reused = run.rows_done
        run.encode_missing(progress)
        vectors = run.finish()
    except BaseException:
        run.discard()
        raise
    rows = int(np.count_nonzero(texts.usable))
    if run.truncated:
        logger.warning(
            "%d of %s %s longer than the %s tokens that %s reads: what follows is ignored",
            run.truncated,
            count(rows, "text"),
            "is" if run.truncated == 1 else "are",
            encoder.window or "",
            encoder.name,
        )
    return Embeddings(
        vectors=vectors,
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        weights_hash=encoder.weights_hash,
        truncated=run.truncated,
        reused=reused,
        computed=rows - reused,
        seconds=time.perf_counter() - started,
    )


class _Run:
    """Vectors on their way from the cache and the encoder to their target and the cache.

    Attributes:
        rows_done: how many rows have a vector.
        truncated: how many of them have a text longer than the encoder's window.
    """

    def __init__(
        self,
        texts: HashedTexts,
        encoder: LoadedEncoder,
        target: Callable[[int, int], VectorTarget],
        cache: EmbeddingCache | None,
        limits: ShardLimits,
    ) -> None:
        self.rows_done = self.truncated = 0
        self._texts, self._encoder, self._limits = texts, encoder, limits
        self._cache = None if encoder.fingerprint is None else cache
        self._make_target = target
        self._target: VectorTarget | None = None
        self._dimension = 0
        self._missing = np.zeros(len(texts), bool)
        self._missing[texts.distinct] = True

    def take_cached(self) -> None:
        """Take the vectors that the cache has."""
        if self._cache is None or self._encoder.fingerprint is None:
            return
        rows = self._texts.distinct
        for found in self._cache.find(self._encoder.fingerprint, self._texts.keys[rows]):
            self._take(rows[found.places], found.vectors, found.truncated)

    def encode_missing(self, progress: bool | None) -> None:
        """Embed the other texts; finished vectors are kept even if an error ends the call."""
        missing = int(np.count_nonzero(self._missing))
        shown = progress if missing else False
        with new_bar(total=missing, desc="embedding", unit="text", shown=shown) as bar:
            for rows, texts in _chunks(self._texts, self._missing) if missing else ():
                self._encode(rows, texts, bar.update)

    def finish(self) -> Any:
        """Return the vectors of all rows."""
        if self._target is None:
            return np.zeros((len(self._texts), self._encoder.dimension or 0), np.float32)
        return self._target.finish()

    def discard(self) -> None:
        """Drop the vectors, after an error."""
        if self._target is not None:
            self._target.discard()

    def _encode(
        self, rows: Int[np.ndarray, " m"], texts: list[str], progress: Callable[[int], object]
    ) -> None:
        """Embed a chunk of texts.

        Longest first: batches of similar lengths need little padding, and a batch that does not
        fit in memory fails at the start rather than at the end. Without padding, the order of the
        texts is kept, in which vectors are written faster.
        """
        encoder, shard = self._encoder, _Shard()
        order = list(range(len(texts)))
        if encoder.pads:
            order.sort(key=lambda place: -len(texts[place]))
        try:
            for begin in range(0, len(order), encoder.texts_per_call):
                places = order[begin : begin + encoder.texts_per_call]
                batch = [texts[place] for place in places]
                block = encoder.encode(batch)
                self._expect(block.shape[1])
                shard.add(places, block, encoder.truncated(batch))
                progress(len(batch))
                if self._limits.reached(len(shard.places), shard.seconds, shard.size):
                    full, shard = shard, _Shard()
                    self._keep(full, rows, texts)
        finally:
            self._keep(shard, rows, texts)

    def _keep(self, shard: _Shard, rows: Int[np.ndarray, " m"], texts: list[str]) -> None:
        if not shard.places:
            return
        places, vectors, truncated = shard.sorted()
        if self._cache is not None and self._encoder.fingerprint is not None:
            some = [texts[place] for place in places.tolist()]
            name = self._encoder.name
            self._cache.put(self._encoder.fingerprint, name, some, vectors, truncated)
        self._take(rows[places], vectors, truncated)

    def _take(
        self,
        distinct: Int[np.ndarray, " m"],
        vectors: Float[np.ndarray, "m d"],
        truncated: Bool[np.ndarray, " m"],
    ) -> None:
        """Hand the vectors of texts over for all of their rows."""
        target = self._expect(vectors.shape[1])
        rows, which = self._texts.all_rows(distinct)
        as_they_are = np.array_equal(rows, distinct)
        target.write(rows, vectors if as_they_are else vectors[which])
        self._missing[distinct] = False
        self.rows_done += len(rows)
        self.truncated += int(np.count_nonzero(truncated[which]))

    def _expect(self, dimension: int) -> VectorTarget:
        """Return the target, made as soon as the length of the vectors is known, if it agrees."""
        if self._target is None:
            self._dimension = dimension
            self._target = self._make_target(len(self._texts), dimension)
        if dimension != self._dimension:
            raise EncoderError(
                f"the encoder {self._encoder.name!r} returned vectors of length {dimension} after "
                f"vectors of length {self._dimension}. All vectors must have the same length. If "
                "the encoder has changed, change its fingerprint or clear its cache."
            )
        return self._target


class _Shard:
    """Vectors that are not in the cache yet."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.places: list[int] = []
        self.size = 0
        self._blocks: list[np.ndarray] = []
        self._truncated: list[np.ndarray] = []

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def add(self, places: list[int], block: np.ndarray, truncated: np.ndarray) -> None:
        self.places.extend(places)
        self._blocks.append(block)
        self._truncated.append(truncated)
        self.size += block.nbytes

    def sorted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the places in the chunk, ascending, the vectors, and which are truncated.

        The blocks are dropped one by one, so that the vectors are not in memory twice.
        """
        places = np.array(self.places)
        order = np.argsort(places)
        to = np.empty(len(order), np.int64)
        to[order] = np.arange(len(order))
        vectors = np.empty((len(order), self._blocks[0].shape[1]), self._blocks[0].dtype)
        end = len(order)
        while self._blocks:
            block = self._blocks.pop()
            end -= len(block)
            vectors[to[end : end + len(block)]] = block
        return places[order], vectors, np.concatenate(self._truncated)[order]


def _chunks(
    texts: HashedTexts, wanted: Bool[np.ndarray, " n"]
) -> Iterator[tuple[Int[np.ndarray, " m"], list[str]]]:
    """Yield the wanted texts in chunks, each with its rows."""
    rows: list[int] = []
    chunk: list[str] = []
    characters = 0
    flags = wanted.tobytes()
    for row, text in enumerate(texts.read()):
        if flags[row]:
            rows.append(row)
            chunk.append(text)
            characters += len(text)
            if len(chunk) == _CHUNK_TEXTS or characters >= _CHUNK_CHARACTERS:
                yield np.array(rows), chunk
                rows, chunk, characters = [], [], 0
    if chunk:
        yield np.array(rows), chunk
