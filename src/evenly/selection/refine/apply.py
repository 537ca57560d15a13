"""Apply a refinement: exchange rows of a selection for rows that are farther apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from os import PathLike, fspath
from typing import Any, TypeVar

import numpy as np

from evenly.errors import OptionError
from evenly.geometry import DistanceMatrix, Points, first_of_the_farthest
from evenly.geometry.search.neighbour_cover import farthest_from_chosen
from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.options import RuleOptions
from evenly.options.checks import BOOLEANS, shown
from evenly.selection.greedy.checkpoint import (
    Checkpoint,
    damaged_checkpoint,
    read_checkpoint,
    reading_checkpoint,
)
from evenly.selection.greedy.driver import coverage_radius_of, farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.progress import Report, searching_bar
from evenly.selection.refine import Refine, refine
from evenly.selection.refine.mean_distance import lower_mean_distance
from evenly.selection.refine.search import Refined
from evenly.selection.refine.state import (
    SearchState,
    WrongStateError,
    from_kept,
    key_of,
    to_kept,
)
from evenly.selection.refine.subproblem import Subproblem
from evenly.selection.results.base import finite_or_none
from evenly.selection.results.selection import SelectionData
from evenly.selection.rules.problem import Problem
from evenly.shapes import Int

log = logging.getLogger("evenly")

S = TypeVar("S", bound=SelectionData)


def check_refine(wanted: Any, rules: RuleOptions) -> Refine | None:
    """Return the refinement that `refine=` requests; None for none.

    Raises:
        OptionError: it is neither True, False nor a `Refine`, or the rules cannot be kept.
    """
    if isinstance(wanted, Mapping) and set(wanted) <= {one.name for one in fields(Refine)}:
        wanted = Refine(**wanted)  # from a manifest
    if isinstance(wanted, Refine):
        refinement = wanted
    elif wanted is None or type(wanted).__name__ in BOOLEANS:
        if not wanted:
            return None
        refinement = Refine()
    else:
        raise OptionError(f"refine must be True, False or Refine(seconds=…), got {shown(wanted)}.")
    for name in ("token_budget", "quality"):
        if getattr(rules, name) is not None:
            raise OptionError(
                f"refine= makes h_min larger for the same number of rows, and {name}= has another "
                "objective: omit one of them."
            )
    if rules.density_weight:
        _check_with_density(refinement, rules)
    if refinement.method == "exact" and rules.groups is not None:
        raise OptionError(
            'Refine(method="exact") does not support groups: omit groups=, or use'
            ' Refine(method="search").'
        )
    return refinement


def _check_with_density(refinement: Refine, rules: RuleOptions) -> None:
    """Raise OptionError if the mean distance cannot be lowered under the rules."""
    if rules.density_weight is not None and rules.density_weight < 0:
        raise OptionError(
            "refine= with density_weight= lowers the mean distance of all rows to the chosen ones, "
            "and a weight below 0 prefers rare rows: omit one of them."
        )
    if rules.min_distance is not None:
        raise OptionError(
            "refine= with density_weight= moves rows nearer to each other, so min_distance= cannot "
            "be kept: omit one of them."
        )
    if refinement.method == "exact":
        raise OptionError(
            'Refine(method="exact") proves the largest h_min, and density_weight= has another '
            'objective: use Refine(method="search").'
        )


def refine_selection(
    selection: S,
    problem: Problem,
    wanted: Refine,
    *,
    by_density: bool = False,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None,
) -> S:
    """Return the selection, or one of as many rows that are farther apart.

    The rows to include come first; then each row is the farthest of those left from those
    before it, so that radii never increase and the last is h_min. A selection by density is
    refined for a lower mean distance instead, and each row stands where the pick stood.

    Args:
        by_density: whether distances were multiplied by density.
        checkpoint: the file that holds the picks of the selection, and keeps the search for a
            larger h_min; None for no file.

    Raises:
        CheckpointError: the search in the checkpoint is damaged.
        OutputError: the checkpoint cannot be written.
    """
    if by_density:
        return _with_lower_mean_distance(selection, problem, wanted, progress=progress)
    picks = Picks(np.array(selection.indices), np.array(selection.radii))
    search = partial(refine, problem.points, problem.rules, picks, wanted, memory=problem.memory)
    refined = selection
    with searching_bar("refining", "h_min", selection.h_min, progress) as report:
        if checkpoint is None:
            found = search(report=report)
        else:
            found = _kept_in(checkpoint, search, problem, len(picks), wanted, report)
        if found.rows is not None:
            picks = in_order(problem, found.rows, len(selection), report)
            report("coverage radius", None)
            refined = replace(
                selection,
                indices=picks.rows,
                radii=picks.radii,
                coverage_radius=cover(problem, picks, found.searched),
            )
    if found.ended == "interrupt":
        log.warning(
            "the refinement was interrupted: these are the best rows so far. %s",
            "Name a checkpoint to be able to continue."
            if checkpoint is None
            else f"The same call again continues it from {fspath(checkpoint)}; on the command "
            "line, with --force if the output exists.",
        )
    return _recorded(
        refined,
        found.seconds,
        greedy_h_min=finite_or_none(selection.h_min),
        h_min=finite_or_none(refined.h_min),
        upper_bound=refined.h_min if found.proven else found.upper_bound,
        proven=found.proven,
        ended_by=found.ended,
        rows_looked_at=found.looked_at,
    )


def _with_lower_mean_distance(
    selection: S, problem: Problem, wanted: Refine, *, progress: bool | None
) -> S:
    """Return the selection with its picks moved, so that all rows are nearer to them on average."""
    with searching_bar("refining", "mean distance", 0.0, progress) as report:
        found = lower_mean_distance(
            problem.points,
            problem.rules,
            np.array(selection.indices),
            seconds=wanted.seconds,
            report=report,
        )
        refined = replace(
            selection,
            indices=found.rows,
            radii=problem.radii_of(found.rows),
            coverage_radius=found.coverage_radius,
            near=None,
        )
    if found.ended == "interrupt":
        log.warning("the refinement was interrupted: these are the best rows so far.")
    return _recorded(
        refined,
        found.seconds,
        greedy_mean_distance=found.before,
        mean_distance=found.mean,
        rounds=found.rounds,
        ended_by=found.ended,
    )


def _recorded(refined: S, seconds: float, **values: Any) -> S:
    """Return a refined selection whose provenance says what the refinement came to."""
    provenance = refined.provenance.with_detail("refined", **values)
    spent = {**provenance.seconds, "refining": round(seconds, 4)}
    return replace(refined, provenance=replace(provenance, seconds=spent))


def _kept_in(
    checkpoint: str | PathLike[str],
    search: Callable[..., Refined],
    problem: Problem,
    count: int,
    wanted: Refine,
    report: Report,
) -> Refined:
    """Run a search that a checkpoint keeps, from where the checkpoint has it."""
    saved = read_checkpoint(checkpoint)
    if saved is None:  # it could not be written, which was reported
        return search(report=report)
    key = key_of(count, wanted.method, wanted.seed)
    with reading_checkpoint(checkpoint):
        resume = from_kept(saved.refinement, key, len(problem.points))
    kept = replace(saved, refinement=saved.refinement if resume is not None else None)
    with Checkpoint(checkpoint, kept) as file:

        def keep(state: SearchState) -> None:
            file.keep_saved(replace(saved, refinement=to_kept(key, state)))

        try:
            return search(report=report, resume=resume, keep=keep)
        except WrongStateError as error:
            raise damaged_checkpoint(checkpoint, error) from None


def in_order(
    problem: Problem,
    rows: Int[np.ndarray, " m"],
    budget: int,
    report: Report = lambda *_: None,
) -> Picks:
    """Return at most `budget` of some rows, in the order of farthest-first among them.

    The rows to include come first. Without any, and with nothing to keep away from, the first
    row is the farthest from their mean.
    """
    rows, points = np.sort(rows), problem.points
    within: Points | DistanceMatrix
    if isinstance(points, DistanceMatrix):
        # Rows to keep away from are known by their numbers in the whole matrix.
        numbers = np.arange(len(points))
        within = replace(points, eligible=np.isin(numbers, rows))
    else:
        numbers, within = rows, points.take(rows)
    rules = replace(problem.rules, include=np.searchsorted(numbers, problem.rules.include))
    own = replace(problem, points=within, rules=rules, engine="auto", device="auto", memory=None)
    if len(rules.include):
        initial = Picks(rules.include, own.radii_of(rules.include))
    elif own.keeps_away:
        initial = Picks.none()
    else:
        initial = Picks.first(first_of_the_farthest(within.squared_distances_to_mean()))

    def show(picks: Picks) -> None:
        report("ordering", None, "rows", len(picks), budget)

    picks, _ = farthest_first(own.new_engine(budget), budget, initial, progress=show)
    return Picks(numbers[picks.rows], picks.radii)


def cover(
    problem: Problem,
    picks: Picks,
    searched: tuple[Subproblem, NeighbourGraph] | None = None,
) -> float:
    """Return the largest distance from an eligible row to a pick, or to what is kept away from.

    Args:
        problem: the pool under its rules.
        picks: those to include first.
        searched: rows and their neighbours, which spare most comparisons; all picks must be among
            these rows, or rows to include.
    """
    squared, left = 0.0, problem.points.eligible
    if searched is not None:
        subproblem, graph = searched
        chosen = np.isin(subproblem.rows, picks.rows)
        squared, is_open = farthest_from_chosen(graph, chosen, subproblem.constraints.limits)
        left = left.copy()
        left[subproblem.rows] = is_open
        left[picks.rows] = False
        if not left.any():
            return float(np.sqrt(squared))
        left[picks.rows] = True
    own = replace(problem, points=replace(problem.points, eligible=left))
    engine = own.new_engine(len(picks))
    engine.add(picks.rows, engine.fetch(picks.rows))
    return max(float(np.sqrt(squared)), coverage_radius_of(engine))
