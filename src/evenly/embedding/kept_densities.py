"""Densities of whole pools on disk, beside the cached vectors.

    <cache folder>/densities/<hash of all that they depend on>.bin

A file is written atomically and never modified. It holds 8 bytes a row after a sha256 of them, so a
file that is damaged is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from pathlib import Path

import numpy as np

from evenly.atomic import abandoned_in, atomic_write
from evenly.errors import OutputError
from evenly.shapes import Float

logger = logging.getLogger("evenly")

_FORMAT = b"evenly-densities-1\n"
_SUFFIX = ".bin"


class KeptDensities:
    """Densities that earlier runs have found. Files that cannot be used never stop a run.

    Args:
        folder: of the files; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str, count: int) -> Float[np.ndarray, " n"] | None:
        """Return the densities of `count` rows under a hash; None if they are not there.

        Removes a damaged file, and logs a warning.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:  # most likely there is none
            return None
        begin = len(_FORMAT) + hashlib.sha256().digest_size
        numbers = content[begin:]
        if content[:begin] == _head(numbers) and len(numbers) == 8 * count:
            found: Float[np.ndarray, " n"] = np.frombuffer(numbers, "<f8").astype(np.float64)
            if bool((np.isfinite(found) & (found > 0)).all()):
                return found
        logger.warning("dropped a damaged file of densities: %s", path)
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, found: Float[np.ndarray, " n"]) -> None:
        """Write densities, if the folder is writable."""
        numbers = found.astype("<f8").tobytes()
        try:
            with atomic_write(self._path(key)) as stream:
                stream.write(_head(numbers))
                stream.write(numbers)
        except OutputError as error:
            logger.warning("continuing without keeping densities: %s", error)

    def files(self) -> list[Path]:
        """Return all files, those that killed processes have left included."""
        return [*sorted(self.folder.glob(f"*{_SUFFIX}")), *abandoned_in(self.folder)]

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"


def _head(numbers: bytes) -> bytes:
    return _FORMAT + hashlib.sha256(numbers).digest()
