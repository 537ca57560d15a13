"""Maximal packings with many rows, at a given distance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import reach_of
from evenly.selection.packing.packer import packing_in_order
from evenly.selection.refine.effort import Clock, TimeIsUp
from evenly.selection.refine.min_degree import pack_by_degree
from evenly.selection.refine.portfolio import TabuPortfolio
from evenly.selection.refine.search import Ended, Refine
from evenly.selection.refine.subproblem import SearchSpace
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.geometry import DistanceMatrix, Points
    from evenly.selection.greedy.progress import Report
    from evenly.selection.rules.rules import Rules


@dataclass(frozen=True, eq=False)
class MaximalPacking:
    """A packing to which no row can be added.

    Attributes:
        rows: row numbers, those to include first.
        ended: what ended the search.
        looked_at: how many rows were searched, before any that still fit were added.
        seconds: the time taken.
    """

    rows: Int[np.ndarray, " p"]
    ended: Ended
    looked_at: int
    seconds: float


def maximal_packing(
    points: Points | DistanceMatrix,
    rules: Rules,
    chosen: Int[np.ndarray, " k"],
    distance: float,
    options: Refine,
    *,
    memory: float | None = None,
    report: Report = lambda *_: None,
) -> MaximalPacking:
    """Find as many rows as possible with pairwise distances of `distance` or more.

    It packs by minimum degree, then runs tabu searches for one row more, repeatedly; finally it
    adds every row that still fits.

    Args:
        points: the pool, under the rules.
        rules: include and away_from are kept; there are no quotas.
        chosen: rows at least so far apart, those to include first, as the result has them.
        options: the time limit, except for the last step, and the seed.
        memory, report: as for `refine`; what is reported is the number of rows so far.

    Returns:
        MaximalPacking: any row left out is nearer than `distance` to one of its rows.

    Cost: as `refine`.
    """
    clock = Clock(options.seconds)
    fixed = chosen[: len(rules.include)]
    found = chosen[len(fixed) :]
    ended: Ended = "search"
    looked_at = 0
    space = SearchSpace(points, rules, memory, options.effort, clock.check, chosen)
    try:
        for size, rows in _growing_packings(space, chosen, distance, options.seed):
            looked_at, found = size, rows
            report("searching", len(fixed) + len(found))
    except TimeIsUp:
        ended = "time"
    except KeyboardInterrupt:
        ended = "interrupt"
    before = np.concatenate([fixed, found])
    report("filling up", len(before))
    left = np.setdiff1d(np.flatnonzero(points.eligible), before)
    if rules.before is not None:
        before = np.concatenate([before, rules.before])
    rest = packing_in_order(points, left, distance, before=before, away=rules.away)
    rows = np.concatenate([fixed, found, rest.rows])
    return MaximalPacking(rows, ended, looked_at, clock.spent)


def _growing_packings(
    space: SearchSpace, chosen: Int[np.ndarray, " k"], distance: float, seed: int
) -> Iterator[tuple[int, Int[np.ndarray, " p"]]]:
    """Yield how many rows are searched, and larger and larger packings without rows to include."""
    subproblem, graph = space.graph_around(chosen, distance, distance, space.effort.max_pairs)
    if graph is None or len(subproblem) == 0:
        return
    reach = reach_of(distance)
    best = subproblem.initial
    packed = np.zeros(len(subproblem), bool)
    packed[pack_by_degree(graph, reach, seed=seed, constraints=subproblem.constraints)] = True
    if np.count_nonzero(packed) > np.count_nonzero(best):
        best = packed
    yield len(subproblem), subproblem.rows[best]
    portfolio = TabuPortfolio(graph, subproblem.constraints, len(chosen), seed, space.effort)
    failures, found = 0, True
    while failures < portfolio.patience:
        space.check()
        target = int(np.count_nonzero(best)) + 1
        packings = portfolio.run(reach, target, best if found else None)
        found = bool(packings)
        if found:
            best, failures = packings[0].copy(), 0
            yield len(subproblem), subproblem.rows[best]
        else:
            failures += 1
