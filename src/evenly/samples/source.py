"""The bytes of an input file or stream, and a check that they have not changed."""

from __future__ import annotations

import gzip
import mmap
import os
import stat
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from evenly.errors import DataError

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 1 << 20


@dataclass(frozen=True)
class FileStamp:
    """Size and modification time of a file when it was opened, to detect changes."""

    path: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: str) -> FileStamp:
        """Return the stamp of the file currently at `path`."""
        try:
            found = Path(path).stat()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Raise DataError if the file at `path` is no longer the one that was opened.

        Rows are found by byte offsets, which are wrong in a rewritten file, and reading past
        the end of a mapped file that has shrunk kills the process.
        """
        if FileStamp.of(self.path) != self:
            raise DataError(
                f"{self.path} changed after it was opened, so row numbers may no longer be valid. "
                "Nothing was read or written. Open the file again and repeat the selection."
            )

    def feed(self, digest: _Hash) -> None:
        """Add the bytes of the file on disk to a hash."""
        self.check()
        with Path(self.path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)


@dataclass(frozen=True)
class Source:
    """Bytes from which records are read, and their name in messages.

    `content` is a memory map for plain files, which may be larger than memory, and bytes for
    compressed files and streams. `stamp` is None if there is no regular file.
    """

    name: str
    content: bytes | mmap.mmap
    stamp: FileStamp | None = None

    def feed(self, digest: _Hash) -> None:
        """Add the bytes to a hash; those of a compressed file as they are on disk."""
        if self.stamp is None:
            digest.update(self.content)
        else:
            self.stamp.feed(digest)

    def check(self) -> None:
        """Raise DataError if the file has changed since it was opened."""
        if self.stamp is not None:
            self.stamp.check()


def incomplete(path: str, kind: str, reason: object) -> str:
    """Return the message about a damaged file."""
    one_line = " ".join(str(reason).split()).rstrip(".")
    return f"{path} is not a complete {kind}: {one_line}. Copy it or write it again."


def open_file(path: str, *, compressed: bool) -> Source:
    """Open a file: as a memory map if plain, decompressed into memory if gzip.

    Raises:
        DataError: the file cannot be read, or is not complete gzip.
    """
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            # A named pipe can be read only once, and has neither a size nor a date.
            is_file = stat.S_ISREG(found.st_mode)
            stamp = FileStamp(path, found.st_size, found.st_mtime_ns) if is_file else None
            content = _content(file, mapped=is_file and found.st_size > 0, compressed=compressed)
            return Source(path, content, stamp)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(incomplete(path, "gzip file", error)) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from error


def _content(file: BinaryIO, *, mapped: bool, compressed: bool) -> bytes | mmap.mmap:
    if compressed:
        with gzip.GzipFile(fileobj=file) as unpacked:
            return unpacked.read()
    if mapped:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return file.read()


def read_stream(stream: BinaryIO) -> Source:
    """Read a binary stream to its end.

    Raises:
        DataError: the stream yields text instead of bytes.
    """
    binary: BinaryIO = getattr(stream, "buffer", stream)
    content = binary.read()
    if not isinstance(content, bytes):
        raise DataError(
            f"the stream yields {type(content).__name__}, not bytes. "
            "Open it in binary mode (mode='rb')."
        )
    is_stdin = binary is getattr(sys.stdin, "buffer", None)
    return Source("standard input" if is_stdin else "the stream", content)
