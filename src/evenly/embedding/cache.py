"""The embedding cache on disk, which keeps vectors from one run to the next.

    <cache folder>/embeddings/<fingerprint of the encoder>/<time>-<random>.safetensors
    <cache folder>/densities/, see `evenly.embedding.kept_densities`

An entry is found by the hash of its text in the folder of its encoder, so a changed text or
option makes a new entry. Shards have unique names, are written atomically and never modified:
processes can share a cache without locks, and a killed process loses at most one shard.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evenly.atomic import abandoned_in
from evenly.embedding.hashed_texts import as_short_keys, text_key
from evenly.embedding.kept_densities import KeptDensities
from evenly.embedding.shard import CorruptShardError, ShardIndex, read_index, read_rows, write_shard
from evenly.errors import OutputError
from evenly.paths import COPIES, COPY, cache_folder
from evenly.shapes import Bool, Float, Int, UInt64

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
    """The cache's content, by encoder, and the size on disk of densities and copies of URLs."""

    folder: Path
    models: list[CachedModel]
    density_bytes: int = 0
    copied_bytes: int = 0

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
    """Some of the texts that were looked up, and their vectors.

    Attributes:
        places: positions among the texts that were looked up.
        vectors: (m, d) their vectors.
        truncated: (m,) which of them are longer than the encoder's window.
    """

    places: Int[np.ndarray, " m"]
    vectors: Float[np.ndarray, "m d"]
    truncated: Bool[np.ndarray, " m"]


