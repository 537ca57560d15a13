"""Picks on disk while a selection runs, so that an interrupted one continues."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import PathLike, fspath
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import CheckpointError, EvenlyError, OutputError
from evenly.paths import expand
from evenly.selection.greedy.picks import Picks
from evenly.selection.results.codec import Codec
from evenly.selection.results.run_key import RunKey

log = logging.getLogger("evenly")

_CODEC = Codec(
    "evenly checkpoint",
    2,
    "a checkpoint of evenly",
    CheckpointError,
    "Delete it to start again, or name another file.",
)

# A write takes milliseconds, even for a million picks, but may take seconds on a slow disk.
_SECONDS_BETWEEN = 10.0
_TIMES_A_WRITE = 20.0


@dataclass(frozen=True, eq=False)
class Saved:
    """The content of a checkpoint.

    Attributes:
        key: what the picks depend on.
        picks: the first picks of that selection.
        coverage_radius: the coverage radius of just these picks; None while it is unknown.
        refinement: a document and arrays of a refinement of the picks; None if there is none.
    """

    key: RunKey
    picks: Picks
    coverage_radius: float | None = None
    refinement: tuple[dict[str, Any], dict[str, Any]] | None = None


def read_checkpoint(path: str | PathLike[str]) -> Saved | None:
    """Read the checkpoint at `path`; None if there is no such file.

    Raises:
        CheckpointError: the file is something else, is damaged, or has another version.
    """
    try:
        Path(expand(path, CheckpointError)).stat()
    except FileNotFoundError:
        return None
    except OSError:
        pass  # reading it says what is wrong
    document, arrays = _CODEC.read_archive(path)
    with _CODEC.reading(fspath(path)):
        key = RunKey(dict(document["key"]["inputs"]), dict(document["key"]["labels"]))
        radius = document["coverage_radius"]
        rows, radii = arrays["rows"].astype(np.int64), arrays["radii"].astype(np.float64)
        if rows.ndim != 1 or rows.shape != radii.shape:
            raise ValueError("its arrays have different lengths")
        refinement = document.get("refinement")
        if refinement is not None:
            refinement = dict(refinement), arrays
        radius = None if radius is None else float(radius)
        return Saved(key, Picks(rows, radii), radius, refinement)


def damaged_checkpoint(path: str | PathLike[str], why: object) -> EvenlyError:
    """Return the error that a checkpoint is damaged."""
    return _CODEC.damaged(fspath(path), why)


@contextmanager
def reading_checkpoint(path: str | PathLike[str]) -> Iterator[None]:
    """Turn whatever wrong content of a checkpoint raises into a CheckpointError."""
    with _CODEC.reading(fspath(path)):
        yield


class Checkpoint:
    """The file that holds the picks of a selection while it runs.

    A context manager: whatever ends it, an error or Ctrl-C, the last picks passed to `keep` are
    in the file afterwards.

    Args:
        path: the file.
        saved: the picks so far. They are written at once, so that a path that cannot be written
            is an error before the work and not after it.
        clock: returns the time in seconds.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self, path: str | PathLike[str], saved: Saved, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._path = path
        self._clock = clock
        self._last = self._written = saved
        self._due = 0.0
        self._write()

    def keep(self, picks: Picks) -> None:
        """Remember the picks so far; write them if the last write was long ago.

        A full disk is only a warning: the selection itself continues.
        """
        self.keep_saved(Saved(self._last.key, picks))

    def keep_saved(self, saved: Saved) -> None:
        """Remember what the file should hold; write it if the last write was long ago."""
        self._last = saved
        if self._clock() >= self._due:
            self._try_to_write()

    def finish(self, picks: Picks, coverage_radius: float) -> None:
        """Write the complete answer, so that the same selection again returns at once."""
        self._last = Saved(self._last.key, picks, coverage_radius)
        self._try_to_write()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *error: object) -> None:
        if self._last is not self._written:
            self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write()
        except OutputError as error:
            log.warning("no checkpoint was written, the selection continues: %s", str(error))

    def _write(self) -> None:
        saved, began = self._last, self._clock()
        self._due = began + _SECONDS_BETWEEN
        document: dict[str, Any] = {
            "key": asdict(saved.key),
            "coverage_radius": saved.coverage_radius,
        }
        arrays = {"rows": saved.picks.rows, "radii": saved.picks.radii}
        if saved.refinement is not None:
            document["refinement"], more = saved.refinement
            arrays = {**more, **arrays}
        with atomic_write(self._path) as stream:
            stream.write(_CODEC.to_archive(document, arrays))
        self._written = saved
        took = self._clock() - began
        self._due = began + took + max(_SECONDS_BETWEEN, _TIMES_A_WRITE * took)
