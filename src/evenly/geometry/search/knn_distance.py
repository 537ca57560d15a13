"""How far rows are from their nearest neighbours, and which rows are the farthest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.points import TIE, Points, blocks, squared_distances_between
from evenly.geometry.screening.k_nearest import lower_to_several_nearest
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

__all__ = ["mean_distances_to_nearest", "most_isolated", "pair_distances"]


_ROWS = 1024


# Targets that rows meet before it is asked again which of them still matter: few at first.
_FIRST, _MOST = 512, 4096


# Rows whose means are taken first, to guess how large the largest are. They are the first
# columns, too, so that every row is known to be near one of them.
_SAMPLE = _FIRST


# Below this many rows nothing is to be gained by leaving rows alone.
_FEW = 4096


def mean_distances_to_nearest(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    k: int,
    others: Int[np.ndarray, " c"] | None = None,
) -> Float[np.ndarray, " m"]:
    """Mean Euclidean distance of rows to their k nearest candidates, themselves aside. Exact.

    Args:
        points: the pool.
        rows: (m,) candidates.
        k: how many neighbours; where there are fewer, all there are (none: inf).
        others: (c,) the candidates that count as neighbours; by default all.

    Cost: m·c·d multiplications, as matrix products.
    """
    others = np.flatnonzero(points.eligible) if others is None else others
    if isinstance(points, DistanceMatrix):
        return _by_distance(points, rows, k, others)
    with single_threaded_blas():
        search = _Search(points, rows, k, others)
        search.meet(np.arange(len(rows)), 0, len(others))
        squared = search.squared
    return _mean_of_known(np.sqrt(squared))


def most_isolated(
    points: Points | DistanceMatrix,
    count: int,
    k: int,
    *,
    progress: Callable[[int], object] | None = None,
) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """The `count` candidates with the largest mean distance to their k nearest, the largest first.

    Exact: as if `mean_distances_to_nearest` were asked for every row, ties (within TIE) going to
    the smaller row number. A row's mean can only fall while it meets others, so it is left alone
    as soon as it is below a guess, made from a sample, of what the largest are; that the guess
    was right is checked afterwards.

    Args:
        points: the pool.
        count: how many rows, at most the candidates.
        k: how many neighbours; where there are fewer, all there are.
        progress: called with how many more rows are settled.

    Returns:
        (count,) row numbers and their means.

    Cost: at most n²·d multiplications, as matrix products; a small part of that where most rows
        have neighbours much nearer than the most isolated ones. 8·k bytes a row.

    Sources: Ramaswamy, Rastogi and Shim 2000, doi:10.1145/342009.335437 (outliers by the
        distance to the k-th neighbour); Angiulli and Pizzuti 2002,
        doi:10.1007/3-540-45681-3_2 (to all k); Bay and Schwabacher 2003,
        doi:10.1145/956750.956758 (rows left alone).
    """
    rows = np.flatnonzero(points.eligible)
    if isinstance(points, DistanceMatrix):
        means = _by_distance(points, rows, k, rows)
        return _largest(rows, means, count)
    # In random order a row meets some of its neighbours early. On disk it is the file's order.
    order = np.random.default_rng(0).permutation(rows) if points.in_memory else rows
    with single_threaded_blas():
        return _Search(points, rows, k, order).largest(count, progress or (lambda _: None))


def pair_distances(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " p"]:
    """The Euclidean distances of all pairs of some rows, p = m·(m - 1)/2; meant for a sample."""
    one, other = np.triu_indices(len(rows), 1)
    if isinstance(points, DistanceMatrix):
        squared = points.squared(rows)[:, rows][one, other]
    else:
        some = points.take(rows)
        squared = squared_distances_between(some, one, some, other)
    distances: Float[np.ndarray, " p"] = np.sqrt(squared)
    return distances


class _Search:
    """Rows, and the distances to the k nearest of the columns that each has met so far.

    Args:
        points: the pool.
        rows: (m,) candidates.
        k: how many neighbours.
        order: (c,) candidates that they meet, in this order.
    """

    def __init__(
        self, points: Points, rows: Int[np.ndarray, " m"], k: int, order: Int[np.ndarray, " c"]
    ) -> None:
        self._points = points
        self._rows = rows
        self._order = order
        self.squared = np.full((len(rows), k), np.inf)
        self._nearest = np.full(len(rows), -1)
        # Rows that have met each other out of order: the run of each row of the pool.
        self._runs = np.full(len(points), -1)
        self._threads = usable_threads()
        self._proxies = ProxyVectors(points, ProxyTransform.of(points))
        if (
            points.in_memory
            and len(rows) > _FEW
            and Tuning(points, len(order)).keeps(self._proxies.transform)
        ):
            self._proxies.keep(self._share)

    def _share(self, work: Callable[[slice], object], tiles: object) -> None:
        parallel_for(work, tiles, threads=self._threads)  # type: ignore[arg-type]

    def means(self, positions: Int[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Mean distance to the k nearest met so far: inf while fewer were met and more are left."""
        known = self.squared[positions, : max(1, min(self.squared.shape[1], len(self._order) - 1))]
        means: Float[np.ndarray, " p"] = np.sqrt(known).mean(axis=1)
        return means

    def meet(self, positions: Int[np.ndarray, " p"], begin: int, end: int) -> None:
        """Compare rows with the columns from `begin` to `end`, which are new to them."""
        self._compare(positions, self._order[begin:end], self._runs)

    def _compare(
        self,
        positions: Int[np.ndarray, " p"],
        numbers: Int[np.ndarray, " c"],
        runs: Int[np.ndarray, " n"],
    ) -> None:
        """Compare rows with columns of other runs; those that are in none meet all."""
        points = self._points
        targets = Targets(self._proxies, len(numbers))
        made = self._proxies[numbers] if points.in_memory else None
        targets.append(points.take(numbers), numbers, made)

        def compare(tile: slice) -> None:
            some = positions[tile]
            own, against = self._rows[some], targets
            if not points.in_memory:
                against = targets.beside(points.take(own))
                own = np.arange(len(own))
            left = against.proxies[own]
            squared, nearest = self.squared[some], self._nearest[some]
            met = 0
            while met < len(targets):
                part = targets.segment(met)
                lower_to_several_nearest(
                    against,
                    *part,
                    own,
                    left,
                    squared,
                    nearest,
                    skip=self._rows[some],
                    groups=(runs[self._rows[some]], runs[numbers]),
                )
                met = part[1]
            self.squared[some], self._nearest[some] = squared, nearest

        self._share(compare, blocks(len(positions), 1, numbers=_ROWS))

    def largest(
        self, count: int, progress: Callable[[int], object]
    ) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
        """The `count` rows with the largest means, and these; `order` holds all the rows."""
        total, everyone = len(self._rows), np.arange(len(self._rows))
        cuts = _cuts(total)
        last = len(cuts) - 1
        met = np.zeros(total, int)  # how many of the parts between cuts each row has met

        def settle(awake: Int[np.ndarray, " p"], threshold: float) -> None:
            """Let rows meet all columns, for as long as their means reach the threshold."""
            for part in range(met[awake].min(initial=last), last):
                now = awake[met[awake] == part]
                self.meet(now, cuts[part], cuts[part + 1])
                met[now] = part + 1
                if part == 0 and threshold > -np.inf and self._points.in_memory:
                    self._meet_in_runs(now)
                still = self.means(awake) >= threshold
                progress(int(np.count_nonzero(~still)))
                awake = awake[still]
            progress(len(awake))

        guesses = [-np.inf]
        if total > _FEW and 4 * count < total:
            sample = np.searchsorted(self._rows, self._order[:_SAMPLE])
            settle(sample, -np.inf)
            guesses = _guesses(self.means(sample), count / total)
        for guess in guesses:
            # What was left alone on a guess that was too high goes on here.
            open_ = everyone[met < last]
            settle(open_[self.means(open_) >= guess], guess)
            whole = everyone[met == last]
            means = self.means(whole)
            if np.count_nonzero(means > guess) >= count:
                break
        return _largest(self._rows[whole], means, count)

    def _meet_in_runs(self, positions: Int[np.ndarray, " p"]) -> None:
        """Let rows that are nearest to the same column meet each other: they are likely near."""
        alike = positions[np.argsort(self._nearest[positions], kind="stable")]
        runs = [alike[begin : begin + _FIRST] for begin in range(0, len(alike), _FIRST)]
        none = np.full(len(self._points), -1)
        for number, run in enumerate(runs):
            self._compare(run, self._rows[run], none)
            self._runs[self._rows[run]] = number