class EmbeddingCache:
    """Vectors on disk, indexed by encoder and text.

    The cache never stops a run: unreadable vectors are computed again, and if the folder is
    not writable, this is logged once and the run continues without the cache, unless it needs it.

    Args:
        folder: the cache folder of `evenly`; vectors are stored in its subfolder `embeddings`,
            densities of pools in `densities`. `COPIES` has the files of URLs, which data are read
            from and this class only counts and removes.
        needed: whether it is an error if vectors cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], *, needed: bool = False) -> None:
        self.folder = Path(folder)
        self.embeddings = self.folder / "embeddings"
        self.densities = KeptDensities(self.folder / "densities")
        self.copies = self.folder / COPIES
        self._writable, self._needed = True, needed

    def find(self, fingerprint: str, keys: UInt64[np.ndarray, "n 2"]) -> Iterator[CachedRows]:
        """Yield the vectors that there are of n distinct texts, a block of them at a time.

        All have the length of the first; each text is found once at most, in the oldest shard.
        Removes damaged shards and logs a warning.

        Args:
            fingerprint: the encoder.
            keys: the short keys of the texts.
        """
        folder, dimension = self._model_folder(fingerprint), None
        _remove_abandoned(folder)
        requested = _RequestedKeys(keys)
        for path in _shards(folder):
            with _tolerating(path):
                for index, rows, block in read_rows(path, requested.rows_in):
                    dimension = dimension or block.shape[1]
                    if block.shape[1] == dimension:
                        places = requested.take(index, rows)
                        yield CachedRows(places, block, index.truncated[rows].astype(bool))

    def put(
        self,
        fingerprint: str,
        name: str,
        texts: Sequence[str],
        vectors: Float[np.ndarray, "n d"],
        truncated: Bool[np.ndarray, " n"],
    ) -> None:
        """Write vectors as one shard, if the folder is writable.

        Raises:
            OutputError: it is not, and the cache is needed.
        """
        if not self._writable:
            return
        # Sorted by age, so that the oldest of several vectors for one text is always used.
        shard = f"{time.time_ns():020d}-{secrets.token_hex(8)}.safetensors"
        keys = [text_key(text) for text in texts]
        try:
            write_shard(self._model_folder(fingerprint) / shard, name, keys, vectors, truncated)
        except OutputError as error:
            if self._needed:
                raise OutputError(
                    f"{error} {len(texts):,} vectors need {vectors.nbytes / 1e6:,.1f} MB there. "
                    "Free some space, or name another folder with cache_dir=, and run it again: "
                    "what is in the cache already is not embedded again. To embed without a "
                    "cache, pass cache_dir=False."
                ) from error
            logger.warning("continuing without the embedding cache: %s", error)
            self._writable = False

    def info(self) -> CacheInfo:
        """Return the number and size of the cached vectors, by encoder, and of all else."""
        models = [_describe(folder) for folder in self._model_folders()]
        return CacheInfo(
            self.folder,
            [model for model in models if model is not None],
            density_bytes=_size_of(self.densities.files()),
            copied_bytes=_size_of(self._copies()),
        )

    def clear(self) -> int:
        """Remove all shards, densities and copies, and return the number of bytes freed.

        Leaves all other files in the folder.

        Raises:
            OutputError: a file cannot be removed.
        """
        freed = sum(_remove(path) for path in self.densities.files())
        freed += sum(_remove(path) for path in self._copies())
        for folder in (self.densities.folder, self.copies):
            with contextlib.suppress(OSError):  # there is none, or it holds other files
                folder.rmdir()
        for folder in self._model_folders():
            for path in [*_shards(folder), *abandoned_in(folder)]:
                freed += _remove(path)
            with contextlib.suppress(OSError):  # it holds other files
                folder.rmdir()
        return freed

    def _copies(self) -> list[Path]:
        return [*self.copies.glob(COPY), *abandoned_in(self.copies)]

    def _model_folder(self, fingerprint: str) -> Path:
        return self.embeddings / fingerprint.removeprefix("sha256:")

    def _model_folders(self) -> list[Path]:
        try:
            return sorted(path for path in self.embeddings.iterdir() if path.is_dir())
        except OSError:
            return []


def open_cache(
    cache_dir: str | os.PathLike[str] | Literal[False] | None = None, *, needed: bool = False
) -> EmbeddingCache | None:
    """Return the cache in `cache_dir`; False returns None, for no cache.

    `needed` is that of `EmbeddingCache`.

    The default is the folder in the environment variable EVENLY_CACHE_DIR, else the user's
    cache folder on this system. No folder is created before the first vectors are written.
    """
    if cache_dir is False:
        return None
    return EmbeddingCache(cache_folder(cache_dir), needed=needed)


def _size_of(files: Iterable[Path]) -> int:
    size = 0
    for path in files:
        with contextlib.suppress(OSError):  # another process removed it
            size += path.stat().st_size
    return size


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


class _RequestedKeys:
    """The keys of texts that are looked up, each of which is found once."""

    def __init__(self, keys: UInt64[np.ndarray, "n 2"]) -> None:
        self._order = np.argsort(keys[:, 0])
        self._sorted = keys[self._order]
        self._left = np.ones(len(keys), bool)

    def rows_in(self, index: ShardIndex) -> Int[np.ndarray, " r"]:
        """Return the rows of a shard that are requested and not found yet."""
        places = self._places(as_short_keys(index.keys))
        rows = np.flatnonzero(places >= 0)
        rows = rows[self._left[places[rows]]]
        # A key that a shard holds twice counts once.
        first = np.sort(np.unique(places[rows], return_index=True)[1])
        some: Int[np.ndarray, " r"] = rows[first]
        return some

    def take(self, index: ShardIndex, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return which of the requested texts some rows of a shard are; they are found now."""
        places = self._places(as_short_keys(index.keys[rows]))
        self._left[places] = False
        return places

    def _places(self, keys: UInt64[np.ndarray, "m 2"]) -> Int[np.ndarray, " m"]:
        """Return the position of each key among those requested; -1 if it is not."""
        if not len(self._sorted):
            return np.full(len(keys), -1)
        near = np.searchsorted(self._sorted[:, 0], keys[:, 0])
        near[near == len(self._sorted)] = 0
        places = self._order[near]
        places[(self._sorted[near] != keys).any(axis=1)] = -1
        return places


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
