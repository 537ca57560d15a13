"""`more_rows`: as many rows as can be found that are as far apart as some are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import reach_of
from evenly.selection.packing.packer import packing_in_order
from evenly.selection.refine.climb import Clock, TimeIsUp, Walkers
from evenly.selection.refine.min_degree import pack_by_degree
from evenly.selection.refine.search import Ended
from evenly.selection.refine.subproblem import graph_of

if TYPE_CHECKING:
    from jaxtyping import Int

    from evenly.geometry import DistanceMatrix, Points
    from evenly.selection.rules.rules import Rules

__all__ = ["More", "more_rows"]


@dataclass(frozen=True, eq=False)
class More:
    """As many rows as were found.

    Attributes:
        rows: row numbers, those to include first.
        ended: what ended the search.
        looked_at: how many rows were looked at in it; all of them in the last step.
        seconds: what it took.
    """

    rows: Int[np.ndarray, " p"]
    ended: Ended
    looked_at: int
    seconds: float


def more_rows(
    points: Points | DistanceMatrix,
    rules: Rules,
    chosen: Int[np.ndarray, " k"],
    distance: float,
    *,
    seconds: float | None = None,
    seed: int = 0,
    memory: float | None = None,
    told: Callable[[str, float], object] = lambda *_: None,
) -> More:
    """As many rows as can be found with pairwise distances of `distance` or more.

    A packing by minimum degree, then walks among packings for one row more, again and again; at
    last every row that still fits.

    Args:
        points: the pool, under the rules.
        rules: include and away_from are kept; there are no quotas.
        chosen: rows so far apart, those to include first: the answer has as many at least.
        distance: more than 0.
        seconds: the most it may take, but for the last step; None: it ends by itself.
        seed: of the walks.
        memory: bytes that may be taken beside the pool; None for about 1 GB.
        told: called with what is being done, and how many rows there are.

    Returns:
        More: any row that is left out is nearer than `distance` to one of them.

    Cost: as `refine`.
    """
    clock = Clock(np.inf if seconds is None else seconds)
    fixed = chosen[: len(rules.include)]
    found = chosen[len(fixed) :]
    ended: Ended = "search"
    looked_at = 0
    try:
        for size, rows in _larger(points, rules, chosen, distance, seed, memory, clock):
            looked_at, found = size, rows
            told("searching", len(fixed) + len(found))
    except TimeIsUp:
        ended = "time"
    except KeyboardInterrupt:
        ended = "interrupt"
    before = np.concatenate([fixed, found])
    told("filling up", len(before))
    left = np.setdiff1d(np.flatnonzero(points.eligible), before)
    if rules.before is not None:
        before = np.concatenate([before, rules.before])
    rest = packing_in_order(points, left, distance, before=before, away=rules.away)
    every = np.concatenate([fixed, found, rest.rows])
    return More(every, ended, looked_at, clock.spent)


def _larger(
    points: Points | DistanceMatrix,
    rules: Rules,
    chosen: Int[np.ndarray, " k"],
    distance: float,
    seed: int,
    memory: float | None,
    clock: Clock,
) -> Iterator[tuple[int, Int[np.ndarray, " p"]]]:
    """Larger and larger packings of some rows, how many these are, without those to include."""
    subproblem, graph = graph_of(
        points, rules, chosen, distance, distance, memory=memory, check=clock.check
    )
    if graph is None or len(subproblem) == 0:
        return
    reach = reach_of(distance)
    best = subproblem.begun
    packed = np.zeros(len(subproblem), bool)
    packed[pack_by_degree(graph, reach, seed=seed, constraints=subproblem.constraints)] = True
    if np.count_nonzero(packed) > np.count_nonzero(best):
        best = packed
    yield len(subproblem), subproblem.rows[best]
    walkers = Walkers(graph, subproblem.constraints, seed)
    failures, found = 0, True
    while failures < walkers.patience:
        clock.check()
        there = walkers.walk(reach, int(np.count_nonzero(best)) + 1, best if found else None)
        found = bool(there)
        if found:
            best, failures = there[0].copy(), 0
            yield len(subproblem), subproblem.rows[best]
        else:
            failures += 1
