"""A selection that was interrupted, on disk: what was picked, and of what."""

from __future__ import annotations

import json
from os import PathLike, fspath
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import ManifestError
from evenly.selection.farthest_first import Picks

__all__ = ["Checkpoint"]

FORMAT = "evenly checkpoint"
FORMAT_VERSION = 1

_SECONDS_BETWEEN = 30.0


class Checkpoint:
    """Where an interrupted selection continues.

    The file appears after half a minute of selecting, is renewed every half minute and when
    the selection is interrupted, and is gone when the selection is done.

    Args:
        path: the file.
        key: what the answer depends on, as JSON values: the checkpoint of another selection is
            refused.
    """

    def __init__(self, path: str | PathLike[str], key: dict[str, Any]) -> None:
        self.path = Path(path)
        self._key = key
        self._picks: Picks | None = None
        self._written = monotonic()

    def load(self) -> Picks | None:
        """The picks so far; None when there is no checkpoint.

        Raises:
            ManifestError: the file is no checkpoint, is damaged, or is of another selection.
        """
        try:
            document = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._error(f"is not a checkpoint: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise self._error(f'is not a checkpoint: it lacks "format": "{FORMAT}"')
        if document.get("version") != FORMAT_VERSION:
            raise self._error(f"has version {document.get('version')!r}, not {FORMAT_VERSION}")
        key = document.get("key")
        if key != self._key:
            differing = [name for name in self._key if (key or {}).get(name) != self._key[name]]
            raise self._error(
                f"is of another selection: {', '.join(differing) or 'its options'} differ"
            )
        try:
            rows = np.array(document["rows"], np.int64)
            radii = np.array([np.inf, *document["radii"][1:]], float)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._error(f"is damaged: {error!r}") from None
        if rows.ndim != 1 or not 1 <= len(rows) == len(radii) == len(np.unique(rows)):
            raise self._error("is damaged: it holds no list of distinct rows with their radii")
        return Picks(rows, radii)

    def keep(self, picks: Picks) -> None:
        """Remember the picks so far, and write them down when it is time."""
        self._picks = picks
        if monotonic() - self._written >= _SECONDS_BETWEEN:
            self.write()

    def write(self) -> None:
        """Write down the picks so far, if there are any."""
        if self._picks is None:
            return
        document = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "key": self._key,
            "rows": self._picks.rows.tolist(),
            "radii": [None, *self._picks.radii[1:].tolist()],
        }
        with atomic_write(self.path) as stream:
            stream.write(json.dumps(document).encode())
        self._written = monotonic()

    def remove(self) -> None:
        """The selection is done: nothing to continue."""
        self.path.unlink(missing_ok=True)

    def _error(self, problem: str) -> ManifestError:
        return ManifestError(
            f"{fspath(self.path)} {problem}. Delete it to begin anew, or name another file."
        )
