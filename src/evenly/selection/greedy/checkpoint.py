"""Picks on disk while a selection runs, so that one that is interrupted continues.

The file is one line that names the format and the sha256 of everything after it, one line of
JSON that says which job the picks are of, and the picks as little-endian numbers: row numbers
(int64), then radii (float64).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike, fspath
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import CheckpointError, OptionError, OutputError
from evenly.selection.greedy.picks import Picks
from evenly.selection.results.run_key import RunKey

__all__ = ["Checkpoint", "Saved", "read_checkpoint"]


log = logging.getLogger("evenly")


_FORMAT = b"evenly checkpoint "


_VERSION = b"1"


_LONGEST_TITLE = 200


_ROWS, _RADII = np.dtype("<i8"), np.dtype("<f8")


# A write costs milliseconds, for a million picks too; on a slow disk it may cost seconds.
_SECONDS_BETWEEN = 10.0


_TIMES_A_WRITE = 20.0


@dataclass(frozen=True, eq=False)
class Saved:
    """What a checkpoint holds.

    Attributes:
        job: what the picks follow from.
        picks: the first picks of it.
        coverage_radius: with just these picks; None while it is not known.
    """

    job: RunKey
    picks: Picks
    coverage_radius: float | None


def read_checkpoint(path: str | PathLike[str]) -> Saved | None:
    """What the checkpoint at `path` holds; None when there is no such file.

    Raises:
        OptionError: `path` is no path.
        CheckpointError: the file is something else, is damaged, or is from a newer version.
    """
    if not isinstance(path, str | PathLike) or not fspath(path):
        raise OptionError(f"checkpoint must be the path of a file, got {path!r}.")
    name = fspath(path)
    try:
        with Path(path).open("rb") as file:
            title = file.readline(_LONGEST_TITLE)
            if not title.startswith(_FORMAT):
                raise CheckpointError(
                    f"{name} is not a checkpoint of evenly. Name another file for it."
                )
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {name} cannot be read: {error.strerror or error}."
        ) from error
    version, _, proof = title.removeprefix(_FORMAT).rstrip(b"\n").partition(b" ")
    if version != _VERSION and proof:
        raise CheckpointError(
            f"the checkpoint {name} has version {version.decode('ascii', 'replace')}; this "
            f"release reads version {_VERSION.decode()}. Continue with the release that wrote "
            "it, or delete it to begin anew."
        )
    if proof != _proof(content):
        raise CheckpointError(
            f"the checkpoint {name} is damaged or cut short. Delete it to begin anew."
        )
    return _decode(content)


def _decode(content: bytes) -> Saved:
    line, _, arrays = content.partition(b"\n")
    header = json.loads(line)
    rows = np.frombuffer(arrays, _ROWS, header["picks"])
    radii = np.frombuffer(arrays, _RADII, header["picks"], rows.nbytes)
    picks = Picks(rows.astype(np.int64), radii.astype(np.float64))
    return Saved(RunKey(**header["job"]), picks, header["coverage_radius"])


def _encode(saved: Saved) -> bytes:
    header: dict[str, Any] = {
        "picks": len(saved.picks),
        "coverage_radius": saved.coverage_radius,
        "job": asdict(saved.job),
    }
    content = b"".join(
        [
            json.dumps(header).encode() + b"\n",
            saved.picks.rows.astype(_ROWS).tobytes(),
            saved.picks.radii.astype(_RADII).tobytes(),
        ]
    )
    return _FORMAT + _VERSION + b" " + _proof(content) + b"\n" + content


def _proof(content: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


class Checkpoint:
    """The file that holds the picks of a selection while it runs.

    A context: whatever ends it, an error or Ctrl-C, the last picks told to `keep` are in the
    file afterwards.

    Args:
        path: the file.
        saved: the picks so far. They are written at once, so that a place that cannot be
            written is an error before the work and not after it.
        clock: the time, in seconds.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        saved: Saved,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = path
        self._clock = clock
        self._last = self._written = saved
        self._due = 0.0
        self._write()

    def keep(self, picks: Picks) -> None:
        """Remember the picks so far; write them down if the last time is a while ago.

        A disk that is full by now is a warning: the selection itself goes on.
        """
        self._last = Saved(self._last.job, picks, None)
        if self._clock() >= self._due:
            self._try_to_write()

    def finish(self, picks: Picks, coverage_radius: float) -> None:
        """Write down the whole answer: the same job again is then done at once."""
        self._last = Saved(self._last.job, picks, coverage_radius)
        self._try_to_write()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self,
        stratum: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._last is not self._written:
            self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write()
        except OutputError as error:
            log.warning("no checkpoint, the selection goes on: %s", error)

    def _write(self) -> None:
        saved, began = self._last, self._clock()
        self._due = began + _SECONDS_BETWEEN
        with atomic_write(self._path) as stream:
            stream.write(_encode(saved))
        self._written = saved
        took = self._clock() - began
        self._due = began + took + max(_SECONDS_BETWEEN, _TIMES_A_WRITE * took)
