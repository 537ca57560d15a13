"""A bounded number of rows that represent a stream, kept in one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evenly.engines import make_engine
from evenly.geometry import (
    Points,
    ProxyTransform,
    ProxyVectors,
    RunningMean,
    Targets,
    first_of_the_farthest,
    keep_arrivals,
    nearest_chosen,
    single_threaded_blas,
    usable_threads,
)
from evenly.geometry.sphere import sphere_bound
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.shapes import Float, Int

REACH_FACTOR = 2.0
"""A candidate represents no row farther away than this many thresholds."""

# Rows that are processed together; their pairs are compared, too.
_BLOCK_ROWS = 512

# A reach is a sum of distances; this exceeds the rounding error.
_ROUND_UP = 1.0 + 2.0**-40


@dataclass(frozen=True, eq=False)
class CoverPicks:
    """Rows chosen from the candidates.

    Attributes:
        positions: (k,) positions among the candidates, in the order picked.
        radii: (k,) distance of each to the nearest earlier pick; inf for the first.
        covered: an upper bound on the distance from any row so far to the nearest pick.
        h_min_bound: an upper bound on the h_min of any k of the rows so far; inf for one.
    """

    positions: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    covered: float
    h_min_bound: float


class StreamingCover:
    """Candidate rows such that every other row of the stream so far is near one of them.

    A row nearer than the threshold to a candidate is assigned to it; any other row becomes a
    candidate. If there are more than `most`, the first `kept` of them by farthest-first remain,
    and the others, all within δ of these, are assigned to the nearest. The reach of a candidate
    bounds the distance to any row that was ever assigned to it, directly or through others: the
    sum of the distances along the way. The new threshold is the larger of δ and the largest
    reach / c, with c = REACH_FACTOR.

    **Guarantee.** Let r be the smallest radius with which any k points, rows or not, cover all
    rows, with k <= kept and k <= most - kept. Of any k + 1 rows, two are within 2r of each other.

    1. δ <= 2r, as kept + 1 rows are at least δ apart.
    2. A threshold t at which there are too many candidates is below 2r: more than k of them came
       since it was set, and they are farther apart than t.
    3. So the largest reach after that is at most δ + c·t <= 2r·(1 + c), and the new threshold at
       most 2r·(1 + c) / c. Rows assigned directly are within the threshold. So the largest reach
       R never exceeds 2r·(1 + c).
    4. k rows chosen by farthest-first from the candidates are within 2r of all of these, hence
       within 2r + R <= 2r·(2 + c) of all rows: 8r with c = 2.

    The smallest distance h between the k chosen rows has a bound, too: k - 1 of them are within
    h of all candidates, hence within h + R of all rows, so no k rows are more than 2·(h + R)
    apart. For rows of length 1, both bounds are cut to what is possible on a sphere.

    Farthest-first begins with the candidate that is farthest from the mean of all rows so far, as
    in `select_uniform`. So while the threshold is 0, every row equals a candidate, and the answer
    is that of `select_uniform`.

    The candidates depend on the order of the rows, but not on how they are divided into batches.

    Args:
        budget: k, how many rows will be chosen.
        most: the largest number of candidates: at least 2·budget.

    Attributes:
        threshold: rows nearer than this to a candidate are assigned to it.
        numbers: (c,) the row numbers of the candidates, in order of arrival.
        reach: (c,) the distance within which all rows assigned to each candidate lie.
        mean: of all rows so far; None before the first arrives.

    Sources: after Charikar, Chekuri, Feder and Motwani 1997, doi:10.1145/258533.258657, whose
        doubling of the threshold gives 8r with k candidates. This threshold rises no more than
        necessary.
    """

    def __init__(self, budget: int, most: int) -> None:
        self.budget = budget
        self.most = most
        self.kept = most // 2
        self.threshold = 0.0
        self.numbers: Int[np.ndarray, " c"] = np.empty(0, np.int64)
        self.reach: Float[np.ndarray, " c"] = np.empty(0)
        self.mean: RunningMean | None = None
        self._targets: Targets | None = None
        self._longest = 0.0

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def points(self) -> Points:
        """The candidates, in order of arrival."""
        assert self._targets is not None
        return self._targets.points.part(slice(0, len(self)))

    @property
    def dimension(self) -> int | None:
        """The dimension of the rows; None before the first arrives."""
        return None if self._targets is None else self._targets.points.dimension

    def restore(
        self,
        points: Points,
        numbers: Int[np.ndarray, " c"],
        reach: Float[np.ndarray, " c"],
        threshold: float,
        mean: RunningMean,
    ) -> None:
        """Take over the state of an earlier cover."""
        self.numbers, self.reach, self.threshold = numbers, reach, threshold
        self.mean = mean
        self._longest = points.longest
        self._rebuild(points, points)

    def add(self, points: Points, numbers: Int[np.ndarray, " n"]) -> list[int]:
        """Process more rows, in order; those that are not eligible are skipped.

        Returns:
            The numbers of rows that equal a candidate, as long as the threshold is 0.
        """
        rows, begin = np.flatnonzero(points.eligible), 0
        equal: list[int] = []
        with single_threaded_blas():
            while begin < len(rows):
                block = rows[begin : begin + _BLOCK_ROWS]
                own = self._compatible(points.take(block))
                seen, assigned = self._add_block(own, numbers[block])
                if self.threshold == 0.0:
                    equal += assigned
                begin += seen
                if len(self) > self.most:
                    self._reduce()
        return equal

    def select(self, budget: int) -> CoverPicks:
        """Choose from the candidates, at least `budget` of them, by farthest-first."""
        points = self.points
        picks, covered = self._farthest_first(points, budget)
        if self.reach.any():
            distances, _ = self._distances_to(points, picks.rows)
            covered = float(((distances + self.reach) * _ROUND_UP).max())
        h_min_bound = np.inf
        if budget > 1:
            h_min_bound = 2.0 * (float(picks.radii[-1]) + float(self.reach.max()))
        if points.unit:
            covered = min(covered, _farthest_on_the_sphere(points.exact(picks.rows)))
            if budget > 1:
                h_min_bound = min(h_min_bound, sphere_bound(budget, points.dimension) * _ROUND_UP)
        return CoverPicks(picks.rows, picks.radii, covered, h_min_bound)

    def _add_block(self, own: Points, numbers: Int[np.ndarray, " m"]) -> tuple[int, list[int]]:
        """Return how many of the rows were processed, and which were assigned to candidates."""
        assert self._targets is not None
        room = self.most + 1 - len(self)
        kept, nearest, distances, seen = keep_arrivals(
            self._targets, own, self.threshold, room, threads=usable_threads()
        )
        self._take_the_mean_of(own.part(slice(0, seen)), numbers[:seen])
        self.reach = np.concatenate([self.reach, np.zeros(len(kept))])
        assigned = np.ones(seen, bool)
        assigned[kept] = False
        np.maximum.at(self.reach, nearest[assigned], distances[assigned])
        self._targets.append(own.take(kept), np.arange(len(self), len(self) + len(kept)))
        self.numbers = np.concatenate([self.numbers, numbers[kept]])
        return seen, numbers[:seen][assigned].tolist()

    def _reduce(self) -> None:
        """Keep the first by farthest-first, and assign the others to the nearest of them."""
        points = self.points
        picks, _ = self._farthest_first(points, self.kept)
        distances, nearest = self._distances_to(points, picks.rows)
        stay = np.sort(picks.rows)
        reach = np.zeros(len(stay))
        summed = np.where(distances > 0, (distances + self.reach) * _ROUND_UP, self.reach)
        summed = np.minimum(summed, _diameter_bound(points))
        np.maximum.at(reach, np.searchsorted(stay, nearest), summed)
        self.threshold = max(float(distances.max()), float(reach.max()) / REACH_FACTOR)
        self.numbers, self.reach = self.numbers[stay], reach
        kept = points.take(stay)
        self._rebuild(kept, kept)

    def _farthest_first(self, points: Points, budget: int) -> tuple[Picks, float]:
        """Return the picks and their coverage radius among the candidates."""
        assert self.mean is not None
        first = first_of_the_farthest(self.mean.squared_distances(points))
        engine = make_engine(points, budget, "memory")
        return farthest_first(engine, budget, Picks.first(first))

    def _take_the_mean_of(self, own: Points, numbers: Int[np.ndarray, " m"]) -> None:
        if self.mean is None:
            self.mean = RunningMean(own.exact(slice(0, 1))[0])
        self.mean.add(own, numbers)

    def _distances_to(
        self, points: Points, picks: Int[np.ndarray, " k"]
    ) -> tuple[Float[np.ndarray, " c"], Int[np.ndarray, " c"]]:
        """Return the distance of each candidate to its nearest pick, and that pick."""
        found = nearest_chosen(points, picks)
        distances, nearest = found.distances.copy(), found.nearest.copy()
        distances[picks], nearest[picks] = 0.0, picks
        return distances, nearest

    def _compatible(self, own: Points) -> Points:
        """Convert rows to the type of the targets, which are rebuilt for wider or longer rows."""
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
        """Make targets of the kept candidates, for rows no longer than those of `like`."""
        if like.unit:
            self._longest = 1.0
        elif like.longest > self._longest or self._targets is None:
            self._longest = 2.0 * like.longest  # some of the rows to come are longer
        shaping = replace(like, longest=self._longest)
        wider = np.result_type(like.stored.dtype, kept.stored.dtype)
        base = replace(shaping.take(np.arange(min(1, len(like)))), longest=self._longest)
        base = replace(base, stored=base.stored.astype(wider, copy=False))
        targets = Targets(ProxyVectors(base, ProxyTransform.of(shaping)), len(kept))
        targets.append(kept, np.arange(len(kept)))
        self._targets = targets


def _diameter_bound(points: Points) -> float:
    """Return a distance that no two rows exceed."""
    return 2.0 * _ROUND_UP if points.unit else np.inf


def _farthest_on_the_sphere(chosen: Float[np.ndarray, "k d"]) -> float:
    """Return a distance from the nearest of some unit rows that no unit row exceeds.

    Of the squared distances of a row x to the chosen rows, 2 - 2·x·c each, the smallest is at
    most their mean, 2 - 2·x·m with the mean m of the chosen rows, and that is at most 2 + 2·|m|.
    """
    return float(np.sqrt(2.0 + 2.0 * np.linalg.norm(chosen.mean(axis=0)))) * _ROUND_UP


def radius_around(points: Points, chosen: Points) -> float:
    """Return the largest distance from an eligible row to the nearest chosen one; 0 for none."""
    longest = max(points.longest, chosen.longest)
    together = Points.join([replace(chosen, longest=longest), points])
    found = nearest_chosen(together, np.arange(len(chosen)))
    return float(found.distances[~found.chosen].max(initial=0.0))
