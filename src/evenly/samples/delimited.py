"""CSV and TSV files: a header, and records that may span several lines."""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evenly.errors import RecordError
from evenly.samples.encoding import DELIMITERS, OTHER_DELIMITERS
from evenly.samples.lines import LineSamples, decode, line_bounds
from evenly.samples.rows import check_columns, check_unique
from evenly.samples.source import Source


class Delimited(LineSamples):
    """A .csv or .tsv file or stream whose first line names the columns.

    Quotes inside quoted fields are doubled (RFC 4180). The separator of a .csv file whose header
    has no comma may be a semicolon, a tab or a bar. All values are strings; blank lines are
    skipped. Opening the file checks all of it.

    Raises:
        RecordError: a record has too few or too many fields or an open quote, or is not UTF-8.
        ColumnError: two columns have the same name.
    """

    def __init__(self, source: Source, format: str) -> None:
        super().__init__(source, format)
        self._delimiter = DELIMITERS[format]
        starts, ends = line_bounds(source.content)
        spans = self._spans(starts, ends)
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        self._starts = starts[bounds[:, 0]]
        self._ends = ends[bounds[:, 1]]
        self._line_numbers = bounds[:, 0] + 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of the header."""
        return self._columns or ()

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read several columns in one pass; every record has all columns."""
        if len(self):
            check_columns(names, self.columns, self.origin)
        places = [self.columns.index(name) for name in names if name in self.columns]
        values: list[list[object]] = [[] for _ in names]
        self.check_unchanged()
        with _long_fields():
            for row in range(len(self)):
                fields = self._fields(row)
                for place, column in zip(places, values, strict=True):
                    column.append(fields[place])
        return values

    def _spans(self, starts: Any, ends: Any) -> list[tuple[int, int]]:
        """Return the first and last line (from 0) of every record, and check each record."""
        spans: list[tuple[int, int]] = []
        next_line = 0
        lines = self._decoded_lines(starts, ends)
        with _long_fields():
            for fields, last in self._read(lines):
                first, next_line = next_line, last + 1
                if not fields:
                    continue
                if self._columns is None:
                    self._columns = check_unique(fields, self.origin)
                    self.preamble = self.source.content[starts[first] : ends[last]] + b"\n"
                else:
                    self._check_width(fields, first)
                    spans.append((first, last))
        return spans

    def _decoded_lines(self, starts: Any, ends: Any) -> Iterator[str]:
        content = self.source.content
        for number, (start, end) in enumerate(
            zip(starts.tolist(), ends.tolist(), strict=True), start=1
        ):
            line = decode(content[start : end + 1], f"{self.origin}, line {number}")
            if number == 1:
                self._delimiter = _delimiter(line, self._delimiter)
            yield line

    def _read(self, lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
        """Yield the fields of each record and the number (from 0) of its last line."""
        first = next(lines, None)
        if first is None:
            return
        reader = csv.reader(_chain(first, lines), delimiter=self._delimiter, strict=True)
        start = 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise RecordError(
                    f"{self.origin}, line {start}: the record cannot be parsed: {error}."
                ) from error
            yield fields, reader.line_num - 1
            start = reader.line_num + 1

    def _check_width(self, fields: list[str], line: int) -> None:
        if len(fields) != len(self.columns):
            raise RecordError(
                f"{self.origin}, line {line + 1}: the record has {len(fields)} field(s), but the "
                f"header has {len(self.columns)} ({', '.join(self.columns)})."
            )

    def _parse(self, row: int) -> dict[str, Any]:
        with _long_fields():
            return dict(zip(self.columns, self._fields(row), strict=True))

    def _fields(self, row: int) -> list[str]:
        return next(csv.reader([self._text(row)], delimiter=self._delimiter, strict=True))


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(header: str, usual: str) -> str:
    """Return the separator of a header: the usual one unless only another one occurs."""
    bare = re.sub(r'"[^"]*("|$)', "", header)
    if usual != "," or usual in bare:
        return usual
    return next((mark for mark in OTHER_DELIMITERS if mark in bare), usual)


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Lift the limit of the csv module, which rejects fields over 131,072 characters."""
    usual = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(usual)
