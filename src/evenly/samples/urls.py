"""Files at URLs, through fsspec: each is copied into the cache folder once, and read there.

Rows are read in many small pieces, and some of them again and again, for which storage that is
far away is too slow. The name of a file stays its URL, in messages and in manifests.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenly.atomic import atomic_write, sha256_of
from evenly.errors import DataError, EvenlyError
from evenly.paths import COPIES, cache_folder, has_magic, is_remote, local_name

log = logging.getLogger("evenly")

_AT_ONCE = 8
_BLOCK = 1 << 24
# What storage tells of the content of a file, the most reliable first, without "-" and "_".
_VERSIONS = (
    *("etag", "contentmd5", "md5hash", "md5", "digest", "crc32c", "blobid", "xethash"),
    *("generation", "lastmodified", "updated", "mtime", "modified", "created", "datetime", "crc"),
)
# Protocols of fsspec for which a file says what else is read, and how.
_PROGRAMMED = ("reference", "cached", "blockcache", "filecache", "simplecache")


@dataclass(frozen=True)
class Copy:
    """A file at a URL, as it was copied.

    Attributes:
        path: the copy.
        size: its size in bytes.
        version: a number that differs if the file at the URL is changed.
    """

    path: str
    size: int
    version: int


_copies: dict[str, Copy] = {}


def local(path: str) -> str:
    """Return where the bytes of a file are: its own path, or that of the copy of a URL."""
    return copy_of(path).path if is_remote(path) else local_name(path)


def copy_of(url: str) -> Copy:
    """Return the copy of a file, which is made if there is none of this version.

    Raises:
        DataError: there is no such file, it cannot be read, or there is no room for it.
    """
    known = _copies.get(url)
    if known is None or not Path(known.path).exists():
        known = _copies[url] = _copy(url)
    return known


def copy_all(paths: Sequence[str]) -> None:
    """Copy those files that are at URLs, several at once, as they are now.

    Raises like `copy_of`.
    """
    urls = [path for path in paths if is_remote(path)]
    for url in urls:
        _copies.pop(url, None)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(copy_of, urls))


def size_of(url: str) -> int:
    """Return the size of a file at a URL, without reading it; raises like `copy_of`."""
    return int(_info(url).get("size") or 0)


def files_at(url: str) -> list[str]:
    """Return the URLs that a URL stands for: its own, those in a folder or those of a pattern.

    Raises:
        DataError: there are none, or the storage cannot be read.
    """
    with _reading(url):
        system, name = _open(url)
        system.invalidate_cache()
        try:
            if _is_file(system.info(name)):
                return [url]
            found = [one["name"] for one in system.ls(name, detail=True) if _is_file(one)]
        except FileNotFoundError:
            if not has_magic(url):
                raise
            found = [one for one, info in system.glob(name, detail=True).items() if _is_file(info)]
        if not found:
            raise DataError(f"no file matches {url}. Pass a file, a folder or another pattern.")
        return sorted(_url(system, url, one) for one in found)


def _is_file(info: dict[str, Any]) -> bool:
    return bool(info["type"] == "file")


def _url(system: Any, url: str, name: str) -> str:
    """Return the URL of a file that was found at another URL."""
    found = name if "://" in name else str(system.unstrip_protocol(name))
    _, chained, rest = url.partition("::")
    return found + chained + rest


def _open(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    for part in url.split("::"):
        if part.partition("://")[0].lower() in _PROGRAMMED:
            raise DataError(
                f"cannot read {url}: its protocol takes instructions from files, which are only "
                "data here. Pass the URLs of the files themselves."
            )
    system, name = url_to_fs(url)
    return system, name


def _info(url: str, *, again: bool = False) -> dict[str, Any]:
    """Return what storage says of a file; `again` if what it said before does not count."""
    with _reading(url):
        system, name = _open(url)
        if again:
            system.invalidate_cache(name)
        info: dict[str, Any] = system.info(name)
        if not _is_file(info):
            raise DataError(f"{url} is a folder, not a regular file.")
        return info


def _version(url: str, info: dict[str, Any]) -> str | None:
    """Return what tells versions of a file apart; None if its storage does not say."""
    known = {key.lower().replace("-", "").replace("_", ""): info[key] for key in info}
    found = next((name for name in _VERSIONS if known.get(name)), None)
    own = None if found is None else f"{found} {known[found]} {known.get('size')}"
    archive = url.partition("::")[2]
    if own is None or not archive:
        return own
    # In an archive, a file has the time that the packer gave it, often the same for all.
    whole = _version(archive, _info(archive, again=True))
    return None if whole is None else f"{own} {whole}"


def _copy(url: str) -> Copy:
    info = _info(url)
    version, folder = _version(url, info), Path(cache_folder()) / COPIES
    name = hashlib.sha256(url.encode()).hexdigest()[:24]
    if version is not None:
        path = folder / f"{name}-{_short(version)}"
        with contextlib.suppress(OSError):
            if path.stat().st_size == (info.get("size") or path.stat().st_size):
                return Copy(str(path), path.stat().st_size, int(_short(version), 16))
    else:  # its content tells; other processes may copy it, too
        path = folder / f"{name}-{secrets.token_hex(8)[:15]}"
    _download(url, path, info, version)
    if version is None:
        version = sha256_of(path)
        path = path.replace(folder / f"{name}-{_short(version)}")
    return Copy(str(path), path.stat().st_size, int(_short(version), 16))


def _short(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()[:15]


def _download(url: str, path: Path, info: dict[str, Any], version: str | None) -> None:
    size = int(info.get("size") or 0)
    folder = next(one for one in path.parents if one.exists())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"{url} has {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {path.parent}, "
            "where it is copied to be read. Free some space, or name another folder with the "
            "variable EVENLY_CACHE_DIR."
        )
    log.info("%s (%.1f MB) is copied to %s", url, size / 1e6, path.parent)
    with atomic_write(path) as copy:
        for block in _content(url):
            copy.write(block)
        if info.get("size") is not None and copy.tell() != size:
            raise DataError(
                f"{url} has {size:,} bytes, of which {copy.tell():,} came. Repeat the call."
            )
        if version is not None and _version(url, _info(url, again=True)) != version:
            raise DataError(f"{url} changed while it was copied. Repeat the call.")


def _content(url: str) -> Iterator[bytes]:
    """Yield the bytes of a file; an error here is one of reading, not of writing the copy."""
    with _reading(url):
        system, name = _open(url)
        with system.open(name, "rb") as file:
            while block := file.read(_BLOCK):
                yield block


@contextlib.contextmanager
def _reading(url: str) -> Iterator[None]:
    """Turn whatever a library raises on a URL into one error."""
    try:
        yield
    except EvenlyError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {url}.") from error
    except ImportError as error:
        raise DataError(f"cannot read {url}: {_line(error)}. {_advice(url)}") from error
    except Exception as error:  # each storage raises errors of its own
        raise DataError(f"cannot read {url}: {_line(error)}.") from error


def _line(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # A server may have led to a URL that it signed for this reader.
    words = re.sub(r"(://[^\s?]*)\?[^\s'\"]*", r"\1?…", str(words))
    return " ".join(words.split()).rstrip(".")[:300]


def _advice(url: str) -> str:
    from fsspec.registry import known_implementations

    protocol = url.partition("://")[0]
    package = known_implementations.get(protocol, {}).get("class", "fsspec").partition(".")[0]
    return (
        f"Run: pip install 'fsspec[{protocol}]'"
        if package == "fsspec"
        else (f"Run: pip install {package}")
    )
