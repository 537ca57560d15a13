"""One file of the embedding cache: keys, vectors and their checksums.

A shard is a safetensors file, so reading one runs no code. A sha256 verifies the index (keys,
flags and checksums), and a CRC-32 verifies each vector, so that reading a few rows does not
require hashing the whole file.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.shapes import Bool, Float, Int, UInt8, UInt32

KEY_BYTES = 32
_FORMAT = "evenly-embeddings-1"


class CorruptShardError(Exception):
    """A shard is damaged; never leaves the cache, which drops the shard and continues."""


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The content of a shard except for the vectors.

    Attributes:
        name: the encoder's name.
        keys: one hash per text, `KEY_BYTES` bytes each.
        truncated: whether each text was longer than the encoder's window.
        checksums: CRC-32 of each vector's bytes.
    """

    name: str
    keys: UInt8[np.ndarray, "m 32"]
    truncated: UInt8[np.ndarray, " m"]
    checksums: UInt32[np.ndarray, " m"]

    def digest(self) -> str:
        """Return the sha256 that verifies the index."""
        digest = hashlib.sha256(self.name.encode() + b"\0")
        for part in (self.keys, self.truncated, self.checksums):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


def write_shard(
    path: Path,
    name: str,
    keys: list[bytes],
    vectors: Float[np.ndarray, "m d"],
    truncated: Bool[np.ndarray, " m"],
) -> None:
    """Write a shard atomically.

    Raises:
        OutputError: the folder is not writable, or the disk is full.
    """
    from safetensors.numpy import save

    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    index = ShardIndex(
        name,
        np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES),
        truncated.astype(np.uint8),
        _checksums(vectors),
    )
    tensors = {
        "keys": index.keys,
        "truncated": index.truncated,
        "checksums": index.checksums,
        "vectors": vectors,
    }
    metadata = {"format": _FORMAT, "name": name, "index_sha256": index.digest()}
    with atomic_write(path) as stream:
        stream.write(save(tensors, metadata))


def read_index(path: Path) -> ShardIndex:
    """Read and verify the index of a shard.

    Raises:
        CorruptShardError: the file is damaged.
        OSError: the file cannot be read, or another process has removed it.
    """
    with _opened(path) as shard:
        return _verified_index(shard)


def read_rows(path: Path, rows: Int[np.ndarray, " r"]) -> Float[np.ndarray, "r d"]:
    """Read and verify the vectors of `rows`.

    Raises:
        CorruptShardError: a vector is damaged.
        OSError: the file cannot be read, or another process has removed it.
    """
    with _opened(path) as shard:
        index, vectors = _verified_index(shard), shard.get_tensor("vectors")
        if vectors.dtype != np.float32 or vectors.shape[:1] != index.checksums.shape:
            raise CorruptShardError("the shapes of its tensors do not match")
        taken: np.ndarray = np.ascontiguousarray(vectors[rows])
        if not np.array_equal(_checksums(taken), index.checksums[rows]):
            raise CorruptShardError("the checksum of a vector does not match")
        return taken


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a shard; every sign of damage raises CorruptShardError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            yield shard
    except (SafetensorError, TypeError, ValueError) as error:
        # A damaged header may also name a type or a shape that NumPy does not support.
        raise CorruptShardError(str(error)) from error


def _verified_index(shard: Any) -> ShardIndex:
    metadata = shard.metadata() or {}
    if metadata.get("format") != _FORMAT:
        raise CorruptShardError(f"its format is {metadata.get('format')!r}, expected {_FORMAT!r}")
    index = ShardIndex(
        metadata.get("name", ""),
        shard.get_tensor("keys"),
        shard.get_tensor("truncated"),
        shard.get_tensor("checksums"),
    )
    if index.digest() != metadata.get("index_sha256"):
        raise CorruptShardError("the checksum of its index does not match")
    rows = len(index.checksums)
    if index.keys.shape != (rows, KEY_BYTES) or index.truncated.shape != (rows,):
        raise CorruptShardError("the shapes of its tensors do not match")
    return index


def _checksums(vectors: Float[np.ndarray, "m d"]) -> UInt32[np.ndarray, " m"]:
    return np.fromiter((zlib.crc32(row) for row in vectors), dtype=np.uint32, count=len(vectors))
