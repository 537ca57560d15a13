"""Paths as people write them, and whether an output is a file that a run reads."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from evenly.errors import DataError, EvenlyError, OutputError

PathLike = str | os.PathLike[str]


def expand(path: PathLike, error: type[EvenlyError] = DataError, *, noun: str = "") -> str:
    """Return a path in which ~ is the home folder of the user, and ~NAME that of another.

    A file whose own name begins with ~ is found, too. `noun` precedes the path in the message.

    Raises:
        error: there is no such user.
    """
    name = os.fspath(path)
    expanded = os.path.expanduser(name)  # noqa: PTH111 - Path.expanduser raises RuntimeError
    if expanded.startswith("~") and not os.path.lexists(name):
        user = name.partition(os.sep)[0].removeprefix("~")
        whose = f"the user {user!r}" if user else "this user"
        raise error(
            f"{noun}{name}: the home folder of {whose} is not known. Write out the folder, or "
            f"{os.path.join('.', name)} for a name that begins with ~."  # noqa: PTH118
        )
    return expanded


def spare_inputs(
    output: PathLike, inputs: Iterable[PathLike], *, folders: Iterable[PathLike] = ()
) -> None:
    """Raise OutputError if the file at `output` is one that a run reads, by whatever name.

    Args:
        output: where something will be written.
        inputs: files, folders of files, and glob patterns.
        folders: folders of which everything is read, at any depth.
    """
    try:
        found = Path(expand(output, OutputError)).stat()
    except (OSError, ValueError):
        return  # what does not exist yet is not read
    for path in _files(inputs, folders, found.st_ino):
        try:
            is_output = os.path.samestat(Path(path).stat(), found)
        except (OSError, ValueError):
            continue
        if is_output:
            also = "" if os.fspath(output) == path else f" ({path})"
            raise OutputError(
                f"{os.fspath(output)} is the input itself, or a part of it{also}, and would be "
                "lost. Choose another output."
            )


def is_one_file(one: PathLike, other: PathLike) -> bool:
    """Return whether two paths lead to one file, which need not exist yet."""
    one, other = expand(one, OutputError), expand(other, OutputError)
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return _resolved(one) == _resolved(other)


def _resolved(path: str) -> str:
    # File systems that ignore case cannot be asked about a file that does not exist.
    resolved = os.path.realpath(path)
    return resolved.casefold() if sys.platform in ("darwin", "win32") else resolved


def names_of(path: str) -> list[str]:
    """Return the names of files, folders and patterns in a path: several are one a line."""
    several = "\n" in path and not os.path.exists(path)  # noqa: PTH110 - Path raises if it is long
    return path.split("\n") if several else [path]


def _files(inputs: Iterable[PathLike], folders: Iterable[PathLike], inode: int) -> Iterator[str]:
    """Yield the files of some names; of a folder, those that may have the number `inode`."""
    for one in [name for several in inputs for name in names_of(os.fspath(several))]:
        path = os.path.expanduser(one)  # noqa: PTH111
        if os.path.isdir(path):  # noqa: PTH112 - a Path raises if the name is too long
            yield from _in_folder(path, inode)
        elif os.path.exists(path):  # noqa: PTH110
            yield path
        elif glob.has_magic(path):
            yield from glob.iglob(path, recursive=True)  # noqa: PTH207
    for name in folders:
        for folder, _, _ in os.walk(os.path.expanduser(os.fspath(name))):  # noqa: PTH111
            yield from _in_folder(folder, inode)


def _in_folder(folder: str, inode: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (
                entry.path for entry in entries if entry.inode() == inode or entry.is_symlink()
            )
    except OSError:
        return
