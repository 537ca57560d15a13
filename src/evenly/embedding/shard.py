"""One file of the embedding cache: keys, vectors, and the checksums that prove them.

A shard is a safetensors file, so that reading one runs no code. The keys and the header are
proved by one sha256, each vector by a CRC-32 of its own, so that a reader pays for the rows it
takes and not for the whole file.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from evenly.atomic import atomic_write

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt8, UInt32

__all__ = ["KEY_BYTES", "CorruptShardError", "ShardIndex", "read_index", "read_rows", "write_shard"]

KEY_BYTES = 32
_FORMAT = "evenly-embeddings-1"

_Found = TypeVar("_Found")


class CorruptShardError(Exception):
    """A shard is damaged. Never leaves the cache, which drops the shard and goes on."""


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """What a shard holds: everything but the vectors.

    Attributes:
        name: the encoder's name.
        keys: one hash a text, `KEY_BYTES` bytes each.
        truncated: whether the text was longer than the encoder's window.
        checksums: CRC-32 of each vector's bytes.
    """

    name: str
    keys: UInt8[np.ndarray, "m 32"]
    truncated: UInt8[np.ndarray, " m"]
    checksums: UInt32[np.ndarray, " m"]

    def digest(self) -> str:
        """Return the sha256 that proves the index."""
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
    """Write a shard, whole or not at all.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
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
    """Read what a shard holds, and prove it.

    Raises:
        CorruptShardError: the file is damaged.
        OSError: it cannot be read, or another process has removed it.
    """
    return _read(path, _prove_index)


def read_rows(path: Path, rows: Int[np.ndarray, " r"]) -> Float[np.ndarray, "r d"]:
    """Read the vectors of `rows`, and prove each of them.

    Raises:
        CorruptShardError: one of the vectors is damaged.
        OSError: the file cannot be read, or another process has removed it.
    """

    def prove_rows(shard: Any) -> Float[np.ndarray, "r d"]:
        index, vectors = _prove_index(shard), shard.get_tensor("vectors")
        if vectors.dtype != np.float32 or vectors.shape[:1] != index.checksums.shape:
            raise CorruptShardError("its parts do not fit together")
        taken: np.ndarray = np.ascontiguousarray(vectors[rows])
        if not np.array_equal(_checksums(taken), index.checksums[rows]):
            raise CorruptShardError("a vector's checksum does not match")
        return taken

    return _read(path, prove_rows)


def _read(path: Path, use: Callable[[Any], _Found]) -> _Found:
    """Open a shard for `use`, with every sign of damage as one error."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            return use(shard)
    except (SafetensorError, TypeError, ValueError) as error:
        # A damaged header may also name a type or a shape that NumPy does not know.
        raise CorruptShardError(str(error)) from error


def _prove_index(shard: Any) -> ShardIndex:
    metadata = shard.metadata() or {}
    if metadata.get("format") != _FORMAT:
        raise CorruptShardError(f"its format is {metadata.get('format')!r}, not {_FORMAT!r}")
    index = ShardIndex(
        metadata.get("name", ""),
        shard.get_tensor("keys"),
        shard.get_tensor("truncated"),
        shard.get_tensor("checksums"),
    )
    if index.digest() != metadata.get("index_sha256"):
        raise CorruptShardError("its index's checksum does not match")
    rows = len(index.checksums)
    if index.keys.shape != (rows, KEY_BYTES) or index.truncated.shape != (rows,):
        raise CorruptShardError("its parts do not fit together")
    return index


def _checksums(vectors: Float[np.ndarray, "m d"]) -> UInt32[np.ndarray, " m"]:
    return np.fromiter((zlib.crc32(row) for row in vectors), dtype=np.uint32, count=len(vectors))
