"""Atomic file writing: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evenly.errors import OutputError, OutputExistsError


def refuse_existing(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise OutputExistsError if `path` exists and `force` is False.

    Call it before a long computation as well, so that the error comes early.
    """
    if not force and os.path.lexists(path):
        raise OutputExistsError(
            f"{os.fspath(path)} already exists. Choose another name, or pass force=True to "
            "overwrite it (on the command line: --force)."
        )


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, force: bool = True) -> Iterator[BinaryIO]:
    """Open a binary stream whose content appears at `path` once all of it is on disk.

    Writes a temporary file in the same folder, flushes it to disk and renames it, so that a
    crash, a full disk or an exception leaves the previous file untouched. Creates missing
    parent folders.

    Raises:
        OutputExistsError: `path` exists and `force` is False.
        OutputError: the folder is not writable, or the disk is full.
    """
    refuse_existing(path, force=force)
    target = Path(path)
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        import tempfile  # slow to import, and a command line often writes nothing

        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".tmp", dir=target.parent
        )
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _give_default_permissions(temporary)
        Path(temporary).replace(target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}. Nothing was changed."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _give_default_permissions(path: str) -> None:
    """Set the mode that the umask gives new files; mkstemp lets only the owner read."""
    umask = os.umask(0)
    os.umask(umask)
    Path(path).chmod(0o666 & ~umask)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable if the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
