"""The rows that a refinement searches, and the constraints on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import DistanceMatrix, Points, reach_of
from evenly.geometry.search.close_pairs import close_counts
from evenly.geometry.search.in_order import squared_distances_to_nearest
from evenly.geometry.search.neighbour_graph import BYTES_A_PAIR, NeighbourGraph, neighbour_graph
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.effort import SearchEffort
from evenly.shapes import Bool, Float, Int

if TYPE_CHECKING:
    from evenly.selection.rules.rules import Rules

    Show = Callable[[str, str, int, int], object]
    """Shows a step, its unit, how many are done, and how many there are."""

# The number of neighbours of a row is estimated from a sample of so many rows.
_SAMPLE = 2048
# If a sample alone shows that there are fewer pairs than this share of the most, in a pool of so
# many times its rows, neighbours are not counted row by row.
_FEW_PAIRS, _WORTH_A_LOOK = 0.75, 16
# Attempts to build a graph, each with a quarter of the pairs of the one before.
_ATTEMPTS = 6


class _TooManyPairsError(Exception):
    """A graph has far more pairs than estimated. Never leaves this file."""


@dataclass(frozen=True, eq=False)
class Subproblem:
    """Some rows of a pool, and a packing of them that is to be improved.

    Attributes:
        points: the pool; if that is on disk, these rows of it, in memory.
        positions: (m,) where the rows are in `points`.
        rows: (m,) their row numbers in the pool, ascending. Rows to include are not among them:
            the others keep away from these.
        initial: (m,) which of them are chosen so far.
        constraints: the constraints on packings.
        whole: whether every row is there that could be chosen at a larger distance.
    """

    points: Points | DistanceMatrix
    positions: Int[np.ndarray, " m"]
    rows: Int[np.ndarray, " m"]
    initial: Bool[np.ndarray, " m"]
    constraints: Constraints
    whole: bool

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """A pool under rules, and how much of it may be searched.

    Attributes:
        points, rules: as for `refine`.
        memory: bytes that neighbours and rows may take; None for 0.9 GB of neighbours.
        effort: the numbers of rows and of pairs that may be searched.
        check: called from time to time; an exception it raises ends the work.
        first: picks of farthest-first, in their order.
    """

    points: Points | DistanceMatrix
    rules: Rules
    memory: float | None
    effort: SearchEffort
    check: Callable[[], object]
    first: Int[np.ndarray, " k"]

    def graph_around(
        self,
        chosen: Int[np.ndarray, " k"],
        distance: float,
        top: float,
        max_pairs: float,
        show: Show = lambda *_: None,
    ) -> tuple[Subproblem, NeighbourGraph | None]:
        """Return the rows to search, see `subproblem`, and those nearer to each other than `top`.

        `show` is called with the step, and how many units of it are done.

        Returns:
            None instead of the graph if it has too many pairs whatever rows are searched.
        """
        if self.memory is not None:
            max_pairs = min(max_pairs, self.memory / 2 / BYTES_A_PAIR)
        for _ in range(_ATTEMPTS):
            subproblem = self.subproblem(chosen, distance, top, max_pairs, show)
            pairs_left, done = 4 * max_pairs, 0

            def count(pairs: int, tiles: int) -> None:
                nonlocal pairs_left, done
                pairs_left -= pairs
                done += 1
                show("finding neighbours", "tiles", done, tiles)
                self.check()
                if pairs_left < 0:
                    raise _TooManyPairsError

            try:
                return subproblem, neighbour_graph(
                    subproblem.points,
                    subproblem.positions,
                    top,
                    usual=distance,
                    centres=self._centres(subproblem.rows),
                    progress=count,
                )
            except _TooManyPairsError:
                max_pairs /= 4
        return subproblem, None

    def pairs_within(self, distance: float) -> float:
        """Return about how many pairs of rows are nearer than a distance, from a sample."""
        rows = np.flatnonzero(self.points.eligible)
        sample = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
        near = close_counts(self.points, sample, sample, reach_of(distance)) - 1
        return float(near.sum()) / 2 * (len(rows) / len(sample)) ** 2

    def _centres(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " g"] | None:
        """Return positions of the first picks, which are near most rows if these are clustered."""
        if len(rows) < self.effort.grouped_rows:
            return None
        first = self.first[np.isin(self.first, rows)]
        centres: Int[np.ndarray, " g"] = np.searchsorted(rows, first[: len(rows) // 64])
        return centres if len(centres) else None

    def subproblem(
        self,
        chosen: Int[np.ndarray, " k"],
        distance: float,
        top: float,
        max_pairs: float,
        show: Show = lambda *_: None,
    ) -> Subproblem:
        """Return the rows that could replace chosen rows at a larger distance.

        If they, or their pairs of neighbours, are too many, it keeps the chosen rows and those
        with the fewest neighbours, which is what packings by minimum degree consist of.

        Args:
            chosen: row numbers, those to include first.
            distance: the smallest distance between them.
            top: rows nearer than this are neighbours.
            max_pairs: the estimated number of pairs of neighbours that is not to be exceeded.
            show: as in `graph_around`.

        Cost: per row, d multiplications for each row or point to keep away from; if not all rows
            can be searched, 2048·d more.
        """
        rules = self.rules
        fixed = chosen[: len(rules.include)]
        usable = self.points.eligible.copy()
        usable[fixed] = False
        rows = np.flatnonzero(usable)
        initial = np.isin(rows, chosen)
        strata, most = np.zeros(len(rows), np.int32), np.array([len(rows)])
        if rules.quotas is not None:
            strata = rules.quotas.strata[rows]
            most = np.bincount(strata[initial], minlength=len(rules.quotas))
        limits = self._limits(rows, fixed)
        useful = initial | ((limits >= reach_of(distance)) & (most[strata] > 0))
        kept = np.flatnonzero(useful)
        kept = kept[self._relevant_rows(rows[kept], initial[kept], top, max_pairs, show)]
        whole = len(kept) == np.count_nonzero(useful)
        constraints = Constraints(limits[kept], strata[kept], most)
        rows, initial = rows[kept], initial[kept]
        points, positions = self.points, rows
        if isinstance(points, Points) and not points.in_memory:
            points, positions = points.take(rows), np.arange(len(rows))
        return Subproblem(points, positions, rows, initial, constraints, whole)

    def _limits(
        self, rows: Int[np.ndarray, " m"], fixed: Int[np.ndarray, " i"]
    ) -> Float[np.ndarray, " m"]:
        """Return the squared distance of each row to the nearest one it must keep away from."""
        points, rules = self.points, self.rules
        if isinstance(points, DistanceMatrix):
            others = fixed if rules.before is None else np.concatenate([fixed, rules.before])
            if not len(others):
                return np.full(len(rows), np.inf)
            nearest = points.matrix[np.ix_(rows, others)].min(axis=1)
            squared: Float[np.ndarray, " m"] = nearest.astype(np.float64) ** 2
            return squared
        away = [] if rules.away is None else [rules.away]
        if len(fixed):
            away.append(points.take(fixed))
        if not away:
            return np.full(len(rows), np.inf)
        return squared_distances_to_nearest(points, rows, Points.join(away))

    def _relevant_rows(
        self,
        rows: Int[np.ndarray, " m"],
        initial: Bool[np.ndarray, " m"],
        top: float,
        max_pairs: float,
        show: Show,
    ) -> Int[np.ndarray, " p"]:
        """Return the positions of all rows, or of so many that their pairs are not too many."""
        max_rows, block_rows = self.effort.max_rows, self.effort.block_rows
        if self.memory is not None and isinstance(self.points, Points):
            # Proxy vectors, and the vectors themselves if they are on disk.
            max_rows = min(max_rows, int(self.memory / 4 / (8 * self.points.dimension)))
        if len(rows) <= max_rows and len(rows) * (len(rows) - 1) / 2 <= max_pairs:
            return np.arange(len(rows))
        if _WORTH_A_LOOK * _SAMPLE < len(rows) <= max_rows:
            show("counting neighbours", "rows", 0, len(rows))
            if self.pairs_within(top) <= _FEW_PAIRS * max_pairs:
                return np.arange(len(rows))
        sample = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
        near = np.empty(len(rows))
        for begin in range(0, len(rows), block_rows):
            self.check()
            show("counting neighbours", "rows", begin, len(rows))
            block = slice(begin, begin + block_rows)
            near[block] = close_counts(self.points, rows[block], sample, reach_of(top))
        near /= len(sample)
        if len(rows) <= max_rows and near.sum() * len(rows) / 2 <= max_pairs:
            return np.arange(len(rows))
        order = np.lexsort((near, ~initial))
        # An estimate of the pairs: as if the neighbours of each row were spread evenly.
        counts = np.arange(1, len(rows) + 1)
        enough = np.count_nonzero(np.cumsum(near[order]) * counts / 2 <= max_pairs)
        chosen = int(np.count_nonzero(initial))
        return np.sort(order[: max(chosen, min(enough, max(max_rows, 2 * chosen)))])
