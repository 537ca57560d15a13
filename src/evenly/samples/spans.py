"""Parts of a file of lines, which several processes read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evenly.samples.lines import JsonLines, LineSamples, TextLines
from evenly.samples.source import FileContent, FileStamp, Source

DIVISIBLE = ("jsonl", "txt")
"""The formats in which every line break ends a record."""

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Span:
    """Whole lines of a file.

    Attributes:
        stamp: the file.
        begin, end: the first byte and the last (exclusive).
        before: how many lines precede them.
    """

    stamp: FileStamp
    begin: int
    end: int
    before: int = 0

    def __str__(self) -> str:
        return f"bytes {self.begin} to {self.end - 1} of {self.stamp.path}"

    @property
    def content(self) -> FileContent:
        """The bytes."""
        return FileContent(self.stamp, self.begin, self.end)

    def count_lines(self) -> int:
        """Return how many line breaks there are; raises DataError if the file has changed."""
        self.stamp.check()
        content = self.content
        starts = range(0, len(content), _BLOCK)
        return sum(content[start : start + _BLOCK].count(b"\n") for start in starts)

    def open(self, format: str) -> LineSamples:
        """Return the records; raises DataError if the file has changed."""
        self.stamp.check()
        source = Source(self.stamp.path, self.content, self.stamp)
        kind = JsonLines if format == "jsonl" else TextLines
        return kind(source, self.before)


def spans_of(path: str, parts: int) -> list[Span]:
    """Divide a file at line breaks into parts of about the same size, at most so many."""
    stamp = FileStamp.of(path)
    content = FileContent(stamp)
    wanted = np.linspace(0, stamp.size, parts + 1).astype(int).tolist()[1:-1]
    cuts = {_next_line(content, byte) for byte in wanted}
    # What begins with a byte order mark would lose it.
    cuts = {cut for cut in cuts if 0 < cut < stamp.size and content[cut : cut + 3] != _BOM}
    return [Span(stamp, begin, end) for begin, end in pairwise([0, *sorted(cuts), stamp.size])]


def _next_line(content: FileContent, byte: int) -> int:
    """Return the first byte of the first line that begins at a byte or behind it."""
    start = max(0, byte - 1)
    while start < len(content):
        found = content[start : start + _BLOCK].find(b"\n")
        if found >= 0:
            return start + found + 1
        start += _BLOCK
    return len(content)
