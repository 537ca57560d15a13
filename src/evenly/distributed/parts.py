"""Ranges of rows for workers: some files each, or some rows of one file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from evenly.distributed.references import fetch, open_blocks
from evenly.paths import is_remote, local_name
from evenly.samples import BinaryRows, Samples, open_samples
from evenly.samples.formats import input_format
from evenly.samples.spans import DIVISIBLE, Span, spans_of
from evenly.samples.urls import size_of
from evenly.samples.vector_files import BinaryVectorFiles

_AT_ONCE = 8


@dataclass(frozen=True)
class FilePart:
    """What a worker opens.

    Attributes:
        paths: files, in the order of their rows.
        rows: the first and the last row (exclusive) of a single file; None for all rows.
        span: some lines of a single file; None for all.
        references: instead of files, references to blocks that are in the cluster.
        first: the number of the first of these blocks.
    """

    paths: tuple[str, ...]
    rows: tuple[int, int] | None = None
    span: Span | None = None
    references: tuple[Any, ...] = ()
    first: int = 0

    @property
    def is_later(self) -> bool:
        """Whether another part has the beginning of the same file."""
        return bool(self.rows and self.rows[0]) or bool(self.span and self.span.begin)

    def __str__(self) -> str:
        if self.references:
            return f"blocks {self.first} to {self.first + len(self.references) - 1}"
        if self.span is not None:
            return str(self.span)
        if self.rows is not None:
            return f"rows {self.rows[0]} to {self.rows[1] - 1} of {self.paths[0]}"
        if len(self.paths) == 1:
            return self.paths[0]
        return f"{self.paths[0]} to {self.paths[-1]}"


def split_files(paths: Sequence[str], workers: int) -> list[FilePart]:
    """Divide files into consecutive parts of about the same size, at most one for each worker.

    A single file of vectors is divided by rows, if rows anywhere in it can be read as fast, and
    one of lines at line breaks.
    """
    if len(paths) == 1:
        # Files of records are opened by workers only: that may read them to the end.
        format, compression = input_format(paths[0], None)
        if format in DIVISIBLE and compression is None and not is_remote(paths[0]):
            spans = spans_of(paths[0], workers)
            return [FilePart(tuple(paths), span=span) for span in spans]
        of_vectors = format in ("npy", "safetensors")
        of_vectors &= not is_remote(paths[0])  # it would be copied as a whole by each
        samples = open_samples(paths[0]) if of_vectors else None
        if isinstance(samples, BinaryVectorFiles) and samples.stored.seekable:
            bounds = np.linspace(0, len(samples), min(workers, max(1, len(samples))) + 1)
            cuts = bounds.astype(int).tolist()
            return [FilePart(tuple(paths), ends) for ends in pairwise(cuts)]
        return [FilePart(tuple(paths))]
    with ThreadPoolExecutor(_AT_ONCE) as threads:  # a URL takes a while to answer
        ends = np.cumsum(list(threads.map(_size, paths)))
    # The middle of a file decides whose it is.
    middles = ends - np.diff(ends, prepend=0) / 2
    owners = np.minimum((middles * workers / max(1, ends[-1])).astype(int), workers - 1)
    return [
        FilePart(tuple(paths[file] for file in np.flatnonzero(owners == owner).tolist()))
        for owner in np.unique(owners).tolist()
    ]


def _size(path: str) -> int:
    return size_of(path) if is_remote(path) else Path(local_name(path)).stat().st_size


def split_references(references: Sequence[Any], workers: int) -> list[FilePart]:
    """Divide blocks into consecutive parts of about the same number."""
    cuts = np.linspace(0, len(references), min(workers, len(references)) + 1).astype(int).tolist()
    return [
        FilePart((), references=tuple(references[begin:end]), first=begin)
        for begin, end in pairwise(cuts)
    ]


def open_part(part: FilePart) -> Samples:
    """Open the files of a part, as some rows of more."""
    if part.references:
        samples = open_blocks(fetch(part.references))
        samples.is_part = True
        return samples
    if part.span is not None:
        lines = part.span.open(input_format(part.paths[0], None)[0])
        lines.is_part = True
        return lines
    samples = open_samples("\n".join(part.paths))
    if part.rows is not None:
        assert isinstance(samples, BinaryVectorFiles)
        (whole,) = samples.parts
        samples = BinaryVectorFiles(
            [rows_of(whole, *part.rows)], origin=samples.origin, format=samples.format
        )
    samples.is_part = True
    return samples


def rows_of(whole: BinaryRows, begin: int, end: int) -> BinaryRows:
    """Return consecutive rows of a file."""
    offset = whole.offset + begin * whole.row_bytes
    return replace(whole, shape=(end - begin, whole.shape[1]), offset=offset)
