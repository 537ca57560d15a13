"""One file of the embedding cache: keys, vectors and their checksums.

A shard is a safetensors file, so reading one runs no code. A sha256 verifies the index (keys,
flags and checksums), and a CRC-32 verifies each vector, so that reading a few rows does not
require hashing the whole file.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.embedding.hashed_texts import KEY_BYTES
from evenly.shapes import Bool, Float, Int, UInt8, UInt32

_FORMAT = "evenly-embeddings-1"
# https://github.com/huggingface/safetensors#format
_TYPES = {"<f4": "F32", "<u4": "U32", "|u1": "U8"}
# Vectors that are read at once.
_BLOCK_BYTES = 1 << 23


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
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    index = ShardIndex(
        name,
        np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES),
        truncated.astype(np.uint8),
        _checksums(vectors),
    )
    tensors = {
        "vectors": vectors,
        "checksums": index.checksums,
        "keys": index.keys,
        "truncated": index.truncated,
    }
    metadata = {"format": _FORMAT, "name": name, "index_sha256": index.digest()}
    with atomic_write(path) as stream:
        stream.write(_header(tensors, metadata))
        for tensor in tensors.values():
            stream.write(tensor.reshape(-1).view(np.uint8).data)


def _header(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Return the header of a safetensors file; the numbers follow it, with no copy in memory."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        kind = _TYPES[tensor.dtype.str]
        entries[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)  # aligns the numbers
    return len(header).to_bytes(8, "little") + header


def read_index(path: Path) -> ShardIndex:
    """Read and verify the index of a shard.

    Raises:
        CorruptShardError: the file is damaged.
        OSError: the file cannot be read, or another process has removed it.
    """
    with _opened(path) as shard:
        return _verified_index(shard)


def read_rows(
    path: Path, wanted: Callable[[ShardIndex], Int[np.ndarray, " r"]]
) -> Iterator[tuple[ShardIndex, Int[np.ndarray, " b"], Float[np.ndarray, "b d"]]]:
    """Read and verify some vectors of a shard, a block of rows at a time.

    Args:
        path: the shard.
        wanted: given the index, returns the rows to read, ascending.

    Yields:
        The index, some of the rows, and their vectors.

    Raises:
        CorruptShardError: the index or a vector is damaged.
        OSError: the file cannot be read, or another process has removed it.
    """
    with _opened(path) as shard:
        index = _verified_index(shard)
        rows = wanted(index)
        vectors = shard.get_slice("vectors")
        shape = vectors.get_shape()
        if vectors.get_dtype() != "F32" or len(shape) != 2 or shape[:1] != [len(index.checksums)]:
            raise CorruptShardError("the shapes of its tensors do not match")
        step = max(1, _BLOCK_BYTES // max(1, 4 * shape[1]))
        for begin in np.unique(rows // step).tolist():
            some = rows[(rows >= begin * step) & (rows < (begin + 1) * step)]
            block = vectors[int(some[0]) : int(some[-1]) + 1]
            taken: np.ndarray = np.ascontiguousarray(block[some - some[0]])
            if not np.array_equal(_checksums(taken), index.checksums[some]):
                raise CorruptShardError("the checksum of a vector does not match")
            yield index, some, taken


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
