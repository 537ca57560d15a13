"""Rows that a file names: the manifest of a result, or row numbers or ids."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError
from evenly.paths import expand
from evenly.samples.source import FileStamp, guarded, open_file
from evenly.selection.results.base import Result
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.selection import SelectionData
from evenly.selection.results.stream import StreamSelection

# Python reads no longer numbers; no data set has as many rows.
_MOST_DIGITS = 4000


def rows_in_file(path: str | PathLike[str], *, by_id: bool) -> Any:
    """Return what a file names rows by: a result, an array, or a list of numbers or of ids.

    Args:
        path: a manifest, a .npy array, or text with one row a line.
        by_id: whether the lines of a text are ids, which stay strings.

    Raises:
        DataError: the file cannot be read, or a line of it is not a row number.
        ManifestError: the manifest is damaged.
    """
    name = expand(path)
    if name.endswith(".json"):
        return load_result(name)
    if name.endswith(".npy"):
        return read_array(name)
    lines = [(number, line.strip()) for number, line in enumerate(lines_of(name), start=1)]
    named = [(number, line) for number, line in lines if line]
    if not by_id:
        for number, line in named:
            if not is_row_number(line):
                shown = line if len(line) < 60 else f"{line[:60]}…"
                raise DataError(
                    f"{name}, line {number}: {shown!r} is not a row number. If it is an id, "
                    "name the column of the ids: id_column=…"
                )
    return [line if by_id else int(line) for _, line in named]


def is_row_number(word: str) -> bool:
    """Whether a word is a whole number, which may be out of range."""
    return word.removeprefix("-").isdecimal() and len(word) <= _MOST_DIGITS


def begins_with_row_number(path: str) -> bool:
    """Whether the first line of a text that is not empty is a row number, or there is none."""
    first = next((line for line in lines_of(path) if line.strip()), "0")
    return is_row_number(first.strip())


def is_manifest(path: str | PathLike[str]) -> bool:
    """Whether a path is that of one JSON object: data would be a JSON array."""
    name = expand(path)
    if not name.endswith(".json"):
        return False
    try:
        with Path(name).open("rb") as file:
            return file.read(1) == b"{"
    except (OSError, ValueError):
        return False


def load_result(path: str | PathLike[str]) -> Result:
    """Load the manifest of a selection, a deduplication or a stream selection."""
    name = expand(path)
    beginning = open_file(name).content[:200]
    for kind in (Deduplication, StreamSelection):
        if f'"{kind.codec.format}"'.encode() in beginning:
            return kind.load(name)
    return SelectionData.load(name)


def read_array(path: str) -> npt.NDArray[Any]:
    """Return the array of a .npy file.

    A long array, which may be data, stays on disk; one of a value a row is read at once, because
    reading a mapped file that has shrunk kills the process.
    """
    FileStamp.of(path)
    with guarded(path, ".npy file of an array"):
        array = np.lib.format.open_memmap(path, mode="r")
        return np.array(array) if array.ndim == 1 else array


def lines_of(path: str) -> list[str]:
    """Return the lines of a text file in UTF-8, or in UTF-16 as PowerShell writes it."""
    content = open_file(path).content[:]
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding).splitlines()
    except UnicodeError as error:
        raise DataError(
            f"{path} is not a text file: {error}. Write one row a line, in UTF-8."
        ) from None
