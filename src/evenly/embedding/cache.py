"""The embedding cache on disk: what was embedded once is not embedded again.

    <cache folder>/embeddings/<fingerprint of the encoder>/<time>-<random>.safetensors

An entry is found by the hash of its text in the folder of its encoder, so a changed text or a
changed option is simply another entry. Shards are only ever added, each under a name of its
own and each whole or absent, so processes that share a cache need no lock, and a process that
is killed loses no more than the shard it had not written yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from evenly.embedding.shard import CorruptShardError, ShardIndex, read_index, read_rows, write_shard
from evenly.errors import OutputError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

__all__ = ["CacheInfo", "CachedModel", "EmbeddingCache", "StoredRows", "open_cache", "text_key"]

logger = logging.getLogger("evenly")

_ABANDONED_AFTER_SECONDS = 3600


@dataclass(frozen=True)
class CachedModel:
    """What the cache holds for one encoder with one set of options."""

    name: str
    fingerprint: str
    rows: int
    bytes: int
    shards: int


@dataclass(frozen=True)
class CacheInfo:
    """What the cache holds."""

    folder: Path
    models: list[CachedModel]

    @property
    def rows(self) -> int:
        """The number of vectors, of all encoders."""
        return sum(model.rows for model in self.models)

    @property
    def bytes(self) -> int:
        """The size on disk, of all encoders."""
        return sum(model.bytes for model in self.models)


@dataclass(frozen=True, eq=False)
class StoredRows:
    """The part of a request that the cache could answer.

    Attributes:
        found: which texts were there.
        vectors: one row a text asked for; those not found are undefined. None: nothing found.
        truncated: which texts are longer than the encoder's window; False where not found.
    """

    found: Bool[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n d"] | None
    truncated: Bool[np.ndarray, " n"]


def text_key(text: str) -> bytes:
    """Return the 32 bytes that stand for a text."""
    # A lone surrogate is not a character, but JSON can carry one.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()


class EmbeddingCache:
    """Vectors on disk, by encoder and text.

    It never stands in the way: what cannot be read is computed again, and when the folder
    cannot be written, that is logged once and the work goes on without it.

    Args:
        folder: the cache folder of `evenly`; vectors are kept in `embeddings/` under it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._embeddings = self.folder / "embeddings"
        self._writable = True

    def get(self, fingerprint: str, texts: Sequence[str]) -> StoredRows:
        """Look up the vectors of distinct `texts`, in their order.

        Damaged shards are removed, with a warning in the log.
        """
        place = {text_key(text): row for row, text in enumerate(texts)}
        found = np.zeros(len(texts), dtype=bool)
        truncated = np.zeros(len(texts), dtype=bool)
        vectors: Float[np.ndarray, "n d"] | None = None
        folder = self._model_folder(fingerprint)
        _remove_abandoned(folder)
        for path in _shards(folder):
            with _tolerating(path):
                index = read_index(path)
                rows, places = _matches(index, place, found)
                if not len(rows):
                    continue
                taken = read_rows(path, rows)
                if vectors is None:
                    vectors = np.empty((len(texts), taken.shape[1]), dtype=np.float32)
                if taken.shape[1] == vectors.shape[1]:
                    vectors[places] = taken
                    truncated[places] = index.truncated[rows]
                    found[places] = True
        return StoredRows(found, vectors, truncated)

    def put(
        self,
        fingerprint: str,
        name: str,
        texts: Sequence[str],
        vectors: Float[np.ndarray, "n d"],
        truncated: Bool[np.ndarray, " n"],
    ) -> bool:
        """Keep vectors as one shard. Whether it was written: a cache that cannot is left out."""
        if not self._writable:
            return False
        # Sorted by age, so that of two vectors for one text the older is always the one found.
        shard = f"{time.time_ns():020d}-{secrets.token_hex(8)}.safetensors"
        keys = [text_key(text) for text in texts]
        try:
            write_shard(self._model_folder(fingerprint) / shard, name, keys, vectors, truncated)
        except OutputError as error:
            logger.warning("going on without the embedding cache: %s", error)
            self._writable = False
        return self._writable

    def info(self) -> CacheInfo:
        """Count what the cache holds, by encoder."""
        models = [_describe(folder) for folder in self._model_folders()]
        return CacheInfo(self.folder, [model for model in models if model is not None])

    def clear(self) -> int:
        """Remove every shard, and return how many bytes that freed.

        Only files that this cache wrote are removed; anything else in the folder stays.

        Raises:
            OutputError: a shard cannot be removed.
        """
        freed = 0
        for folder in self._model_folders():
            for path in [*_shards(folder), *_temporary(folder)]:
                freed += _remove(path)
            with contextlib.suppress(OSError):  # not empty: something else lives there
                folder.rmdir()
        return freed

    def _model_folder(self, fingerprint: str) -> Path:
        return self._embeddings / fingerprint.removeprefix("sha256:")

    def _model_folders(self) -> list[Path]:
        try:
            return sorted(path for path in self._embeddings.iterdir() if path.is_dir())
        except OSError:
            return []


def open_cache(
    cache_dir: str | os.PathLike[str] | Literal[False] | None = None,
) -> EmbeddingCache | None:
    """Return the cache in `cache_dir`, or None for False: no cache.

    By default it is in the folder that the environment variable EVENLY_CACHE_DIR names, else in
    the user's cache folder of this system. Nothing is made on disk until there is something to
    keep.
    """
    if cache_dir is False:
        return None
    chosen = cache_dir or os.environ.get("EVENLY_CACHE_DIR")
    if not chosen:
        from platformdirs import user_cache_dir

        chosen = user_cache_dir("evenly", appauthor=False)
    return EmbeddingCache(Path(chosen).expanduser())


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _temporary(folder: Path) -> list[Path]:
    return list(folder.glob(".*.safetensors.*.tmp"))


def _matches(
    index: ShardIndex, place: dict[bytes, int], found: Bool[np.ndarray, " n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shard's rows that were asked for and not found yet, and their places."""
    places = [place.get(key.tobytes(), -1) for key in index.keys]
    pairs = [(row, at) for row, at in enumerate(places) if at >= 0 and not found[at]]
    rows, wanted = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return rows, wanted


@contextlib.contextmanager
def _tolerating(path: Path) -> Iterator[None]:
    """Treat a damaged, unreadable or vanished shard as one that is not there."""
    try:
        yield
    except CorruptShardError as error:
        logger.warning("dropped a damaged shard of the embedding cache: %s (%s)", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
    except FileNotFoundError:
        logger.debug("a shard of the embedding cache is gone: %s", path)
    except OSError as error:
        logger.warning("cannot read a shard of the embedding cache: %s (%s)", path, error)


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left half-written, long enough ago that none is at it."""
    for path in _temporary(folder):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                path.unlink()


def _remove(path: Path) -> int:
    """Remove a file, and return its size; 0 if another process was quicker."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {error.strerror or error}.") from error
    return size


def _describe(folder: Path) -> CachedModel | None:
    name, rows, size, shards = "", 0, 0, 0
    for path in _shards(folder):
        with _tolerating(path):
            index = read_index(path)
            name, rows = index.name, rows + len(index.keys)
            size, shards = size + path.stat().st_size, shards + 1
    return CachedModel(name, f"sha256:{folder.name}", rows, size, shards) if shards else None
