"""Encodes records as JSON, JSON Lines, CSV, TSV and parquet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from evenly.atomic import atomic_write
from evenly.errors import MissingExtraError, OutputError
from evenly.samples.compression import Unclosed, compressed
from evenly.samples.formats import output_format

DELIMITERS = {"csv": ",", "tsv": "\t"}

# Possible separators of a .csv file whose header has no comma.
OTHER_DELIMITERS = ";\t|"


@contextlib.contextmanager
def open_output(
    path: str | os.PathLike[str], *, force: bool = False
) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the format that the suffix of `path` denotes, and a stream that writes the file.

    The file is written atomically, and compressed if its suffix ends in .gz, .bz2, .xz or .zst.
    """
    format, compression = output_format(path)
    with atomic_write(path, force=force) as file:
        if compression is None:
            yield format, file
            return
        with compressed(file, compression, os.fspath(path)) as packed:
            yield format, packed


def write_records(
    format: str, stream: BinaryIO, records: Iterable[Any], columns: Sequence[str]
) -> None:
    """Write records as "jsonl", "json", "csv", "tsv" or "txt".

    In CSV and TSV, None becomes an empty field and other values become JSON.

    Raises:
        OutputError: the format cannot hold a value.
    """
    if format == "jsonl":
        for record in records:
            stream.write(_json(record) + b"\n")
    elif format == "json":
        _write_array(stream, records)
    elif format == "txt":
        for record in records:
            stream.write(_text_line(record))
    else:
        # Quotes keep a semicolon in a name from being read as a separator.
        quoted = any(mark in name for name in columns for mark in OTHER_DELIMITERS)
        stream.write(delimited_line(columns, DELIMITERS[format], quoted=quoted))
        for record in records:
            fields = [_field(record.get(name)) for name in columns]
            stream.write(delimited_line(fields, DELIMITERS[format]))


def write_tables(stream: BinaryIO, schema: Any, tables: Iterable[Any]) -> None:
    """Write pyarrow Tables of one schema as one parquet file, one table at a time.

    Raises:
        OutputError: parquet cannot hold the type of a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetWriter(Unclosed(stream), schema) as writer:
            for table in tables:
                writer.write_table(table)
    except pa.ArrowException as error:
        raise OutputError(
            f"parquet cannot hold these records: {error}. Write .jsonl instead."
        ) from error


def plain_json(value: object) -> bytes:
    """Return one line of JSON that represents a `value` of any type in a hash."""
    return json.dumps(value, default=_any_value, skipkeys=True).encode() + b"\n"


def delimited_line(fields: Sequence[str], delimiter: str, *, quoted: bool = False) -> bytes:
    """Return one line of CSV, including its newline."""
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
        raise OutputError(
            f"CSV cannot hold half a character (a lone surrogate), which occurs in {text[:60]!r}. "
            "Write .jsonl instead."
        ) from error


def _write_array(stream: BinaryIO, records: Iterable[Any]) -> None:
    """Write a JSON array with one record per line."""
    stream.write(b"[")
    separator = b"\n"
    for record in records:
        stream.write(separator + _json(record))
        separator = b",\n"
    stream.write(b"\n]\n")


def _json(record: Any) -> bytes:
    value = dict(record) if isinstance(record, Mapping) else record
    try:
        return json.dumps(value, ensure_ascii=False, default=_json_value).encode()
    except UnicodeEncodeError:
        # UTF-8 cannot encode a lone surrogate, but JSON can escape it.
        return json.dumps(value, default=_json_value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(
            f"JSON cannot hold the record {str(record)[:60]!r}: {error}. Convert its keys and "
            "values to strings, numbers, lists and dicts."
        ) from error


def _json_value(value: Any) -> object:
    """Convert a value of another library to one that JSON can hold."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    if isinstance(value, Mapping):
        return dict(value)
    raise OutputError(
        f"JSON cannot hold a value of type {type(value).__name__}. Write .parquet instead."
    )


def _any_value(value: Any) -> object:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    try:
        return _json_value(value)
    except OutputError:
        # Not the repr, which may contain an address that differs from run to run.
        return f"<{type(value).__name__}>"


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


def _field(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value).decode()


def require_pyarrow(purpose: str) -> Any:
    """Import pyarrow, or raise MissingExtraError with the command that installs it."""
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", purpose) from error
    return pyarrow


def table_of_records(records: Sequence[Any], columns: Sequence[str]) -> Any:
    """Convert dicts to a pyarrow Table; missing keys become null.

    Raises:
        OutputError: a column mixes types; the message names the column.
    """
    pa = require_pyarrow("writing parquet")
    arrays = []
    for name in columns:
        try:
            arrays.append(pa.array([record.get(name) for record in records]))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise OutputError(
                f"parquet cannot hold the column {name!r}: {error}. Write .jsonl instead."
            ) from error
    return pa.table(arrays, names=list(columns))
