"""Picks on disk while a selection runs, so that an interrupted one continues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike, fspath
from pathlib import Path
from time import monotonic

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import CheckpointError, OutputError
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
    """

    key: RunKey
    picks: Picks
    coverage_radius: float | None = None


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
        return Saved(key, Picks(rows, radii), None if radius is None else float(radius))


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
        self._last = Saved(self._last.key, picks)
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
            log.warning("no checkpoint was written, the selection continues: %s", error)

    def _write(self) -> None:
        saved, began = self._last, self._clock()
        self._due = began + _SECONDS_BETWEEN
        document = {"key": asdict(saved.key), "coverage_radius": saved.coverage_radius}
        arrays = {"rows": saved.picks.rows, "radii": saved.picks.radii}
        with atomic_write(self._path) as stream:
            stream.write(_CODEC.to_archive(document, arrays))
        self._written = saved
        took = self._clock() - began
        self._due = began + took + max(_SECONDS_BETWEEN, _TIMES_A_WRITE * took)
