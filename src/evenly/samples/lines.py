"""Lines, each an object (JSON Lines) or a text: located by offset, parsed on demand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import RecordError
from evenly.samples.base import RecordSamples
from evenly.samples.encoding import warn_of_nulls
from evenly.samples.json_values import json_record
from evenly.samples.rows import RowNumbers, row_numbers
from evenly.samples.source import Content, Source

_BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 24
# Records that are read together when all are.
_READ_BYTES = 1 << 20
_NEWLINE = ord("\n")
_DECODE = json.JSONDecoder().raw_decode
_JSON_SPACE = " \t\n\r"


def line_bounds(content: Content) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the byte offsets of the start and of the newline of each physical line (int64).

    A byte order mark is not part of the first line; the last line may lack a newline.
    """
    found = [np.flatnonzero(part == _NEWLINE) + start for start, part in _blocks(content)]
    ends = np.concatenate([*found, np.empty(0, dtype=np.int64)]).astype(np.int64)
    first = len(_BOM) if content[: len(_BOM)] == _BOM else 0
    last = int(ends[-1]) + 1 if len(ends) else first
    if last < len(content):
        ends = np.append(ends, len(content))
    starts = np.concatenate([[first], ends[:-1] + 1])[: len(ends)]
    return starts.astype(np.int64), ends


def _blocks(content: Content) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield the content a block at a time, each with its offset."""
    for start in range(0, len(content), _BLOCK_BYTES):
        yield start, np.frombuffer(content[start : start + _BLOCK_BYTES], dtype=np.uint8)


class LineSamples(RecordSamples):
    """Records that consist of whole lines of a text file, and can be copied byte by byte.

    Subclasses set `_starts`, `_ends` and `_line_numbers` (all (n,)): record i consists of the
    bytes content[_starts[i]:_ends[i]] and a newline, and starts on that line (from 1).
    """

    preamble = b""
    _source: Source

    def __init__(self, source: Source, format: str) -> None:
        self._source = source
        self.origin = source.name
        self.format = format
        self._starts = self._ends = self._line_numbers = np.empty(0, dtype=np.int64)

    def _find_lines(self, before: int) -> None:
        """Find the lines that are not blank, of which each is a record."""
        content = self._source.content
        starts, ends = line_bounds(content)
        kept = _not_blank(content, starts, ends)
        self._starts, self._ends, self._line_numbers = starts[kept], ends[kept], before + kept + 1

    def __len__(self) -> int:
        return len(self._starts)

    def locate(self, row: int) -> str:
        """Return the file and the line, from 1, on which the record starts."""
        return f"{self.origin}, line {self._line_numbers[row]}"

    def raw(self, row: int) -> bytes:
        """Return the bytes of the record in the file, including its newline."""
        return self._source.content[self._starts[row] : self._ends[row]] + b"\n"

    def copy(self, row: int) -> bytes:
        """Return the bytes of the record in a new file of the same format."""
        return self.raw(row)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the records, parsing each from its bytes."""
        self.check_unchanged()
        if rows is None:
            for row, raw in enumerate(self._all()):
                yield self._parse(row, raw)
            return
        for row in row_numbers(rows, len(self)).tolist():
            yield self._parse(row, self.raw(row))

    def _all(self) -> Iterator[bytes]:
        """Yield the bytes of each record as `raw` does, and read many at once."""
        begin = 0
        while begin < len(self):
            offset = self._starts[begin]
            end = max(begin + 1, int(np.searchsorted(self._ends, offset + _READ_BYTES)))
            starts, ends = self._starts[begin:end] - offset, self._ends[begin:end] - offset
            block = self._source.content[offset : self._ends[end - 1]]
            for start, stop in zip(starts.tolist(), ends.tolist(), strict=True):
                yield block[start:stop] + b"\n"
            begin = end

    def _parse(self, row: int, raw: bytes) -> dict[str, Any]:
        """Return a record from its bytes."""
        raise NotImplementedError

    def headers(self) -> list[bytes | None]:
        """Return what precedes the records in the file."""
        return [self.preamble]

    def copies(self, rows: RowNumbers) -> Iterator[bytes]:
        """Yield the bytes of records in a new file of the same format."""
        return map(self.copy, rows.tolist())

    def _text(self, row: int, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return decode(raw, self.locate(row))  # raises the error that names the place


class JsonLines(LineSamples):
    """A .jsonl file or stream. Blank lines are skipped, but count as lines.

    Lines are parsed when columns or records are read, so a malformed line raises only then.
    `before` is the number of lines in the file before those of the source.
    """

    def __init__(self, source: Source, before: int = 0) -> None:
        super().__init__(source, "jsonl")
        self._find_lines(before)

    def _parse(self, row: int, raw: bytes) -> dict[str, Any]:
        text = self._text(row, raw)
        try:
            record = _loads(text)
        except json.JSONDecodeError as error:
            raise RecordError(
                f"{self.locate(row)}: invalid JSON: {error.msg} at character {error.colno}."
            ) from error
        except (ValueError, RecursionError) as error:
            # Too many digits or too deeply nested brackets.
            raise RecordError(f"{self.locate(row)}: cannot be parsed: {error}.") from error
        if not isinstance(record, dict):
            raise RecordError(
                f"{self.locate(row)}: a JSON {json_kind(record)} instead of an object such as "
                '{"text": ...}.'
            )
        return record

    def copy(self, row: int) -> bytes:
        """Return the bytes of the record, with null for NaN and Infinity, which are not JSON."""
        raw = self.raw(row)
        if b"NaN" not in raw and b"Infinity" not in raw:
            return raw
        replaced: set[str] = set()
        line = json_record(self._parse(row, raw), replaced)
        if not replaced:
            return raw
        warn_of_nulls(replaced)
        return line + b"\n"


class TextLines(LineSamples):
    """A .txt file or stream: one text a line, in the column "text". Blank lines are skipped.

    `before` is that of `JsonLines`.
    """

    _columns = ("text",)

    def __init__(self, source: Source, before: int = 0) -> None:
        super().__init__(source, "txt")
        self._find_lines(before)

    def _parse(self, row: int, raw: bytes) -> dict[str, Any]:
        return {"text": self._text(row, raw).removesuffix("\n").removesuffix("\r")}


def _not_blank(
    content: Content, starts: npt.NDArray[Any], ends: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return the numbers of the lines that are not blank."""
    # Nearly all lines begin with "{"; only the others need to be checked one by one.
    filled = np.zeros(len(starts), dtype=bool)
    for offset, part in _blocks(content):
        first, last = np.searchsorted(starts, [offset, offset + len(part)])
        filled[first:last] = part[starts[first:last] - offset] > ord(" ")
    for line in np.flatnonzero(~filled & (ends > starts)).tolist():
        filled[line] = bool(content[starts[line] : ends[line]].strip())
    return np.flatnonzero(filled & (ends > starts))


def _loads(text: str) -> Any:
    """Do what `json.loads` does, in half the time for an object without space before it."""
    if text.startswith("{"):
        record, end = _DECODE(text)
        if not text[end:].strip(_JSON_SPACE):
            return record
    return json.loads(text)


def decode(raw: bytes, where: str) -> str:
    """Decode UTF-8, or raise RecordError with `where` and the position of the invalid byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{where}: invalid UTF-8: byte {error.start + 1} is 0x{raw[error.start]:02x} "
            f"({error.reason}). Save the file as UTF-8."
        ) from error


def json_kind(value: object) -> str:
    """Return the name of a parsed value's type in the JSON standard."""
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", int: "number", float: "number", list: "array"}
    return "null" if value is None else names.get(type(value), "object")
