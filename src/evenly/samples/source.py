"""The bytes of an input file or stream, and a check that they have not changed."""

from __future__ import annotations

import hashlib
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from evenly.errors import DataError, EvenlyError
from evenly.memory import free_memory
from evenly.paths import is_remote
from evenly.samples.compression import decompressed
from evenly.samples.urls import copy_of, local

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 1 << 20
# Bytes read ahead when lines are read one after the other.
_AHEAD = 1 << 18
_SECONDS_FOR_A_WRITER = 10.0


@contextmanager
def guarded(name: str, kind: str, error: type[DataError] = DataError) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into one error with file and reason.

    Libraries raise errors of many classes on bytes that they did not expect, and other ones in
    each release, so all are caught.

    Args:
        name: the file, for the message.
        kind: what it should be, such as "parquet file".
        error: the class of the error.
    """
    try:
        yield
    except EvenlyError:
        raise
    except Exception as reason:
        raise error(incomplete(name, kind, reason)) from reason


def incomplete(path: str, kind: str, reason: object) -> str:
    """Return the message about a damaged file."""
    words = reason.strerror or reason if isinstance(reason, OSError) else reason
    one_line = " ".join(str(words).split()).rstrip(".")
    if isinstance(reason, Exception) and not one_line:
        one_line = type(reason).__name__
    return f"{path} is not a complete {kind}: {one_line[:300]}. Copy it or write it again."


@dataclass(frozen=True)
class FileStamp:
    """Size and modification time of a file when it was opened, to detect changes.

    Of a URL, the size of the copy, and the version of the file (`Copy.version`).
    """

    path: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: str) -> FileStamp:
        """Return the stamp of the file currently at `path`.

        Raises:
            DataError: it cannot be read, or is not a regular file.
        """
        found = cls.from_stat(path, _stat(local(path)))
        return replace(found, modified_ns=copy_of(path).version) if is_remote(path) else found

    @classmethod
    def from_stat(cls, path: str, found: os.stat_result) -> FileStamp:
        """Return the stamp of a file of which the status is known; raises like `of`."""
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path} is {_kind_of_file(found.st_mode)}, not a regular file.")
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Raise DataError if the file at `path` is no longer the one that was opened.

        Rows are found by byte offsets, which are wrong in a rewritten file.
        """
        if FileStamp.of(self.path) != self:
            raise DataError(
                f"{self.path} changed after it was opened, so row numbers may no longer be valid. "
                "Nothing was read or written. Open the file again and repeat the selection."
            )

    def shorter(self) -> DataError:
        """Return the error that the file ends before it should."""
        return DataError(f"{self.path} became shorter while it was read. Open it again.")

    def digest(self) -> bytes:
        """Return the sha256 of the bytes of the file on disk."""
        digest = hashlib.sha256()
        self.feed(digest)
        return digest.digest()

    def feed(self, digest: _Hash) -> None:
        """Add the bytes of the file on disk to a hash."""
        self.check()
        with Path(local(self.path)).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)


