"""The embedding cache on disk, which keeps vectors from one run to the next.

    <cache folder>/embeddings/<fingerprint of the encoder>/<time>-<random>.safetensors

An entry is found by the hash of its text in the folder of its encoder, so a changed text or
option makes a new entry. Shards have unique names, are written atomically and never modified:
processes can share a cache without locks, and a killed process loses at most one shard.
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
from typing import Literal

import numpy as np

from evenly.atomic import abandoned_in
from evenly.embedding.shard import CorruptShardError, ShardIndex, read_index, read_rows, write_shard
from evenly.errors import OptionError, OutputError
from evenly.paths import expand
from evenly.shapes import Bool, Float

logger = logging.getLogger("evenly")


@dataclass(frozen=True)
class CachedModel:
    """The cache's content for one encoder with one set of options."""

    name: str
    fingerprint: str
    rows: int
    bytes: int
    shards: int


@dataclass(frozen=True)
class CacheInfo:
    """The cache's content, by encoder."""

    folder: Path
    models: list[CachedModel]

    @property
    def rows(self) -> int:
        """The number of vectors of all encoders."""
        return sum(model.rows for model in self.models)

    @property
    def bytes(self) -> int:
        """The size on disk of all encoders' vectors."""
        return sum(model.bytes for model in self.models)


@dataclass(frozen=True, eq=False)
class CachedRows:
    """The result of a cache look-up.

    Attributes:
        found: which of the requested texts are in the cache.
        vectors: one row per requested text, undefined if not found; None if none was found.
        truncated: which texts are longer than the encoder's window; False if not found.
    """

    found: Bool[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n d"] | None
    truncated: Bool[np.ndarray, " n"]


def text_key(text: str) -> bytes:
    """Return the 32-byte hash that identifies a text."""
    # JSON can hold lone surrogates, which strict UTF-8 cannot encode.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()


class EmbeddingCache:
    """Vectors on disk, indexed by encoder and text.

    The cache never stops a run: unreadable vectors are computed again, and if the folder is
    not writable, this is logged once and the run continues without the cache.

    Args:
        folder: the cache folder of `evenly`; vectors are stored in its subfolder `embeddings`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.embeddings = self.folder / "embeddings"
        self._writable = True

    def get(self, fingerprint: str, texts: Sequence[str]) -> CachedRows:
        """Look up the vectors of distinct `texts`, in their order.

        Removes damaged shards and logs a warning.
        """
        position = {text_key(text): row for row, text in enumerate(texts)}
        found = np.zeros(len(texts), dtype=bool)
        truncated = np.zeros(len(texts), dtype=bool)
        vectors = None
        folder = self._model_folder(fingerprint)
        _remove_abandoned(folder)
        for path in _shards(folder):
            with _tolerating(path):
                index = read_index(path)
                rows, targets = _matches(index, position, found)
                if not len(rows):
                    continue
                block = read_rows(path, rows)
                if vectors is None:
                    vectors = np.empty((len(texts), block.shape[1]), dtype=np.float32)
                if block.shape[1] == vectors.shape[1]:
                    vectors[targets] = block
                    truncated[targets] = index.truncated[rows]
                    found[targets] = True
        return CachedRows(found, vectors, truncated)

    def put(
        self,
        fingerprint: str,
        name: str,
        texts: Sequence[str],
        vectors: Float[np.ndarray, "n d"],
        truncated: Bool[np.ndarray, " n"],
    ) -> None:
        """Write vectors as one shard, if the folder is writable."""
        if not self._writable:
            return
        # Sorted by age, so that the oldest of several vectors for one text is always used.
        shard = f"{time.time_ns():020d}-{secrets.token_hex(8)}.safetensors"
        keys = [text_key(text) for text in texts]
        try:
            write_shard(self._model_folder(fingerprint) / shard, name, keys, vectors, truncated)
        except OutputError as error:
            logger.warning("continuing without the embedding cache: %s", error)
            self._writable = False

    def info(self) -> CacheInfo:
        """Return the number and size of the cached vectors, by encoder."""
        models = [_describe(folder) for folder in self._model_folders()]
        return CacheInfo(self.folder, [model for model in models if model is not None])

    def clear(self) -> int:
        """Remove all shards, and return the number of bytes freed.

        Leaves all other files in the folder.

        Raises:
            OutputError: a shard cannot be removed.
        """
        freed = 0
        for folder in self._model_folders():
            for path in [*_shards(folder), *abandoned_in(folder)]:
                freed += _remove(path)
            with contextlib.suppress(OSError):  # it holds other files
                folder.rmdir()
        return freed

    def _model_folder(self, fingerprint: str) -> Path:
        return self.embeddings / fingerprint.removeprefix("sha256:")

    def _model_folders(self) -> list[Path]:
        try:
            return sorted(path for path in self.embeddings.iterdir() if path.is_dir())
        except OSError:
            return []


def open_cache(
    cache_dir: str | os.PathLike[str] | Literal[False] | None = None,
) -> EmbeddingCache | None:
    """Return the cache in `cache_dir`; False returns None, for no cache.

    The default is the folder in the environment variable EVENLY_CACHE_DIR, else the user's
    cache folder on this system. No folder is created before the first vectors are written.
    """
    if cache_dir is False:
        return None
    noun, folder = "cache_dir=", cache_dir
    if not folder:
        noun, folder = "EVENLY_CACHE_DIR=", os.environ.get("EVENLY_CACHE_DIR")
    if not folder:
        from platformdirs import user_cache_dir

        folder = user_cache_dir("evenly", appauthor=False)
    return EmbeddingCache(expand(folder, OptionError, noun=noun))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _matches(
    index: ShardIndex, position: dict[bytes, int], found: Bool[np.ndarray, " n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shard's rows that are requested and not found yet, and their positions."""
    positions = [position.get(key.tobytes(), -1) for key in index.keys]
    pairs = [(row, target) for row, target in enumerate(positions) if target >= 0]
    rows, targets = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    new = ~found[targets]
    return rows[new], targets[new]


@contextlib.contextmanager
def _tolerating(path: Path) -> Iterator[None]:
    """Treat a damaged, unreadable or vanished shard as absent."""
    try:
        yield
    except CorruptShardError as error:
        logger.warning("dropped a damaged shard of the embedding cache: %s (%s)", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
    except FileNotFoundError:
        logger.debug("a shard of the embedding cache has vanished: %s", path)
    except OSError as error:
        logger.warning("cannot read a shard of the embedding cache: %s (%s)", path, error)


def _remove_abandoned(folder: Path) -> None:
    """Remove the partial files of killed processes."""
    for path in abandoned_in(folder):
        with contextlib.suppress(OSError):
            path.unlink()


def _remove(path: Path) -> int:
    """Remove a file, and return its size; 0 if another process removed it first."""
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
