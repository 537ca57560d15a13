"""From a data set that was taken in to a selection: begun or not, kept on disk or not."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from os import PathLike, fspath
from time import perf_counter
from typing import Any

import numpy as np

from evenly.errors import CheckpointError, DuplicateRowsWarning
from evenly.intake import Intake
from evenly.pools import Pool, make_pool
from evenly.selection.checkpoint import Checkpoint, Saved, read_checkpoint
from evenly.selection.farthest_first import Picks, farthest_first
from evenly.selection.job import Job
from evenly.selection.progress import progress_bar
from evenly.selection.provenance import when_done
from evenly.selection.selection import Selection
from evenly.selection.start import first_row

__all__ = ["are_usable", "choose"]


def choose(
    intake: Intake,
    rows: int,
    provenance: dict[str, Any],
    *,
    start: int | str,
    engine: str,
    seed: int,
    memory: float | None = None,
    device: str = "auto",
    begun: Picks | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Selection:
    """Choose `rows` rows of a data set.

    Args:
        intake: the data set.
        rows: how many, at most the candidates there are.
        provenance: from `provenance_of`.
        start, engine, seed, device, checkpoint, progress: as in `select_uniform`.
        memory: as there, in bytes.
        begun: picks of the same job to continue from, fewer than `rows`.

    Raises:
        RowError: `start` is no row that can be chosen.
        CheckpointError: the checkpoint is of another job, or damaged.
        OutputError: the checkpoint cannot be written.
    """
    began = perf_counter()
    job = Job.of(provenance)
    saved = None if checkpoint is None else _of_the_same_job(checkpoint, job, intake)
    if begun is not None and (saved is None or len(begun) > len(saved.picks)):
        saved = Saved(job, begun, None)
    taken_over = 0 if saved is None else min(len(saved.picks), rows)
    if saved is None:
        saved = Saved(job, Picks.first(first_row(intake, start, seed)), None)
    picks, coverage_radius = _answer_in(saved, rows) or _complete(
        lambda: make_pool(intake.points, rows, engine, memory=memory, device=device),
        rows,
        saved,
        checkpoint,
        progress,
    )
    intake.samples.check_unchanged()
    _warn_of_duplicates(picks)
    seconds = intake.seconds | {"selection": perf_counter() - began}
    provenance = when_done(provenance, seconds, taken_over)
    return Selection(picks.rows, picks.radii, coverage_radius, provenance, intake.samples)


def are_usable(picks: Picks, intake: Intake) -> bool:
    """Whether picks from a file are rows of this data set that may be chosen, each once."""
    candidates = intake.points.candidates
    inside = (picks.rows >= 0) & (picks.rows < len(candidates))
    distinct = len(np.unique(picks.rows)) == len(picks)
    return bool(distinct and inside.all() and candidates[picks.rows].all())


def _of_the_same_job(path: str | PathLike[str], job: Job, intake: Intake) -> Saved | None:
    saved = read_checkpoint(path)
    if saved is None:
        return None
    different = saved.job.differs_from(job)
    if different is not None:
        raise CheckpointError(
            f"{fspath(path)} is the checkpoint of another selection: {different}. Give the "
            "options and data it was begun with, delete it to begin anew, or name another file."
        )
    if not are_usable(saved.picks, intake):
        raise CheckpointError(
            f"the checkpoint {fspath(path)} is damaged: it holds rows that cannot be chosen. "
            "Delete it to begin anew."
        )
    return saved


def _answer_in(saved: Saved, rows: int) -> tuple[Picks, float] | None:
    """The answer, where it is among the picks already; the radius after it covers it."""
    picks = saved.picks
    if rows < len(picks):
        return Picks(picks.rows[:rows], picks.radii[:rows]), float(picks.radii[rows])
    if rows == len(picks) and saved.coverage_radius is not None:
        return picks, saved.coverage_radius
    return None


def _complete(
    pool_of: Callable[[], Pool],
    rows: int,
    saved: Saved,
    checkpoint: str | PathLike[str] | None,
    progress: bool | None,
) -> tuple[Picks, float]:
    """Continue the picks to `rows` rows, keeping them on disk meanwhile if that is wanted."""
    with contextlib.ExitStack() as stack:
        kept = None
        if checkpoint is not None:
            kept = stack.enter_context(Checkpoint(checkpoint, saved))
        show = stack.enter_context(progress_bar(rows, len(saved.picks), progress))

        def after_a_round(picks: Picks) -> None:
            # Kept before it is shown: drawing can be interrupted too.
            if kept is not None:
                kept.keep(picks)
            show(picks)

        picks, coverage_radius = farthest_first(
            pool_of(), rows, saved.picks, progress=after_a_round
        )
        if kept is not None:
            kept.finish(picks, coverage_radius)
    return picks, coverage_radius


def _warn_of_duplicates(picks: Picks) -> None:
    distinct = int(np.count_nonzero(picks.radii))
    if distinct < len(picks):
        warnings.warn(
            f"only {distinct} of the rows are distinct, fewer than the {len(picks)} asked for: "
            f"h_min is 0. For distinct rows alone, take prefix({distinct}).",
            DuplicateRowsWarning,
            stacklevel=_level_of_the_caller(),
        )


def _level_of_the_caller() -> int:
    """The stack level, for the function that asks, of the first line outside this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("evenly."):
        level, frame = level + 1, frame.f_back
    return level
