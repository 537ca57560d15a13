"""Several files of one format as one data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, cast

import numpy as np

from evenly.samples.arrow import ArrowSamples
from evenly.samples.base import RecordSamples, Samples
from evenly.samples.join_tables import join_tables
from evenly.samples.rows import RowNumbers, row_numbers
from evenly.samples.vector_files import join_vector_files


def join_shards(parts: Sequence[Samples], origin: str) -> Samples:
    """Join files of one format into one data set with consecutive row numbers.

    Lines and vectors stay in their files; other parquet tables are joined in memory.

    Raises:
        DataError: parquet files have different schemas.
        VectorError: vectors have different dimensions, or only some files hold vectors.
    """
    if any(part.holds_vectors for part in parts):
        return join_vector_files(parts, origin)
    if isinstance(parts[0], ArrowSamples):
        return _TableShards(parts, origin)
    return _RecordShards(parts, origin)


class _Parts:
    """Maps rows to parts, and forwards what concerns each file separately."""

    def __init__(self, parts: Sequence[Samples]) -> None:
        self._parts = parts
        self._bounds = np.cumsum([0, *(len(part) for part in parts)])

    def _locations(self, rows: RowNumbers) -> list[tuple[int, int]]:
        """Return the part of each row, and its row number in that part."""
        owners = np.searchsorted(self._bounds, rows, side="right") - 1
        local = rows - self._bounds[owners]
        return list(zip(owners.tolist(), local.tolist(), strict=True))

    def locate(self, row: int) -> str:
        """Return the shard of a row, and its line or row number there."""
        [(owner, local)] = self._locations(np.array([row]))
        return self._parts[owner].locate(local)

    def _check_files(self) -> None:
        for part in self._parts:
            part.check_unchanged()

    def file_digests(self) -> list[bytes]:
        """Return the hash of each file."""
        return [digest for part in self._parts for digest in part.file_digests()]


class _RecordShards(_Parts, RecordSamples):
    """Shards of lines or JSON arrays, read from their files."""

    def __init__(self, parts: Sequence[Samples], origin: str) -> None:
        super().__init__(parts)
        self.origin = origin
        self.format = parts[0].format

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield records from their shards."""
        if rows is None:
            yield from chain.from_iterable(part.records() for part in self._parts)
            return
        locations = self._locations(row_numbers(rows, len(self)))
        wanted: dict[int, list[int]] = {}
        for owner, local in locations:
            wanted.setdefault(owner, []).append(local)
        readers = {owner: self._parts[owner].records(local) for owner, local in wanted.items()}
        for owner, _ in locations:
            yield next(readers[owner])

    def headers(self) -> list[bytes | None]:
        """Return what precedes the records in each file."""
        return [header for part in self._parts for header in part.headers()]

    def copies(self, rows: RowNumbers) -> Iterator[bytes]:
        """Yield the bytes of records in a new file of the same format."""
        for owner, local in self._locations(rows):
            yield from self._parts[owner].copies(np.array([local]))


class _TableShards(_Parts, ArrowSamples):
    """Parquet files joined in memory, which still detect changes of their files."""

    def __init__(self, parts: Sequence[Samples], origin: str) -> None:
        super().__init__(parts)
        tables = [part.table for part in cast("Sequence[ArrowSamples]", parts)]
        table = join_tables(tables, origin)
        ArrowSamples.__init__(self, table, origin=origin, format="parquet")

    def parquet_paths(self) -> list[str]:
        """Return the files of all shards."""
        return [path for part in self._parts for path in part.parquet_paths()]
