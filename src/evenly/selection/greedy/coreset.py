"""`method="coreset"`: farthest-first in each part of a pool, then among the picks of all parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evenly.engines import Engine
from evenly.errors import OptionError
from evenly.geometry import Points, single_threaded_blas
from evenly.options import InputOptions, RuleOptions, UniformOptions
from evenly.selection.greedy.driver import coverage_radius_of, farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.start import first_row
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.remaining import Limits
from evenly.shapes import Bool, Int

PARTS = 8
"""Ranges of rows that a pool is divided into."""

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


def check_method(how: UniformOptions, rules: RuleOptions, inputs: InputOptions) -> None:
    """Raise OptionError if `method` cannot be used with the other options."""
    if how.method == "exact":
        return
    given = [name for name in rules.given() if name not in _HONOURED]
    given += [name for name in _NOT_TOGETHER if getattr(how, name)]
    if inputs.cluster is not None:
        given.append("cluster")
    if given:
        raise OptionError(
            f'method="coreset" and {given[0]}= cannot be combined: two rounds of picks cannot '
            'honour it. Omit one of them, or choose method="exact".'
        )


def run_coreset(problem: Problem, start: int | str, seed: int) -> CoresetAnswer:
    """Choose rows in two rounds.

    The coverage radius is at most 4 times the least that as many rows can reach, and h_min at
    least a sixth of the largest (docs/theory.md). The answer depends on the order of the rows,
    and on nothing else.

    Sources: Malkomes et al. 2015 (k-center in two rounds); Indyk, Mahabadi, Mahdian and Mirrokni
        2014, doi:10.1145/2594538.2594560 (composable core-sets for the largest h_min).
    """
    points, budget = problem.points, problem.most_rows
    first = np.array([first_row(problem, start, seed, Limits())])
    candidates, part_radius, parts = [first], 0.0, 0
    with single_threaded_blas():
        for rows in np.array_split(np.arange(len(points)), min(PARTS, len(points))):
            inside = np.zeros(len(points), bool)
            inside[rows] = points.eligible[rows]
            if not inside.any():
                continue
            parts += 1
            own = _of(problem, inside)
            point = points.take(first) if isinstance(points, Points) else None
            picks, radius = core_set(own.new_engine(budget), inside, budget, first, point)
            candidates.append(picks.rows)
            part_radius = max(part_radius, radius)
        among = np.zeros(len(points), bool)
        among[np.concatenate(candidates)] = True
        picks, _ = farthest_first(
            _of(problem, among).new_engine(budget), budget, Picks.first(int(first[0]))
        )
        engine = problem.new_engine(budget)
        engine.add(picks.rows, engine.fetch(picks.rows))
        coverage_radius = coverage_radius_of(engine)
    return CoresetAnswer(picks, coverage_radius, int(np.count_nonzero(among)), part_radius, parts)


def core_set(
    engine: Engine,
    eligible: Bool[np.ndarray, " n"],
    budget: int,
    first: Int[np.ndarray, " 1"],
    point: Points | None,
) -> tuple[Picks, float]:
    """Return at most `budget` farthest-first picks of one part, and their coverage radius.

    Args:
        engine: the rows of the part; nothing was added yet. It can be on another machine.
        eligible: which of its rows may be picked.
        budget: how many rows are chosen in the end.
        first: the first pick of all parts, as a row of this engine; -1 if it has other rows.
        point: this pick as a point; None if engines have distances only.
    """
    own = first[0] >= 0 and bool(eligible[first[0]])
    engine.add(first, point)
    most = int(np.count_nonzero(eligible)) - own
    return farthest_first(engine, min(budget, most), Picks.none())


def _of(problem: Problem, eligible: Bool[np.ndarray, " n"]) -> Problem:
    return replace(problem, points=replace(problem.points, eligible=eligible))
