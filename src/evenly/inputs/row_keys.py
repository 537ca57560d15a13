"""What decides whether two rows are equal, as keys of 16 bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from evenly.geometry import blocks
from evenly.inputs.pool_texts import PoolTexts
from evenly.samples import Samples
from evenly.samples.json_values import plain_json


def keys_of_rows(samples: Samples, texts: PoolTexts | None, vectors: Any) -> Iterator[bytes]:
    """Yield the key of each row of a data set.

    It is that of the text that is embedded; if nothing is embedded, that of the record, or of the
    vector if there are no records.
    """
    if not samples.holds_records:
        return keys_of_vectors(vectors, vectors.dtype)
    if texts is None:
        return keys_of_records(samples.records())
    return (key.tobytes() for key in texts.keys)


def keys_of_vectors(vectors: Any, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """Yield the keys of vectors as numbers of a type."""
    for part in blocks(len(vectors), vectors.shape[1]):
        yield from (_key(row.tobytes()) for row in np.asarray(vectors[part], dtype))


def keys_of_records(records: Iterable[Any]) -> Iterator[bytes]:
    """Yield the keys of records, which do not depend on the order of their columns."""
    for record in records:
        if isinstance(record, Mapping):
            record = sorted((str(name), value) for name, value in record.items())
        yield _key(plain_json(record))


def find_keys(keys: Iterable[bytes], wanted: Collection[bytes]) -> list[tuple[int, bytes]]:
    """Return the row numbers of those keys that are wanted, ascending, and the keys."""
    return [(row, key) for row, key in enumerate(keys) if key in wanted]


def _key(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
