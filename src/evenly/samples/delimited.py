"""CSV and TSV files: a header, and records that may span several lines."""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from evenly.errors import RecordError
from evenly.samples.encoding import DELIMITERS, OTHER_DELIMITERS
from evenly.samples.lines import LineSamples, decode, line_bounds
from evenly.samples.rows import check_columns, check_unique
from evenly.samples.source import Source
from evenly.tables import count


class Delimited(LineSamples):
    """A .csv or .tsv file or stream whose first line names the columns.

    Quotes inside quoted fields are doubled (RFC 4180). The separator of a .csv file whose header
    has no comma may be a semicolon, a tab or a bar. All values are strings; blank lines are
    skipped. Opening the file checks all of it.

    Raises:
        RecordError: a record has too few or too many fields or an open quote, or is not UTF-8.
        ColumnError: two columns have the same name.
    """

    _columns: tuple[str, ...] = ()

    def __init__(self, source: Source, format: str) -> None:
        super().__init__(source, format)
        starts, ends = line_bounds(source.content)
        bounds = np.array(self._spans(starts, ends), dtype=np.int64).reshape(-1, 2)
        self._starts = starts[bounds[:, 0]]
        self._ends = ends[bounds[:, 1]]
        self._line_numbers = bounds[:, 0] + 1

    def iter_columns(
        self, names: Sequence[str], absent: object = None
    ) -> Iterator[tuple[object, ...]]:
        """Yield the values of columns, record by record; every record has all columns."""
        if len(self):
            check_columns(names, self.columns, self.origin)
        places = [self.columns.index(name) for name in names if name in self.columns]
        self.check_unchanged()
        for row, raw in enumerate(self._all()):
            with _long_fields():
                fields = self._fields(row, raw)
            yield tuple([fields[place] for place in places])

    def _spans(self, starts: Any, ends: Any) -> list[tuple[int, int]]:
        """Return the first and last line (from 0) of every record, and check each record."""
        spans: list[tuple[int, int]] = []
        next_line = 0
        with _long_fields():
            for fields, last in self._read(starts, ends):
                first, next_line = next_line, last + 1
                if not fields:
                    continue
                if not self.columns:
                    self._columns = check_unique(fields, self.origin)
                    self.preamble = self._source.content[starts[first] : ends[last]] + b"\n"
                    continue
                if len(fields) != len(self.columns):
                    raise RecordError(
                        f"{self.origin}, line {first + 1}: the record has "
                        f"{count(len(fields), 'field')}, "
                        f"but the header has {len(self.columns)} ({', '.join(self.columns)})."
                    )
                spans.append((first, last))
        return spans

    def _read(self, starts: Any, ends: Any) -> Iterator[tuple[list[str], int]]:
        """Yield the fields of each record and the number (from 0) of its last line."""
        lines = self._decoded_lines(starts, ends)
        header = next(lines, "")
        self._delimiter = _delimiter(header, DELIMITERS[self.format])
        reader = csv.reader(chain([header], lines), delimiter=self._delimiter, strict=True)
        start = 1
        try:
            for fields in reader:
                yield fields, reader.line_num - 1
                start = reader.line_num + 1
        except csv.Error as error:
            raise RecordError(
                f"{self.origin}, line {start}: the record cannot be parsed: {error}."
            ) from error

    def _decoded_lines(self, starts: Any, ends: Any) -> Iterator[str]:
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        for number, (start, end) in enumerate(spans, start=1):
            line = self._source.content[start : end + 1]
            yield decode(line, f"{self.origin}, line {number}")

    def _parse(self, row: int, raw: bytes) -> dict[str, Any]:
        with _long_fields():
            return dict(zip(self.columns, self._fields(row, raw), strict=True))

    def _fields(self, row: int, raw: bytes) -> list[str]:
        text = self._text(row, raw)
        return next(csv.reader([text], delimiter=self._delimiter, strict=True))


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
