"""The file formats, and the suffixes that denote them."""

from __future__ import annotations

import os
from pathlib import PurePath

from evenly.errors import DataError, OptionError, OutputError

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".npy": "npy",
    ".safetensors": "safetensors",
}
FILE_FORMATS = tuple(dict.fromkeys(_BY_SUFFIX.values()))
# The other formats need a seekable file, and do their own compression or none.
STREAM_FORMATS = ("jsonl", "json", "csv", "tsv")
_ALLOWED = ".jsonl, .ndjson, .json, .csv, .tsv (each also with .gz), .parquet, .npy, .safetensors"


def split_suffix(path: str | os.PathLike[str]) -> tuple[str | None, bool]:
    """Return the format that the suffix of `path` denotes, or None, and whether it is gzip."""
    name = PurePath(path)
    compressed = name.suffix.lower() == ".gz"
    if compressed:
        name = name.with_suffix("")
    found = _BY_SUFFIX.get(name.suffix.lower())
    if compressed and found not in STREAM_FORMATS:
        return None, True
    return found, compressed


def check_format(format: str, allowed: tuple[str, ...]) -> str:
    """Return `format`, or raise OptionError with the list of `allowed` formats."""
    if format not in allowed:
        raise OptionError(f"format must be one of {', '.join(allowed)}, got {format!r}.")
    return format


def input_format(path: str | os.PathLike[str], format: str | None) -> tuple[str, bool]:
    """Return the format in which to read `path`, and whether it is gzip.

    `format` takes precedence over the suffix.

    Raises:
        DataError: the suffix is unknown; the message lists the known ones.
        OptionError: `format` is not one of FILE_FORMATS.
    """
    found, compressed = split_suffix(path)
    if format is not None:
        return check_format(format, FILE_FORMATS), compressed
    if found is None:
        raise DataError(
            f"cannot determine the format of {os.fspath(path)} from its suffix. Known suffixes: "
            f"{_ALLOWED}. Rename the file, or pass format= with one of {', '.join(FILE_FORMATS)}."
        )
    return found, compressed


def output_format(path: str | os.PathLike[str]) -> tuple[str, bool]:
    """Return the format in which to write `path`, and whether to compress it.

    Raises:
        OutputError: the suffix is unknown; the message lists the known ones.
    """
    found, compressed = split_suffix(path)
    if found is None:
        raise OutputError(
            f"cannot determine the output format from the suffix of {os.fspath(path)}. "
            f"Use one of the suffixes {_ALLOWED}."
        )
    return found, compressed
