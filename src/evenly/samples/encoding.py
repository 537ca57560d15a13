"""Encodes records as JSON, JSON Lines, CSV, TSV and text."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from evenly.atomic import Companion, atomic_write
from evenly.errors import OutputError
from evenly.samples.compression import compressed
from evenly.samples.formats import output_format
from evenly.samples.json_values import json_field, json_record
from evenly.samples.rows import check_names

_log = logging.getLogger("evenly")

DELIMITERS = {"csv": ",", "tsv": "\t"}

# Possible separators of a .csv file whose header has no comma.
OTHER_DELIMITERS = ";\t|"


@contextlib.contextmanager
def open_output(
    path: str | os.PathLike[str], *, force: bool = False, companion: Companion | None = None
) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the format that the suffix of `path` denotes, and a stream that writes the file.

    The file is written atomically (see `atomic_write`), and compressed if its suffix ends in .gz,
    .bz2, .xz or .zst.
    """
    format, compression = output_format(path)
    with atomic_write(path, force=force, companion=companion) as file:
        if compression is None:
            yield format, file
            return
        with compressed(file, compression, os.fspath(path)) as packed:
            yield format, packed


def write_records(
    format: str, stream: BinaryIO, records: Iterable[Any], columns: Sequence[str]
) -> None:
    """Write records as `encode_records` does, and warn of numbers that became null.

    Raises:
        OutputError: the format cannot hold a value; the message names the column.
    """
    replaced: set[str] = set()
    for part in encode_records(format, records, columns, replaced):
        stream.write(part)
    if replaced:
        warn_of_nulls(replaced)


def encode_records(
    format: str, records: Iterable[Any], columns: Sequence[str], replaced: set[str]
) -> Iterator[bytes]:
    """Yield the bytes of records as "jsonl", "json", "csv", "tsv" or "txt".

    In CSV and TSV, None becomes an empty field, and lists and dicts become JSON. JSON has no NaN
    and no infinite numbers; they become null, and `replaced` gets the names of their columns.

    Raises:
        OutputError: the format cannot hold a value; the message names the column.
    """
    if format == "jsonl":
        for record in records:
            yield json_record(record, replaced) + b"\n"
    elif format == "json":
        yield from _array(records, replaced)
    elif format == "txt":
        yield from map(_text_line, records)
    else:
        # Quotes keep a semicolon in a name from being read as a separator.
        quoted = any(mark in name for name in columns for mark in OTHER_DELIMITERS)
        yield delimited_line(columns, DELIMITERS[format], quoted=quoted)
        for record in records:
            check_names(record, format)
            fields = [json_field(name, record.get(name), replaced) for name in columns]
            yield delimited_line(fields, DELIMITERS[format], columns)


def warn_of_nulls(columns: set[str]) -> None:
    """Warn that numbers in these columns became null."""
    noun = "column" if len(columns) == 1 else "columns"
    _log.warning(
        "JSON has no NaN and no infinite numbers: written as null in the %s %s",
        noun,
        ", ".join(sorted(columns)),
    )


def delimited_line(
    fields: Sequence[str], delimiter: str, columns: Sequence[str] = (), *, quoted: bool = False
) -> bytes:
    """Return one line of CSV, including its newline; errors name the column of a field."""
    line = io.StringIO(newline="")
    # Older csv modules quote a line break only if it is part of the line terminator.
    writer = csv.writer(
        line,
        delimiter=delimiter,
        lineterminator="\r\n",
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow(fields)
    text = line.getvalue()[:-2] + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        number, field = next(
            (number, field)
            for number, field in enumerate(fields)
            if not field.isascii() and field.encode(errors="replace").decode() != field
        )
        name = columns[number] if number < len(columns) else field
        raise OutputError(
            f"CSV cannot hold half a character (a lone surrogate), which occurs in the column "
            f"{name!r}: {field[:60]!r}. Write .jsonl instead."
        ) from error


def _array(records: Iterable[Any], replaced: set[str]) -> Iterator[bytes]:
    """Yield a JSON array with one record per line."""
    separator = b"[\n"
    for record in records:
        yield separator + json_record(record, replaced)
        separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[\n]\n"


def _text_line(record: Any) -> bytes:
    """Return one line of a .txt file: the text of a record that holds nothing else."""
    text = record.get("text")
    if list(record) != ["text"] or not isinstance(text, str) or not text.strip():
        raise OutputError(
            f".txt holds one text a line, but a record is {str(dict(record))[:60]}. "
            "Write .jsonl instead."
        )
    if "\n" in text or "\r" in text:
        raise OutputError(
            f".txt holds one text a line, but a text has line breaks: {text[:60]!r}. "
            "Write .jsonl instead."
        )
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise OutputError(
            f".txt cannot hold half a character (a lone surrogate), which occurs in {text[:60]!r}. "
            "Write .jsonl instead."
        ) from error
