"""A bounded number of rows that stand for all that have come so far: one pass over a stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines import make_engine
from evenly.geometry import (
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    first_of_the_farthest,
    keep_arrivals,
    nearest_chosen,
    single_threaded_blas,
    usable_threads,
)
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["CHAIN", "Among", "StreamingCover", "largest_distance"]


CHAIN = 2.0
"""A candidate stands for no row farther away than this many thresholds."""


# Rows looked at together: their pairs are compared, too.
_ROWS = 512


# A reach is a sum of distances; so much more than their rounding.
_UP = 1.0 + 2.0**-40


@dataclass(frozen=True, eq=False)
class Among:
    """Rows chosen among the candidates.

    Attributes:
        positions: (k,) which candidates, in the order picked.
        radii: (k,) distance of each to the nearest earlier pick; inf for the first.
        covered: no row that has come is farther than this from a pick.
        slack: no row that has come is farther than this from a candidate.
    """

    positions: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    covered: float
    slack: float


class StreamingCover:
    """Rows kept of those that have come; every other row is near one of them.

    A row nearer than the threshold to a candidate is left to it; any other becomes a candidate.
    When there are more than `most`, the first `kept` of them by farthest-first stay, and the
    others, all within δ of these, are left to the nearest. A candidate's reach is a bound on
    the distance to any row that was ever left to it: the sum of the distances on the way. The
    new threshold is the larger of δ and (largest reach) / CHAIN.

    **How good it is.** Let r be the smallest radius with which any k points, rows or not, cover
    all rows, with k <= kept and k <= most - kept. Of k + 1 rows two are within 2r of each other.

    1. δ <= 2r: kept + 1 rows are δ or more apart.
    2. A threshold t under which the candidates became too many is below 2r: more than k of them
       came since it was set, and they are farther apart than t.
    3. So the largest reach after that is at most δ + CHAIN·t <= 2r·(1 + CHAIN), and the new
       threshold at most 2r·(1 + CHAIN) / CHAIN. What is left to a candidate directly is within
       the threshold. So the largest reach R is at most 2r·(1 + CHAIN), always.
    4. k rows chosen by farthest-first among the candidates are within 2r of all of these, hence
       within 2r + R <= 2r·(2 + CHAIN) of all rows: 8r with CHAIN = 2.

    The distance h between the nearest two of the k chosen has a bound, too: k - 1 of them are
    within h of all candidates, hence within h + R of all rows, of which then no k are more than
    2·(h + R) apart.

    Which rows are kept depends on their order, and not on how they were cut into batches.

    Args:
        budget: k, how many will be chosen.
        most: how many candidates there may be: at least 2·budget.

    Sources: after Charikar, Chekuri, Feder and Motwani 1997, doi:10.1145/258533.258657, whose
        doubling of the threshold gives 8r with k candidates. Here it rises no more than it must.
    """

    def __init__(self, budget: int, most: int) -> None:
        self.budget = budget
        self.most = most
        self.kept = most // 2
        self.threshold = 0.0
        self.numbers: Int[np.ndarray, " c"] = np.empty(0, np.int64)
        self.reach: Float[np.ndarray, " c"] = np.empty(0)
        self._targets: Targets | None = None
        self._longest = 0.0

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def points(self) -> Points:
        """The candidates, in the order in which they came."""
        assert self._targets is not None
        return self._targets.points.part(slice(0, len(self)))

    @property
    def dimension(self) -> int | None:
        """Coordinates of a row; None before the first has come."""
        return None if self._targets is None else self._targets.points.dimension

    def restore(
        self,
        points: Points,
        numbers: Int[np.ndarray, " c"],
        reach: Float[np.ndarray, " c"],
        threshold: float,
    ) -> None:
        """Become what others were that had these candidates."""
        self.numbers, self.reach, self.threshold = numbers, reach, threshold
        self._longest = points.longest
        self._rebuild(points, points)

    def meet(self, points: Points, numbers: Int[np.ndarray, " n"]) -> list[int]:
        """Look at more rows, in order.

        Args:
            points: the rows; those that are no candidates are passed over.
            numbers: (n,) what to call them.

        Returns:
            The numbers of rows that equal a candidate, while there is no threshold.
        """
        rows, begin = np.flatnonzero(points.eligible), 0
        equal: list[int] = []
        with single_threaded_blas():
            while begin < len(rows):
                block = rows[begin : begin + _ROWS]
                own = self._fitting(points.take(block))
                seen, left = self._meet_block(own, numbers[block])
                if self.threshold == 0.0:
                    equal += left
                begin += seen
                if len(self) > self.most:
                    self._reduce()
        return equal

    def choose(self, budget: int) -> Among:
        """Choose by farthest-first among the candidates, which are at least `budget`."""
        points = self.points
        picks, _ = self._farthest_first(points, budget)
        distances, _ = self._distances_to(points, picks.rows)
        slack = float(self.reach.max())
        far = np.where(self.reach > 0, (distances + self.reach) * _UP, distances)
        covered = float(far.max())
        return Among(picks.rows, picks.radii, min(covered, self._widest(points)), slack)

    def _meet_block(self, own: Points, numbers: Int[np.ndarray, " m"]) -> tuple[int, list[int]]:
        """How many of the rows were looked at, and which of these were left to candidates."""
        assert self._targets is not None
        room = self.most + 1 - len(self)
        kept, nearest, distances, seen = keep_arrivals(
            self._targets, own, self.threshold, room, threads=usable_threads()
        )
        self.reach = np.concatenate([self.reach, np.zeros(len(kept))])
        left = np.ones(seen, bool)
        left[kept] = False
        np.maximum.at(self.reach, nearest[left], distances[left])
        self._targets.append(own.take(kept), np.arange(len(self), len(self) + len(kept)))
        self.numbers = np.concatenate([self.numbers, numbers[kept]])
        return seen, numbers[:seen][left].tolist()

    def _reduce(self) -> None:
        """Keep the first by farthest-first, and leave the others to the nearest of them."""
        points = self.points
        picks, _ = self._farthest_first(points, self.kept)
        distances, nearest = self._distances_to(points, picks.rows)
        stay = np.sort(picks.rows)
        reach = np.zeros(len(stay))
        summed = np.where(distances > 0, (distances + self.reach) * _UP, self.reach)
        summed = np.minimum(summed, self._widest(points))
        np.maximum.at(reach, np.searchsorted(stay, nearest), summed)
        self.threshold = max(float(distances.max()), float(reach.max()) / CHAIN)
        self.numbers, self.reach = self.numbers[stay], reach
        kept = points.take(stay)
        self._rebuild(kept, kept)

    def _farthest_first(self, points: Points, budget: int) -> tuple[Picks, float]:
        first = first_of_the_farthest(points.squared_distances_to_mean())
        pool: Any = make_engine(points, budget, "memory")
        return farthest_first(pool, budget, Picks.first(first))

    def _widest(self, points: Points) -> float:
        """No two rows can be farther apart."""
        return 2.0 * _UP if points.unit else np.inf

    def _distances_to(
        self, points: Points, picks: Int[np.ndarray, " k"]
    ) -> tuple[Float[np.ndarray, " c"], Int[np.ndarray, " c"]]:
        """Distance of each candidate to the nearest pick, and which that is; a pick to itself."""
        found = nearest_chosen(points, picks)
        distances, nearest = found.distances.copy(), found.nearest.copy()
        distances[picks], nearest[picks] = 0.0, picks
        return distances, nearest

    def _fitting(self, own: Points) -> Points:
        """Rows of a type and length that the columns can be compared with; these may change."""
        if self._targets is None:
            self._rebuild(own, own.take(np.empty(0, np.int64)))
        assert self._targets is not None
        before = self._targets.points.stored.dtype
        wider = np.result_type(before, own.stored.dtype)
        if wider != before or (not own.unit and own.longest > self._longest):
            kept = self.points
            self._rebuild(own, replace(kept, stored=kept.stored.astype(wider)))
        return replace(own, stored=own.stored.astype(wider, copy=False), longest=self._longest)

    def _rebuild(self, like: Points, kept: Points) -> None:
        """Targets of these candidates, to compare rows with that are no longer than `like`."""
        if like.unit:
            self._longest = 1.0
        elif like.longest > self._longest or self._targets is None:
            self._longest = 2.0 * like.longest  # room for longer ones, which are to come
        shaping = replace(like, longest=self._longest)
        wider = np.result_type(like.stored.dtype, kept.stored.dtype)
        base = replace(shaping.take(np.arange(min(1, len(like)))), longest=self._longest)
        base = replace(base, stored=base.stored.astype(wider, copy=False))
        targets = Targets(ProxyVectors(base, ProxyTransform.of(shaping)), len(kept))
        targets.append(kept, np.arange(len(kept)))
        self._targets = targets


def largest_distance(points: Points, chosen: Points) -> float:
    """The largest distance of a candidate of `points` to the nearest of `chosen`; 0 for none."""
    longest = max(points.longest, chosen.longest)
    together = Points.join([replace(chosen, longest=longest), points])
    found = nearest_chosen(together, np.arange(len(chosen)))
    return float(found.distances[~found.chosen].max(initial=0.0))
