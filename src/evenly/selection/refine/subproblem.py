"""The rows that a refinement looks at, and what they must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import DistanceMatrix, Points, reach_of
from evenly.geometry.search.close_pairs import close_counts
from evenly.geometry.search.in_order import squared_distances_to_nearest
from evenly.geometry.search.neighbour_graph import BYTES_A_PAIR, NeighbourGraph, neighbour_graph
from evenly.selection.refine.constraints import Constraints

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Bool, Int

    from evenly.selection.rules.rules import Rules

__all__ = ["Subproblem", "graph_of", "subproblem_of"]


# Pairs of neighbours that are looked at, 0.9 GB of them, and rows whose neighbours are found: at
# 384 coordinates that takes minutes. Fixed, so that the answer does not depend on the machine.
_PAIRS = 16_000_000


_ROWS = 1 << 18


# A sample tells how many neighbours a row has. On disk, rows are read so many at a time.
_SAMPLE = 2048


_BLOCK = 1 << 16


# Tries to do with fewer pairs.
_TRIES = 6


class _TooManyError(Exception):
    """More pairs than were expected. Never leaves this file."""


@dataclass(frozen=True, eq=False)
class Subproblem:
    """Some rows of a pool, of which as many as are chosen are to be farther apart.

    Attributes:
        points: the pool; where it is on disk, these rows of it, in memory.
        positions: (m,) where the rows are in `points`.
        rows: (m,) their row numbers, ascending.
        begun: (m,) which of them are chosen so far.
        constraints: what their packings must keep to. Rows that are in any case are not among the
            rows: they are what the others keep away from.
        pairs: of neighbours that there are likely to be at most.
        whole: whether every row is among them that could be chosen where rows are to be farther
            apart than they are.
    """

    points: Points | DistanceMatrix
    positions: Int[np.ndarray, " m"]
    rows: Int[np.ndarray, " m"]
    begun: Bool[np.ndarray, " m"]
    constraints: Constraints
    pairs: float
    whole: bool

    def __len__(self) -> int:
        return len(self.rows)


def subproblem_of(
    points: Points | DistanceMatrix,
    rules: Rules,
    chosen: Int[np.ndarray, " k"],
    distance: float,
    top: float,
    *,
    memory: float | None,
    share: float = 1.0,
    check: Callable[[], object] = lambda: None,
) -> Subproblem:
    """The rows that could make chosen rows farther apart than a distance.

    Where there are too many of them, or of pairs of neighbours, those that matter: the chosen
    ones, and the rows with the fewest neighbours, which are the ones that packings by minimum
    degree are made of.

    Args:
        points: the pool, under the rules.
        rules: of the quotas it is kept how many rows of each kind are chosen.
        chosen: those in any case, which the rules name, first.
        distance: their smallest.
        top: rows nearer than this are neighbours.
        memory: bytes that neighbours and rows may take; None for 0.9 GB of neighbours.
        share: of the pairs of neighbours there may be otherwise.
        check: called now and then.

    Cost: a row·(those to keep away from)·d multiplications; where not all rows can be looked at
        a row·2048·d.
    """
    fixed = chosen[: len(rules.include)]
    usable = points.eligible.copy()
    usable[fixed] = False
    rows = np.flatnonzero(usable)
    begun = np.isin(rows, chosen)
    kinds, most = np.zeros(len(rows), np.int32), np.array([len(rows)])
    if rules.quotas is not None:
        kinds = rules.quotas.strata[rows]
        most = np.bincount(kinds[begun], minlength=len(rules.quotas))
    limits = _limits(points, rules, rows, fixed)
    useful = begun | ((limits >= reach_of(distance)) & (most[kinds] > 0))
    rows, begun, kinds, limits = rows[useful], begun[useful], kinds[useful], limits[useful]
    pairs = _PAIRS if memory is None else min(_PAIRS, memory / 2 / BYTES_A_PAIR)
    pairs *= share
    kept = _relevant_rows(points, rows, begun, top, pairs, memory, check)
    constraints = Constraints(limits[kept], kinds[kept], most)
    whole = len(kept) == len(rows)
    rows, begun = rows[kept], begun[kept]
    positions = rows
    if not _in_memory(points):
        assert isinstance(points, Points)
        points, positions = points.take(rows), np.arange(len(rows))
    return Subproblem(points, positions, rows, begun, constraints, pairs, whole)


def _in_memory(points: Points | DistanceMatrix) -> bool:
    """Whether rows can be read again and again."""
    return isinstance(points, DistanceMatrix) or points.in_memory


def _limits(
    points: Points | DistanceMatrix,
    rules: Rules,
    rows: Int[np.ndarray, " m"],
    fixed: Int[np.ndarray, " i"],
) -> np.ndarray:
    """Squared distances of rows to the nearest of those that they must keep away from."""
    if isinstance(points, DistanceMatrix):
        others = fixed if rules.before is None else np.concatenate([fixed, rules.before])
        if not len(others):
            return np.full(len(rows), np.inf)
        nearest: np.ndarray = (
            points.matrix[np.ix_(rows, others)].min(axis=1).astype(np.float64) ** 2
        )
        return nearest
    away = [] if rules.away is None else [rules.away]
    given = [*away, *([points.take(fixed)] if len(fixed) else [])]
    if not given:
        return np.full(len(rows), np.inf)
    return squared_distances_to_nearest(points, rows, Points.join(given))


def _relevant_rows(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    begun: Bool[np.ndarray, " m"],
    top: float,
    pairs: float,
    memory: float | None,
    check: Callable[[], object],
) -> Int[np.ndarray, " p"]:
    """Positions of the rows to look at: all, or so many that their pairs are not too many."""
    most = _ROWS
    if memory is not None and isinstance(points, Points):
        # Vectors, where they are on disk, and stand-ins.
        most = min(most, int(memory / 4 / (8 * points.dimension)))
    if len(rows) <= most and len(rows) * (len(rows) - 1) / 2 <= pairs:
        return np.arange(len(rows))
    sample = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
    near = np.empty(len(rows))
    for begin in range(0, len(rows), _BLOCK):
        check()
        block = slice(begin, begin + _BLOCK)
        near[block] = close_counts(points, rows[block], sample, reach_of(top))
    near /= len(sample)
    if len(rows) <= most and near.sum() * len(rows) / 2 <= pairs:
        return np.arange(len(rows))
    order = np.lexsort((near, ~begun))
    # At most as many pairs as if the neighbours of each were spread over all rows evenly.
    counts = np.arange(1, len(rows) + 1)
    few = np.count_nonzero(np.cumsum(near[order]) * counts / 2 <= pairs)
    chosen = int(np.count_nonzero(begun))
    return np.sort(order[: max(chosen, min(few, max(most, 2 * chosen)))])


def graph_of(
    points: Points | DistanceMatrix,
    rules: Rules,
    chosen: Int[np.ndarray, " k"],
    distance: float,
    top: float,
    *,
    memory: float | None = None,
    check: Callable[[], object] = lambda: None,
) -> tuple[Subproblem, NeighbourGraph | None]:
    """The rows to look at, see `subproblem_of`, and which are nearer to each other than `top`.

    Returns:
        None in the place of neighbours where there are too many, whatever rows are looked at.
    """
    share = 1.0
    for _ in range(_TRIES):
        subproblem = subproblem_of(
            points, rules, chosen, distance, top, memory=memory, share=share, check=check
        )
        left = 4 * subproblem.pairs

        def count(pairs: int) -> None:
            nonlocal left
            left -= pairs
            check()
            if left < 0:
                raise _TooManyError

        try:
            return subproblem, neighbour_graph(
                subproblem.points, subproblem.positions, top, progress=count
            )
        except _TooManyError:
            share /= 4
    return subproblem, None
