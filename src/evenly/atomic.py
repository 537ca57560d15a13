"""Writing files so that they are whole or absent, never half."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evenly.errors import OutputError, OutputExistsError

__all__ = ["atomic_write", "refuse_existing"]


def refuse_existing(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise OutputExistsError when `path` exists and `force` is not set.

    Call it before long work too, so that the refusal comes at once.
    """
    if not force and os.path.lexists(path):
        raise OutputExistsError(
            f"{os.fspath(path)} already exists. Choose another name, or overwrite it with "
            "force=True (on the command line: --force)."
        )


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, force: bool = True) -> Iterator[BinaryIO]:
    """Open a binary stream whose content appears at `path` only when all of it is on disk.

    Writes a temporary file in the same folder, flushes it to disk and renames it, so that a
    crash, a full disk or an exception leaves what was there before. Missing parent folders
    are made.

    Raises:
        OutputExistsError: `path` exists and `force` is False.
        OutputError: the folder cannot be written, or the disk is full.
    """
    refuse_existing(path, force=force)
    target = Path(path)
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
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
            f"cannot write {target}: {error.strerror or error}. Nothing was changed there."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _give_default_permissions(path: str) -> None:
    """Replace mkstemp's owner-only mode by what the umask gives any new file."""
    umask = os.umask(0)
    os.umask(umask)
    Path(path).chmod(0o666 & ~umask)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
