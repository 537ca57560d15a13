"""Compressed files: gzip, bzip2 and xz with the standard library, zstd with pyarrow."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import Any, BinaryIO

from evenly.errors import MissingExtraError

# Suffix -> the name of the compression.
COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}


def decompressed(file: BinaryIO, compression: str, path: str) -> Any:
    """Return a stream (a context manager) of what a compressed file holds.

    Raises:
        MissingExtraError: it is zstd, and pyarrow is not installed.
    """
    if compression == "gzip":
        return gzip.GzipFile(fileobj=file)
    if compression == "bzip2":
        return bz2.BZ2File(file)
    if compression == "xz":
        return lzma.LZMAFile(file)
    return require_pyarrow(f"reading {path}", "zstd").CompressedInputStream(file, "zstd")


def compressed(file: BinaryIO, compression: str, path: str) -> Any:
    """Return a stream (a context manager) whose bytes are written to a file compressed.

    The same bytes give the same file.

    Raises:
        MissingExtraError: it is zstd, and pyarrow is not installed.
    """
    if compression == "gzip":
        # Without date and name, writing the same rows twice gives identical files.
        return gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    if compression == "bzip2":
        return bz2.BZ2File(file, "wb")
    if compression == "xz":
        return lzma.LZMAFile(file, "wb")
    pyarrow = require_pyarrow(f"writing {path}", "zstd")
    unclosed = pyarrow.PythonFile(Unclosed(file), mode="w")
    return pyarrow.CompressedOutputStream(unclosed, "zstd")


class Unclosed:
    """A stream that stays open when pyarrow closes it."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.write = stream.write
        self.flush = stream.flush

    def close(self) -> None:
        """Flush the stream."""
        self.flush()


def require_pyarrow(purpose: str, extra: str = "parquet") -> Any:
    """Import pyarrow, or raise MissingExtraError with the command that installs it."""
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra, purpose) from error
    return pyarrow
