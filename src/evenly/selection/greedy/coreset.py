"""`method="coreset"`: farthest-first in each part of a pool, then among the picks of all parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from evenly.distributed.vectors import ClusterPoints
from evenly.engines import Engine
from evenly.errors import OptionError
from evenly.geometry import Points, single_threaded_blas
from evenly.options import RuleOptions, UniformOptions
from evenly.selection.greedy.driver import coverage_radius_of, farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.start import first_row
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.remaining import Limits
from evenly.shapes import Bool, Int

LEAST_PARTS, MOST_PARTS = 8, 64
"""Ranges of rows that a pool is divided into."""

# There are more than the fewest parts only if they choose less than one of so many rows together.
_ROWS_A_CANDIDATE = 32

_HONOURED = ("budget", "exclude", "id_column")
_NOT_TOGETHER = ("refine", "checkpoint", "max_outliers")


@dataclass(frozen=True, eq=False)
class CoresetAnswer:
    """The picks of two rounds.

    Attributes:
        picks: the picks; a radius is the distance to the nearest earlier pick.
        coverage_radius: the largest distance from an eligible row to the nearest pick, exactly.
        candidates: how many rows the picks were chosen from.
        part_radius: no row is farther than this from all candidates of its part.
        parts: how many parts had rows.
    """

    picks: Picks
    coverage_radius: float
    candidates: int
    part_radius: float
    parts: int

    def outcome(self) -> dict[str, dict[str, float]]:
        """Return what the rounds came to, as JSON values for `Provenance.details`.

        Any two of as many rows as were chosen, wherever they are, are at most "upper_bound" apart,
        because all rows are within part_radius + h_min of all picks but the last.
        """
        found: dict[str, float] = {"parts": self.parts, "candidates": self.candidates}
        if len(self.picks) > 1:
            found["upper_bound"] = 2.0 * (self.part_radius + float(self.picks.radii[-1]))
        return {"coreset": found}


def check_method(how: UniformOptions, rules: RuleOptions) -> None:
    """Raise OptionError if `method` cannot be used with the other options."""
    if how.method == "exact":
        return
    given = [name for name in rules.given() if name not in _HONOURED]
    given += [name for name in _NOT_TOGETHER if getattr(how, name)]
    if given:
        raise OptionError(
            f'method="coreset" and {given[0]}= cannot be combined: two rounds of picks cannot '
            'honour it. Omit one of them, or choose method="exact".'
        )


def parts_of(rows: int, budget: int) -> list[slice]:
    """Return the ranges that a pool is divided into, which depend on nothing else.

    There are 8, or up to 64 if the pool has so many rows for each row that will be picked.
    """
    parts = LEAST_PARTS
    while parts < MOST_PARTS and 2 * parts * budget * _ROWS_A_CANDIDATE <= rows:
        parts *= 2
    parts = min(parts, rows)
    cuts = [rows * part // parts for part in range(parts + 1)]
    return [slice(*ends) for ends in pairwise(cuts)]


def run_coreset(problem: Problem, start: int | str, seed: int) -> CoresetAnswer:
    """Choose rows in two rounds.

    The coverage radius is at most 4 times the least that as many rows can reach, and h_min at
    least a sixth of the largest (docs/theory.md). The answer depends on the order of the rows,
    and on nothing else.

    Sources: Malkomes et al. 2015 (k-center in two rounds); Indyk, Mahabadi, Mahdian and Mirrokni
        2014, doi:10.1145/2594538.2594560 (composable core-sets for the largest h_min).
    """
    points, budget = problem.points, problem.most_rows
    first = first_row(problem, start, seed, Limits())
    with single_threaded_blas():
        found = _core_sets(problem, first)
        among = np.zeros(len(points), bool)
        among[np.concatenate([[first], *(part.rows for part in found)])] = True
        picks = _choose_among(problem, among, first)
        engine = problem.new_engine(budget)
        engine.add(picks.rows, engine.fetch(picks.rows))
        coverage_radius = coverage_radius_of(engine)
    part_radius = max(part.radius for part in found)
    candidates = int(np.count_nonzero(among))
    return CoresetAnswer(picks, coverage_radius, candidates, part_radius, len(found))


def _core_sets(problem: Problem, first: int) -> list[CoreSet]:
    """Return what is picked in each part of which rows may be picked."""
    points, budget = problem.points, problem.most_rows
    parts = [rows for rows in parts_of(len(points), budget) if points.eligible[rows].any()]
    if not isinstance(points, Points):
        masks = [points.eligible & _is_in(rows, len(points)) for rows in parts]
        alone = [replace(problem, points=replace(points, eligible=mask)) for mask in masks]
        return [
            core_set(one.new_engine(budget), mask, budget, first, None)
            for one, mask in zip(alone, masks, strict=True)
        ]
    point = points.take(np.array([first]))
    asked = [(rows, (points.eligible[rows], budget, first - rows.start, point)) for rows in parts]
    if isinstance(points, ClusterPoints):
        found = points.compute(core_set, asked, budget, problem.engine)
    else:
        own = [replace(problem, points=points.window(rows)) for rows in parts]
        found = [
            core_set(one.new_engine(budget), *arguments)
            for one, (_, arguments) in zip(own, asked, strict=True)
        ]
    return [
        replace(part, rows=part.rows + rows.start) for part, rows in zip(found, parts, strict=True)
    ]


def _is_in(rows: slice, count: int) -> Bool[np.ndarray, " n"]:
    inside = np.zeros(count, bool)
    inside[rows] = True
    return inside


def _choose_among(problem: Problem, among: Bool[np.ndarray, " n"], first: int) -> Picks:
    """Choose among the candidates, which are in memory unless one machine has all rows on disk."""
    points, budget = problem.points, problem.most_rows
    on_disk = isinstance(points, Points) and not points.in_memory and points.elsewhere is None
    if on_disk or not isinstance(points, Points):
        alone = replace(problem, points=replace(points, eligible=among))
        return farthest_first(alone.new_engine(budget), budget, Picks.first(first))[0]
    rows = np.flatnonzero(among)
    start = Picks.first(int(np.searchsorted(rows, first)))
    engine = replace(problem, points=points.take(rows)).new_engine(budget)
    picks, _ = farthest_first(engine, budget, start)
    return Picks(rows[picks.rows], picks.radii)


@dataclass(frozen=True, eq=False)
class CoreSet:
    """What is picked in one part.

    Attributes:
        rows: the picks.
        radius: no row of the part is farther than this from them and the first pick of all parts.
    """

    rows: Int[np.ndarray, " m"]
    radius: float


def core_set(
    engine: Engine,
    eligible: Bool[np.ndarray, " n"],
    budget: int,
    first: int,
    point: Points | None,
) -> CoreSet:
    """Return at most `budget` farthest-first picks of one part; it can be on another machine.

    Args:
        engine: the rows of the part; nothing was added yet.
        eligible: which of its rows may be picked.
        budget: how many rows are chosen in the end.
        first: the first pick of all parts, as a row of this engine, which may not have it.
        point: this pick as a point; None if engines have distances only.
    """
    own = 0 <= first < len(eligible)
    engine.add(np.array([first if own else -1]), point)
    most = int(np.count_nonzero(eligible)) - (own and bool(eligible[first]))
    picks, radius = farthest_first(engine, min(budget, most), Picks.none())
    return CoreSet(picks.rows, radius)
