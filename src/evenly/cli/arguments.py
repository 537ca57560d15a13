"""Turn the words of a command line into arguments of the library."""

from __future__ import annotations

import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Any

import click

from evenly.cli.streams import standard_input
from evenly.errors import DataError
from evenly.options import EncoderOptions, declared

# Python reads no longer numbers; no data set has as many rows.
_MOST_DIGITS = 4000


def data_or_stdin(data: str | None) -> Any:
    """Return the DATA of a command; - is standard input."""
    return standard_input() if data == "-" else data


def library_options(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a command as the library takes them."""
    rest = dict(options)
    own = {name: rest.pop(name) for name in declared(EncoderOptions) if name in rest}
    if own:
        defaults = {name: field.default for name, (field, _) in declared(EncoderOptions).items()}
        changed = {name: value for name, value in own.items() if value != defaults[name]}
        rest["encoder_options"] = changed
    if rest.pop("no_cache", False):
        rest["cache_dir"] = False
    if "vectors" in rest:
        rest["vectors"] = _vectors(rest["vectors"], rest.pop("vectors_column"))
    by_id = rest.get("id_column") is not None
    for name in ("id_column", "groups", "costs", "quality"):
        if name in rest:
            rest[name] = column_or_array(rest[name])
    for name in ("include", "exclude"):
        if name in rest:
            rest[name] = rows_or_ids(rest[name], by_id=by_id)
    if "away_from" in rest:
        rest["away_from"] = data_or_rows(rest["away_from"], by_id=by_id)
    return {**rest, "progress": ctx.obj}


def _vectors(path: str | None, column: str | None) -> Any:
    """Return the vectors of the rows as the library takes them: a path, or a column."""
    if path is not None and column is not None:
        raise click.UsageError("--vectors and --vectors-column both name the vectors; give one.")
    return column if path is None else Path(path)


def given(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of `library_options` that were written on the command line."""

    def was_given(name: str) -> bool:
        source = ctx.get_parameter_source(name)
        return source not in (None, click.core.ParameterSource.DEFAULT)

    sources = {
        "encoder_options": tuple(declared(EncoderOptions)),
        "cache_dir": ("cache_dir", "no_cache"),
        "refine": ("refine", "refine_seconds"),
        "vectors": ("vectors", "vectors_column"),
    }
    return {
        name: value
        for name, value in options.items()
        if any(was_given(option) for option in sources.get(name, (name,)))
    }


def read_row_numbers(path: str) -> Any:
    """Read a result from a manifest, or row numbers from .npy or from text with one a line.

    Raises:
        DataError: a line is not a row number, or the array cannot be read.
        ManifestError: the manifest is damaged.
    """
    if path.endswith(".json"):
        return _load_result(path)
    if path.endswith(".npy"):
        return _array(path)
    rows = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            try:
                rows.append(int(line))
            except ValueError:
                shown = line if len(line) < 60 else f"{line[:60]}…"
                raise DataError(f"{path}, line {number}: {shown!r} is not a row number.") from None
    return rows


def _lines(path: str) -> list[str]:
    """Return the lines of a text file in UTF-8, or in UTF-16 as PowerShell writes it."""
    from evenly.samples.source import open_file

    content = open_file(path).content[:]
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding).splitlines()
    except UnicodeError as error:
        raise DataError(
            f"{path} is not a text file: {error}. Write one row a line, in UTF-8."
        ) from None


def _load_result(path: str) -> Any:
    """Load the manifest of a selection, a deduplication or a stream selection."""
    from evenly.samples.source import open_file
    from evenly.selection import Selection
    from evenly.selection.results.deduplication import Deduplication
    from evenly.selection.results.stream import StreamSelection

    beginning = open_file(path).content[:200]
    for kind in (Deduplication, StreamSelection):
        if f'"{kind.codec.format}"'.encode() in beginning:
            return kind.load(path)
    return Selection.load(path)


def rows_or_ids(value: str | None, *, by_id: bool) -> Any:
    """Return the rows that a word names: those of a file, or those it lists with commas.

    The file is a manifest, a .npy array, or text with one row a line; ids stay strings.

    Raises:
        DataError, ManifestError: the file is damaged.
    """
    if value is None:
        return None
    is_file = _is_file(value)
    if is_file and value.endswith((".json", ".npy")):
        return read_row_numbers(value)
    names = _lines(value) if is_file else value.split(",")
    named = [name.strip() for name in names if name.strip()]
    # Without ids, a word that is not a number is for the library to reject.
    whole = not by_id and all(
        name.removeprefix("-").isdecimal() and len(name) <= _MOST_DIGITS for name in named
    )
    return [int(name) for name in named] if whole else named


def data_or_rows(value: str | None, *, by_id: bool) -> Any:
    """Return what a word says to keep away from: the path of data, or rows of the data."""
    if value is None:
        return None
    if value.endswith(".npy") and _is_file(value):
        rows = _array(value)
        return rows if rows.ndim == 1 else value
    if _is_file(value):
        return rows_or_ids(value, by_id=by_id) if value.endswith(".txt") else value
    listed = all(name.strip().isdecimal() for name in value.split(","))
    return rows_or_ids(value, by_id=by_id) if listed or (by_id and "," in value) else value


def column_or_array(value: str | None) -> Any:
    """Return the name of a column, or the values of a .npy file, one for each row."""
    if value is None or not (value.endswith(".npy") and _is_file(value)):
        return value
    return _array(value)


def _is_file(value: str) -> bool:
    return os.path.isfile(value)  # noqa: PTH113 - a Path raises if the value is a long list


def _array(path: str) -> Any:
    import numpy as np

    from evenly.samples.source import FileStamp, guarded

    FileStamp.of(path)
    with guarded(path, ".npy file of an array"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        # A long array, which may be data, stays on disk; one of a value a row is read at once,
        # because reading a mapped file that has shrunk kills the process.
        return np.array(array) if array.ndim == 1 else array