def _guesses(means: Float[np.ndarray, " s"], share: float) -> list[float]:
    """What the largest means of this share of all rows may begin at, by a sample of the means.

    Most likely too low, so that it is enough; then lower ones, and at last none at all.
    """
    falling = np.sort(means)[::-1] * (1.0 - 1e-9)
    ranks, rank = [], int(1.5 * share * len(means)) + 3
    while rank < len(means):
        ranks.append(rank)
        rank *= 2
    return [*(float(falling[rank]) for rank in ranks), -np.inf]


def _mean_of_known(distances: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " m"]:
    """Mean of each row's finite distances; inf where there is none."""
    known = np.isfinite(distances)
    count = known.sum(axis=1)
    sums = np.where(known, distances, 0.0).sum(axis=1)
    return np.where(count > 0, sums / np.maximum(count, 1), np.inf)


def _cuts(total: int) -> list[int]:
    """Where the parts that rows meet in one go end: each twice the one before, to a limit."""
    cuts, size = [0], _FIRST
    while cuts[-1] < total:
        cuts.append(min(cuts[-1] + size, total))
        size = min(2 * size, _MOST)
    return cuts


def _largest(
    rows: Int[np.ndarray, " n"], means: Float[np.ndarray, " n"], count: int
) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """The `count` rows with the largest means; those that tie by row number."""
    order = np.lexsort((rows, -means))
    ranked = means[order]
    for place in range(1, len(ranked)):
        if ranked[place] >= ranked[place - 1] * (1.0 - TIE):
            ranked[place] = ranked[place - 1]
    order = order[np.lexsort((rows[order], -ranked))][:count]
    return rows[order], means[order]


def _by_distance(
    metric: DistanceMatrix, rows: Int[np.ndarray, " m"], k: int, others: Int[np.ndarray, " c"]
) -> Float[np.ndarray, " m"]:
    means = np.empty(len(rows))
    for block in blocks(len(rows), len(metric), numbers=1 << 22):
        distances = metric.matrix[rows[block]].astype(np.float64)[:, others]
        distances[rows[block][:, None] == others] = np.inf
        means[block] = _mean_of_known(np.sort(distances, axis=1)[:, :k])
    return means
