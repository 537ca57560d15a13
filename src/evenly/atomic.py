"""Atomic file writing: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from evenly.errors import OutputError, OutputExistsError
from evenly.paths import PathLike, expand, refuse_url

try:
    import fcntl

    _LOCKS = True
except ImportError:  # Windows has none
    _LOCKS = False

_SUFFIX = ".evenly.tmp"
_RANDOM_BYTES = 8
_LONGEST_NAME = 100
_ABANDONED_AFTER_SECONDS = 3600
_BLOCK = 1 << 20

# Given the sha256 of a file, returns the path and the content of a second one.
Companion = Callable[[str], tuple[PathLike, bytes]]


def check_writable(path: PathLike, *, force: bool = False) -> None:
    """Raise OutputError if no file can be written at `path`, as far as can be known before.

    Call it before a long computation as well, so that the error comes early.

    Raises:
        OutputExistsError: it exists and `force` is False.
        OutputError: it is a folder or a device, or its folder cannot be written.
    """
    refuse_url(path)
    with _one_error(path):
        name = expand(path, OutputError)
        if not force and os.path.lexists(name):
            raise OutputExistsError(
                f"{os.fspath(path)} already exists. Choose another name, or pass force=True to "
                "overwrite it (on the command line: --force)."
            )
        target = _target(path)
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise OutputError(f"cannot write {os.fspath(path)}: it is {kind}. Name a file.")
        folder, missing = target.parent, target.name
        while _mode(folder) is None and folder != folder.parent:
            missing, folder = folder.name, folder.parent
        _mode(folder / missing)  # an error if the name is too long
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(
                f"cannot write {os.fspath(path)}: the folder {folder} is not writable."
            )


@contextlib.contextmanager
def atomic_write(
    path: PathLike, *, force: bool = True, companion: Companion | None = None
) -> Iterator[BinaryIO]:
    """Open a binary stream whose content appears at `path` once all of it is on disk.

    Writes a temporary file in the same folder, flushes it to disk and renames it, so that a
    crash, a full disk or an exception leaves the previous file untouched. A file that is
    overwritten keeps its permissions and, if possible, its owner; a link stays, and the file
    that it leads to is written. Creates missing parent folders, and removes the temporary files
    that killed processes have left of the same file.

    Args:
        path: the file; ~ is the home folder.
        force: overwrite an existing file.
        companion: called with the sha256 of the file when it is on disk; returns a second file,
            which takes its place just before this one. If the process is killed between the two,
            the second file is new, and this one, whose hash it may hold, is still in a
            temporary file (`abandoned`).

    Raises:
        OutputExistsError: `path` exists and `force` is False.
        OutputError: the folder is not writable, or the disk is full.
    """
    check_writable(path, force=force)
    target = _target(path)
    # Outside, because closing a file on a full disk fails once more.
    with _one_error(path), contextlib.ExitStack() as files:
        target.parent.mkdir(parents=True, exist_ok=True)
        if companion is None:
            _remove_abandoned(target)
        stream, temporary = files.enter_context(_temporary(target))
        yield stream
        _finish(stream)
        renames = [(temporary, target)]
        if companion is not None:
            second_path, content = companion(sha256_of(temporary))
            second = _target(second_path)
            second_stream, second_temporary = files.enter_context(_temporary(second))
            second_stream.write(content)
            _finish(second_stream)
            renames.insert(0, (second_temporary, second))
        if not force:
            check_writable(path)
        _rename_all(renames)
        for folder in {written.parent for _, written in renames}:
            _sync_folder(folder)
        if companion is not None:
            for _, written in renames:
                _remove_abandoned(written)


def abandoned(path: PathLike) -> Iterator[Path]:
    """Yield the temporary files that killed processes have left of the file `path`."""
    target = _target(path)
    pattern = f"{glob.escape(_prefix(target))}{'?' * 2 * _RANDOM_BYTES}{_SUFFIX}"
    return (found for found in target.parent.glob(pattern) if _is_abandoned(found))


def abandoned_in(folder: Path) -> Iterator[Path]:
    """Yield the temporary files that killed processes have left in a folder."""
    return (path for path in folder.glob(f".*{_SUFFIX}") if _is_abandoned(path))


@contextlib.contextmanager
def scratch_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file in a folder for as long as the context lasts, and remove it at the end.

    Removes, too, the files that killed processes have left in the folder.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in abandoned_in(folder):
        with contextlib.suppress(OSError):
            path.unlink()
    with _temporary(folder / "scratch") as opened:
        yield opened


def sha256_of(path: PathLike) -> str:
    """Return the sha256 of a file, as the companion of a file is given it."""
    return f"sha256:{file_sha256(Path(expand(path)))}"


def file_sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _target(path: PathLike) -> Path:
    """Return the file to write: that to which a link leads."""
    try:
        return Path(os.path.realpath(expand(path, OutputError)))
    except ValueError as error:  # a null byte
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error}.") from None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _one_error(path: PathLike) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {os.fspath(path)}: {error.strerror or error}. Nothing was changed."
        ) from error


def _prefix(target: Path) -> str:
    name = target.name
    if len(os.fsencode(name)) > _LONGEST_NAME:  # a longer one would be too long for a file
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


_BINARY = getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file beside `target`, locked while this process lives; remove it at the end."""
    before = _mode(target)
    # Nobody else may read what will be private; a new file has the permissions of any other.
    mode = 0o666 if before is None else 0o600
    while True:
        path = target.parent / f"{_prefix(target)}{secrets.token_hex(_RANDOM_BYTES)}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        # Another process may have taken it for abandoned before it was locked.
        if _lock(descriptor) is not False and path.exists():
            break
        os.close(descriptor)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream, path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _finish(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    if not _LOCKS:  # Windows renames closed files only
        stream.close()


def _rename_all(renames: list[tuple[Path, Path]]) -> None:
    for temporary, target in renames:
        _keep_permissions(temporary, target)
    try:
        for temporary, target in renames:
            temporary.replace(target)
    except KeyboardInterrupt:
        # The files belong together: if the first is in its place, the others follow.
        for temporary, target in renames if not renames[0][0].exists() else []:
            if temporary.exists():
                temporary.replace(target)
        raise


def _keep_permissions(temporary: Path, target: Path) -> None:
    """Give a file the permissions and, if possible, the owner of the one that it replaces."""
    try:
        before = target.stat()
    except FileNotFoundError:
        return
    now = temporary.stat()
    if hasattr(os, "chown") and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(stat.S_IMODE(before.st_mode) & 0o777)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable if the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Lock a file until it is closed; False if another process has, None if none can."""
    if not _LOCKS:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None
    return True


def _is_abandoned(path: Path) -> bool:
    """Return whether no process that still runs is writing a temporary file."""
    try:
        descriptor = os.open(path, os.O_RDWR | _BINARY)
    except OSError:
        return False
    try:
        locked = _lock(descriptor)
        if locked is None:
            age = time.time() - os.fstat(descriptor).st_mtime
            return age > _ABANDONED_AFTER_SECONDS
        return locked
    finally:
        os.close(descriptor)


def _remove_abandoned(target: Path) -> None:
    for path in abandoned(target):
        with contextlib.suppress(OSError):
            path.unlink()
