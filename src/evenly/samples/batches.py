"""Streams of batches: lists, arrays, tables, dicts of columns, files or the lines of a pipe."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from evenly.errors import DataError
from evenly.samples.base import Samples, VectorsBeside
from evenly.samples.beside import (
    as_records,
    check_records,
    column_of,
    open_vectors,
    open_with_vectors,
)
from evenly.samples.lists import ListSamples
from evenly.samples.opening import is_of, open_samples
from evenly.samples.vectors import VectorSamples
from evenly.tables import count

# A stream may be endless, without a line break.
_LONGEST_LINE = 1 << 30


def read_batches(batches: Any, size: int, vectors: Any = None) -> Iterator[Samples]:
    """Yield the rows of a stream in samples of at most `size` rows.

    Args:
        batches: an iterable of batches as in `read_batch`; or a single batch (a path, an array,
            a frame, a table, a pipe); or an object with `iter(batch_size=…)`, such as an
            IterableDataset.
        size: the largest number of rows.
        vectors: as in `open_with_vectors`, for all rows of the stream in their order.

    Raises:
        DataError: the stream or a batch is of another type, or has another number of rows than
            there are vectors.
    """
    if vectors is None or column_of(vectors) is not None:
        yield from _parts_of(batches, size, vectors)
        return
    beside, first = open_vectors(vectors), 0
    for part in _parts_of(batches, size, None):
        check_records(part)
        end = first + len(part)
        if end > len(beside.rows):
            raise _other_number(beside, f"more than {count(first, 'row')}")
        yield part.with_vectors(_rows_of(beside, first, end))
        first = end
    if first != len(beside.rows):
        raise _other_number(beside, count(first, "row"))


def _other_number(beside: VectorsBeside, rows: str) -> DataError:
    return DataError(
        f"the stream has {rows}, and {beside.origin} has {count(len(beside.rows), 'vector')}. "
        "They are "
        "matched by position, so there must be one vector for each row, in the same order."
    )


def _parts_of(batches: Any, size: int, column: str | None) -> Iterator[Samples]:
    if _is_batch(batches):
        yield from read_batch(batches, size, column)
        return
    if hasattr(batches, "iter"):
        batches = batches.iter(batch_size=size)
    if is_of(batches, "datasets", {"DatasetDict", "IterableDatasetDict"}):
        open_samples(batches)  # raises the error that names the splits
    if isinstance(batches, Mapping) or not isinstance(batches, Iterable):
        raise DataError(
            f"a stream must be an iterable of batches or a path, got a {type(batches).__name__}."
        )
    for batch in batches:
        yield from read_batch(batch, size, column)


def read_batch(batch: Any, size: int, column: str | None = None) -> Iterator[Samples]:
    """Yield the rows of a batch in samples of at most `size` rows.

    Args:
        batch: data as in `open_samples`: a list of texts or records, vectors, a frame, a table,
            a path, glob or folder; or a dict of columns; or a binary stream of JSON Lines, of
            which at most `size` lines are held in memory.
        size: the largest number of rows.
        column: the column of the vectors, if the rows have some.

    Raises:
        DataError: the batch is of another type.
    """
    if isinstance(batch, Mapping) and not is_of(batch, "datasets", {"DatasetDict"}):
        batch = _records_of(batch)
    if hasattr(batch, "read"):
        yield from (open_with_vectors(lines, column) for lines in _lines(batch, size))
        return
    whole = _open(batch)
    if column is not None:
        # Rows of parquet are taken from memory: on disk, each part would begin at a row group.
        whole = open_with_vectors(as_records(whole), column, on_disk=False)
    if len(whole) <= size and whole.stored is None:
        if len(whole):
            yield whole
        return
    for begin in range(0, len(whole), size):
        end = min(begin + size, len(whole))
        rows = (_RecordPart if whole.holds_records else _VectorPart)(whole, begin, end)
        beside = whole.beside
        yield rows if beside is None else rows.with_vectors(_rows_of(beside, begin, end))


def check_paths(batches: Any) -> None:
    """Raise DataError if one of several paths does not exist, before the first is read."""
    for batch in batches if isinstance(batches, list | tuple) else ():
        if isinstance(batch, str | os.PathLike) and not os.path.exists(batch):  # noqa: PTH110
            _open(batch)  # a pattern, or an error that suggests another name


def can_be_read_again(batches: Any) -> bool:
    """Return whether the batches can be read twice, unlike those of a generator or a pipe."""
    if hasattr(batches, "read"):
        return False
    if _is_batch(batches) or hasattr(batches, "iter"):
        return True
    if isinstance(batches, list | tuple):
        return not any(hasattr(batch, "read") for batch in batches)
    return isinstance(batches, Iterable) and iter(batches) is not batches


def _is_batch(batches: Any) -> bool:
    named = ("read", "shape", "num_rows")
    return isinstance(batches, str | os.PathLike | Samples) or any(
        hasattr(batches, name) for name in named
    )


def _open(batch: Any) -> Samples:
    if isinstance(batch, str):
        try:
            return open_samples(batch)
        except DataError as error:
            raise DataError(
                f"{error} (A string in a stream is a path; pass a batch of texts as a list.)"
            ) from error
    return open_samples(batch)


def _records_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Convert a dict of columns, as an IterableDataset yields, to records."""
    values = list(columns.values())
    lists = [
        hasattr(column, "__len__") and not isinstance(column, str | bytes) for column in values
    ]
    if not all(lists) or len({len(column) for column in values}) > 1:
        raise DataError(
            f"a batch is a dict of the columns {', '.join(map(str, columns))}, which must be lists "
            "of the same length. If it is a single record, pass it in a list."
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _lines(stream: Any, size: int) -> Iterator[Samples]:
    """Yield the records of a stream of JSON Lines, `size` lines at a time."""
    binary = getattr(stream, "buffer", stream)
    while lines := _next_lines(binary, size):
        if not isinstance(lines[0], bytes):
            raise DataError(
                f"the stream yields {type(lines[0]).__name__}, not bytes. Open it in binary mode "
                "(mode='rb')."
            )
        part = open_samples(io.BytesIO(b"".join(lines)))
        if len(part):
            yield part


def _next_lines(stream: Any, size: int) -> list[Any]:
    if not hasattr(stream, "readline"):
        return list(islice(stream, size))
    lines = list(islice(iter(lambda: stream.readline(_LONGEST_LINE), stream.read(0)), size))
    if lines and len(lines[-1]) >= _LONGEST_LINE:
        raise DataError(
            f"the stream has a line of more than {_LONGEST_LINE:,} bytes. It must be JSON Lines: "
            "one record a line."
        )
    return lines


def _rows_of(beside: VectorsBeside, begin: int, end: int) -> VectorsBeside:
    """Return consecutive rows of vectors, as those of a batch."""
    part = VectorSamples(beside.rows.stored_vectors[begin:end], origin=beside.origin)
    reasons = {row: beside.fault(begin + row) for row in range(end - begin)}
    faults = {row: reason for row, reason in reasons.items() if reason}
    return replace(beside, rows=part, faults=faults)


class _Part(Samples):
    """Consecutive rows of larger samples, which know their location there."""

    _whole: Samples
    _begin: int

    def locate(self, row: int) -> str:
        return self._whole.locate(self._begin + row)


class _RecordPart(_Part, ListSamples):
    def __init__(self, whole: Samples, begin: int, end: int) -> None:
        super().__init__(list(whole.records(range(begin, end))), origin=whole.origin)
        self._whole, self._begin, self.path = whole, begin, whole.path


class _VectorPart(_Part, VectorSamples):
    def __init__(self, whole: Samples, begin: int, end: int) -> None:
        super().__init__(whole.stored_vectors[begin:end], origin=whole.origin)
        self._whole, self._begin, self.path = whole, begin, whole.path
