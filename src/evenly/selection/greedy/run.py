"""From a data set that was taken in to a selection: begun or not, kept on disk or not."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from os import PathLike, fspath
from time import perf_counter
from typing import Any

import numpy as np

from evenly.caller import level_of_the_caller
from evenly.engines import Engine, make_engine
from evenly.errors import CheckpointError, DuplicateRowsWarning
from evenly.geometry import DistanceMatrix, Points, single_threaded_blas
from evenly.geometry.search.in_order import distances_to_earlier
from evenly.inputs.prepare import PreparedData
from evenly.selection.greedy.checkpoint import Checkpoint, Saved, read_checkpoint
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.progress import progress_bar
from evenly.selection.greedy.start import first_row
from evenly.selection.results.provenance import when_done
from evenly.selection.results.run_key import RunKey
from evenly.selection.results.selection import Selection
from evenly.selection.rules.outliers import warn_of_isolated
from evenly.selection.rules.problem import keep_away, points_under
from evenly.selection.rules.remaining import Limits
from evenly.selection.rules.rules import Rules

__all__ = ["are_usable", "choose"]


def choose(
    prepared: PreparedData,
    rules: Rules,
    provenance: Callable[[], dict[str, Any]],
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
    """Choose rows of a data set.

    Args:
        prepared: the data set.
        rules: how many rows, and what else is to be kept to.
        provenance: gives what `provenance_of` does. Only a checkpoint wants it at once; else the
            hashes in it may still be on their way while rows are chosen.
        start, engine, seed, device, checkpoint, progress: as in `select_uniform`.
        memory: as there, in bytes.
        begun: picks of the same job to continue from.

    Raises:
        RowError: `start` is no row that can be chosen.
        QuotaError: a distance ended the selection before all quotas were met.
        CheckpointError: the checkpoint is of another job, or damaged.
        OutputError: the checkpoint cannot be written.
    """
    began = perf_counter()
    points = points_under(rules, prepared.points)
    rows = int(np.count_nonzero(points.eligible)) if rules.budget is None else rules.budget
    limits = Limits() if rules.is_plain else Limits(rules, prepared.points.eligible)
    job = RunKey.none() if checkpoint is None else RunKey.of(provenance())
    saved = None if checkpoint is None else _of_the_same_job(checkpoint, job, prepared)
    if begun is not None and (saved is None or len(begun) > len(saved.picks)):
        saved = Saved(job, begun, None)
    if saved is None:
        saved = Saved(job, _beginning(prepared, points, rules, limits, start, seed), None)
        taken_over = 0
    else:
        taken_over = min(len(saved.picks), rows)
    answer = _answer_in(saved, rows, limits)
    if answer is None:
        if len(saved.picks) > rows:
            saved = Saved(job, saved.picks.prefix(rows), None)
        room = _likely_rows(rules, rows) + (0 if rules.away is None else len(rules.away))

        def new_engine() -> Engine:
            pool = make_engine(points, room, engine, memory=memory, device=device)
            keep_away(pool, rules)
            return pool

        answer = _complete(new_engine, rows, saved, limits, checkpoint, progress)
    picks, coverage_radius = answer
    rules.check_met(picks.rows)
    prepared.samples.check_unchanged()
    _warn_of_duplicates(picks, rules)
    found = provenance()
    if taken_over == 0 and "drop_outliers" not in found["options"]:
        first = picks.rows[len(rules.include) :]
        warn_of_isolated(prepared, first, stacklevel=level_of_the_caller())
    seconds = prepared.seconds | {"selection": perf_counter() - began}
    found = when_done(found, seconds, min(taken_over, len(picks)))
    return Selection(picks.rows, picks.radii, coverage_radius, found, prepared.samples)


def _beginning(
    prepared: PreparedData,
    points: Points | DistanceMatrix,
    rules: Rules,
    limits: Limits,
    start: int | str,
    seed: int,
) -> Picks:
    """The rows to include, or else the first pick; none where the farthest from others is it."""
    rows = rules.include
    if not len(rows):
        keeps_away = rules.away is not None or rules.before is not None
        if keeps_away and start == "farthest-from-mean":
            return Picks.none()
        row = first_row(prepared, start, seed, points=points, limits=limits, weights=rules.weights)
        if not keeps_away:
            return Picks.first(row)
        rows = np.array([row])
    return Picks(rows, distances_to_earlier(points, rows, before=rules.before, away=rules.away))


def _likely_rows(rules: Rules, rows: int) -> int:
    """About how many rows there will be, where only a distance or tokens end the selection."""
    if rules.costs is not None and rules.token_budget is not None:
        mean = max(1.0, float(rules.costs.mean()))
        return min(rows, int(1.5 * rules.token_budget / mean) + 1)
    return rows if rules.budget is not None else max(1, rows // 4)


def are_usable(picks: Picks, prepared: PreparedData) -> bool:
    """Whether picks from a file are rows of this data set that may be chosen, each once."""
    eligible = prepared.points.eligible
    inside = (picks.rows >= 0) & (picks.rows < len(eligible))
    distinct = len(np.unique(picks.rows)) == len(picks)
    return bool(distinct and inside.all() and eligible[picks.rows].all())


def _of_the_same_job(
    path: str | PathLike[str], job: RunKey, prepared: PreparedData
) -> Saved | None:
    saved = read_checkpoint(path)
    if saved is None:
        return None
    different = saved.job.differs_from(job)
    if different is not None:
        raise CheckpointError(
            f"{fspath(path)} is the checkpoint of another selection: {different}. Give the "
            "options and data it was begun with, delete it to begin anew, or name another file."
        )
    if not are_usable(saved.picks, prepared):
        raise CheckpointError(
            f"the checkpoint {fspath(path)} is damaged: it holds rows that cannot be chosen. "
            "Delete it to begin anew."
        )
    return saved


def _answer_in(saved: Saved, rows: int, limits: Limits) -> tuple[Picks, float] | None:
    """The answer, where it is among the picks already; the radius after it covers it."""
    picks, known = saved.picks, saved.coverage_radius
    if limits.leave_rows_out:
        return (picks, known) if rows == len(picks) and known is not None else None
    near = np.flatnonzero(picks.radii < limits.min_distance)
    near = near[near >= max(1, limits.included)]
    if len(near):
        rows = min(rows, int(near[0]))
    if rows < len(picks):
        return picks.prefix(rows), float(picks.radii[rows])
    if known is not None and (rows == len(picks) or known < limits.min_distance):
        return picks, known
    return None


def _complete(
    new_engine: Callable[[], Engine],
    rows: int,
    saved: Saved,
    limits: Limits,
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

        pool = new_engine()
        with single_threaded_blas():
            picks, coverage_radius = farthest_first(
                pool, rows, saved.picks, limits=limits, progress=after_a_round
            )
        if kept is not None:
            kept.finish(picks, coverage_radius)
    return picks, coverage_radius


def _warn_of_duplicates(picks: Picks, rules: Rules) -> None:
    distinct = int(np.count_nonzero(picks.radii))
    if distinct < len(picks):
        counted = rules.quotas is not None or rules.token_budget is not None
        way = "pass a min_distance= above 0" if counted else f"take prefix({distinct})"
        warnings.warn(
            f"only {distinct} of the rows are distinct, fewer than the {len(picks)} asked for: "
            f"h_min is 0. For distinct rows alone, {way}.",
            DuplicateRowsWarning,
            stacklevel=level_of_the_caller(),
        )
