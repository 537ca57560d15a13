"""Paths as people write them, and whether an output is a file that a run reads."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from evenly.errors import DataError, EvenlyError, OptionError, OutputError

PathLike = str | os.PathLike[str]

COPIES, COPY = "files", f"{'[0-9a-f]' * 24}-{'[0-9a-f]' * 15}"
"""The folder, in that of caches, of the copies of files at URLs, and a pattern of their names."""

CACHE_VARIABLE = "EVENLY_CACHE_DIR"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# A name and a password before the host: s3://KEY:SECRET@bucket. A password may hold slashes.
_SECRET = re.compile(r"://[^@\n]*:[^@\n]*@")
# A token alone: https://TOKEN@host.
_USER = re.compile(r"[^:]*://[^/@]*@")


def expand(path: PathLike, error: type[EvenlyError] = DataError, *, noun: str = "") -> str:
    """Return a path in which ~ is the home folder of the user, and ~NAME that of another.

    A file whose own name begins with ~ is found, too, and a URL stays as it is. `noun` precedes
    the path in the message.

    Raises:
        error: there is no such user; or a URL holds what may be a password.
    """
    name = os.fspath(path)
    if is_url(name):
        _check_no_secret(name, error, noun)
        return name
    expanded = os.path.expanduser(name)  # noqa: PTH111 - Path.expanduser raises RuntimeError
    if expanded.startswith("~") and not os.path.lexists(name):
        user = name.partition(os.sep)[0].removeprefix("~")
        whose = f"the user {user!r}" if user else "this user"
        raise error(
            f"{noun}{name}: the home folder of {whose} is not known. Write out the folder, or "
            f"{os.path.join('.', name)} for a name that begins with ~."  # noqa: PTH118
        )
    return expanded


def is_url(path: str) -> bool:
    """Return whether a path is a URL, such as s3://bucket/train.jsonl."""
    return _URL.match(path) is not None


def is_remote(path: str) -> bool:
    """Return whether a path is a URL of anything but a file of this machine."""
    return is_url(path) and local_name(path) == path


def local_name(path: str) -> str:
    """Return the path that file://… stands for; other paths as they are."""
    for protocol in ("file://", "local://"):
        if path.startswith(protocol) and "::" not in path:
            return path.removeprefix(protocol)
    return path


def has_magic(path: str) -> bool:
    """Return whether a path is a pattern, such as *.jsonl."""
    return glob.has_magic(path)


def refuse_url(path: PathLike) -> None:
    """Raise OutputError if a path to write is a URL."""
    name = os.fspath(path)
    if is_url(name):
        protocol = name.partition("://")[0]
        raise OutputError(
            f"URLs ({protocol}://…) are read, and not written. Name a file on this machine, and "
            "copy it afterwards."
        )


def cache_folder(given: PathLike | None = None) -> str:
    """Return the folder of caches: `given`, that of EVENLY_CACHE_DIR, or the user's on this system.

    Raises:
        OptionError: it is a URL, or the home folder of an unknown user.
    """
    for noun, folder in (
        ("cache_dir=", given),
        (f"{CACHE_VARIABLE}=", os.environ.get(CACHE_VARIABLE)),
    ):
        if folder:
            name = local_name(expand(folder, OptionError, noun=noun))
            if is_url(name):
                raise OptionError(
                    f"{noun}{name} is a URL, at which vectors cannot be cached. Name a folder of "
                    "this machine; machines of a cluster can share one that all of them mount."
                )
            return name
    from platformdirs import user_cache_dir

    return user_cache_dir("evenly", appauthor=False)


def _check_no_secret(url: str, error: type[EvenlyError], noun: str) -> None:
    """Raise an error if a URL may hold a password: it would be in messages and manifests."""
    protocol = url.partition("://")[0]
    of_web = [part for part in url.split("::") if re.match("https?://", part, re.IGNORECASE)]
    if _SECRET.search(url) or any(_USER.match(part) for part in of_web):
        raise error(
            f"{noun}the URL ({protocol}://…) seems to hold a name and a password, which would be "
            "kept in manifests. Leave them out, and give them in the variables or files of "
            "settings that the storage documents."
        )
    if any("?" in part for part in of_web):
        raise error(
            f"{noun}{url.partition('?')[0]}: what follows ? in a URL may be a secret, which would "
            "be kept in manifests. Leave it out, or copy the file and pass its path."
        )


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
        path = local_name(os.path.expanduser(one))  # noqa: PTH111
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