class FileContent:
    """Bytes of a file that may be larger than memory: slices of them are read when needed.

    The file is not mapped, because reading past the end of a mapped file that has shrunk kills
    the process. It is not kept open, so that it can be pickled, and thousands can be shards.

    Args:
        stamp: the file.
        begin, end: the first byte and the last (exclusive); by default all.

    Raises:
        DataError: the file became shorter, or can no longer be read.
    """

    def __init__(self, stamp: FileStamp, begin: int = 0, end: int | None = None) -> None:
        self._stamp = stamp
        self._begin, self._end = begin, stamp.size if end is None else end
        self._block = (0, b"")

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, wanted: slice) -> bytes:
        begin, end, _ = wanted.indices(len(self))
        start, block = self._block
        if begin < start or end > start + len(block):
            follows = start <= begin <= start + len(block) + _AHEAD
            last = min(len(self), end + _AHEAD) if follows else end
            start, block = begin, self._read(begin, last)
            self._block = (start, block) if len(block) <= 4 * _AHEAD else (end, b"")
        return block[begin - start : end - start]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_block": (0, b"")}

    def _read(self, begin: int, end: int) -> bytes:
        parts = []
        try:
            with Path(local(self._stamp.path)).open("rb", buffering=0) as file:
                file.seek(self._begin + begin)
                while begin < end:
                    part = file.read(end - begin)
                    if not part:
                        raise self._stamp.shorter()
                    parts.append(part)
                    begin += len(part)
        except OSError as error:
            raise _unreadable(self._stamp.path, error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


Content = bytes | FileContent


@dataclass(frozen=True)
class Source:
    """Bytes from which records are read, and their name in messages.

    `content` is read on demand from plain files, which may be larger than memory; it is bytes for
    compressed files and streams. `stamp` is None if there is no regular file.
    """

    name: str
    content: Content
    stamp: FileStamp | None = None

    def feed(self, digest: _Hash) -> None:
        """Add the bytes to a hash; those of a compressed file as they are on disk."""
        if self.stamp is None:
            digest.update(self.content[:])
        else:
            self.stamp.feed(digest)

    def check(self) -> None:
        """Raise DataError if the file has changed since it was opened."""
        if self.stamp is not None:
            self.stamp.check()


def open_file(path: str, *, compression: str | None = None) -> Source:
    """Open a file or a named pipe: plain files are read on demand, others into memory.

    Raises:
        DataError: it cannot be read, is not completely compressed, does not fit in memory, is a
            device, or is a pipe to which nothing is written.
        MissingExtraError: its compression needs a package that is not installed.
    """
    found = _stat(local(path))
    if stat.S_ISFIFO(found.st_mode):
        with _open_pipe(path) as file:
            return Source(path, _unpacked(file, path, compression))
    stamp = FileStamp.of(path)
    if compression is None:
        return Source(path, FileContent(stamp), stamp)
    try:
        with Path(local(path)).open("rb") as file:
            return Source(path, _unpacked(file, path, compression), stamp)
    except OSError as error:
        raise _unreadable(path, error) from error


def _stat(path: str) -> os.stat_result:
    try:
        return Path(path).stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def is_pipe(path: str) -> bool:
    """Return whether a path names a pipe, such as `<(command)` in a shell."""
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def read_stream(stream: BinaryIO) -> Source:
    """Read a binary stream to its end.

    Raises:
        DataError: the stream yields text instead of bytes, or does not fit in memory.
    """
    binary: BinaryIO = getattr(stream, "buffer", stream)
    is_stdin = binary is getattr(sys.stdin, "buffer", None)
    name = "standard input" if is_stdin else "the stream"
    return Source(name, _all_of(binary, name))


def _unpacked(file: BinaryIO, path: str, compression: str | None) -> bytes:
    if compression is None:
        return _all_of(file, path)
    with guarded(path, f"{compression} file"), decompressed(file, compression, path) as unpacked:
        return _all_of(unpacked, path)


def _all_of(stream: BinaryIO, name: str) -> bytes:
    """Read a stream to its end, or up to the memory that is free: it may be endless."""
    parts, size, most = [], 0, 0.8 * free_memory()
    while part := stream.read(_BLOCK):
        if not isinstance(part, bytes):
            raise DataError(
                f"the stream yields {type(part).__name__}, not bytes. "
                "Open it in binary mode (mode='rb')."
            )
        parts.append(part)
        size += len(part)
        # The parts and the whole are in memory at the same time.
        if 2 * size > most:
            raise DataError(
                f"{name} does not fit in memory: {size:,} bytes were read, and it goes on. Write "
                "it to a file that is not compressed, which is read piece by piece."
            )
    return b"".join(parts)


@contextmanager
def _open_pipe(path: str) -> Iterator[BinaryIO]:
    """Open a named pipe and wait until something is written, but not for ever for a writer."""
    try:
        # Otherwise opening would wait for a writer, which may never come.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            if not waiting.poll(_SECONDS_FOR_A_WRITER * 1000) and not _has_writer(file):
                raise DataError(
                    f"{path} is a pipe to which no program has written for "
                    f"{_SECONDS_FOR_A_WRITER:.0f} seconds. Start the program that writes to it, "
                    "or give a file."
                )
            os.set_blocking(descriptor, True)
            yield cast("BinaryIO", file)
    except OSError as error:
        raise _unreadable(path, error) from error


def _has_writer(pipe: Any) -> bool:
    """Return whether a program has a pipe open for writing, when nothing can be read from it."""
    return pipe.read(1) is None


def _unreadable(path: str, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"cannot read {path}: {reason}.")


def _kind_of_file(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"
