"""The file formats, and the suffixes that denote them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import PurePath

from evenly.errors import DataError, MissingExtraError, OptionError, OutputError
from evenly.paths import is_url, refuse_url
from evenly.samples.compression import COMPRESSIONS

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".parquet": "parquet",
    ".npy": "npy",
    ".safetensors": "safetensors",
}
FILE_FORMATS = tuple(dict.fromkeys(_BY_SUFFIX.values()))
# The other formats need a seekable file, and do their own compression or none.
STREAM_FORMATS = ("jsonl", "json", "csv", "tsv", "txt")
_ALLOWED = (
    f".jsonl, .ndjson, .json, .csv, .tsv, .txt (each also with {', '.join(COMPRESSIONS)}), "
    ".parquet, .npy, .safetensors"
)


def split_suffix(path: str | os.PathLike[str]) -> tuple[str | None, str | None]:
    """Return the format that the suffix of `path` denotes and its compression; None if unknown."""
    name = PurePath(path)
    if is_url(os.fspath(path)):  # zip://train.jsonl::s3://bucket/data.zip
        name = PurePath(os.fspath(path).partition("::")[0])
    compression = COMPRESSIONS.get(name.suffix.lower())
    if compression is not None:
        name = name.with_suffix("")
    found = _BY_SUFFIX.get(name.suffix.lower())
    if compression is not None and found not in STREAM_FORMATS:
        return None, compression
    return found, compression


def check_format(format: str, allowed: tuple[str, ...]) -> str:
    """Return `format`, or raise OptionError with the list of `allowed` formats."""
    if format not in allowed:
        raise OptionError(f"format must be one of {', '.join(allowed)}, got {format!r}.")
    return format


def input_format(path: str | os.PathLike[str], format: str | None) -> tuple[str, str | None]:
    """Return the format in which to read `path`, and its compression, None for none.

    `format` takes precedence over the suffix.

    Raises:
        DataError: the suffix is unknown; the message lists the known ones.
        OptionError: `format` is not one of FILE_FORMATS.
    """
    found, compression = split_suffix(path)
    if format is not None:
        return check_format(format, FILE_FORMATS), compression
    if found is None:
        raise DataError(
            f"cannot determine the format of {os.fspath(path)} from its suffix. Known suffixes: "
            f"{_ALLOWED}. Rename the file."
        )
    return found, compression


def output_format(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Return the format in which to write `path`, and its compression, None for none.

    Raises:
        OutputError: the suffix is unknown; the message lists the known ones.
        MissingExtraError: the package that writes it is not installed.
    """
    refuse_url(path)
    found, compression = split_suffix(path)
    if found is None:
        raise OutputError(
            f"cannot determine the output format from the suffix of {os.fspath(path)}. "
            f"Use one of the suffixes {_ALLOWED}."
        )
    for extra in ("parquet", "zstd"):
        if extra in (found, compression) and importlib.util.find_spec("pyarrow") is None:
            raise MissingExtraError("pyarrow", extra, f"writing {os.fspath(path)}")
    return found, compression
