"""Mean distances of rows to their k nearest neighbours, and the rows with the largest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import TIE
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points, blocks, squared_distances_between
from evenly.geometry.screening.k_nearest import Exclusions, lower_to_k_nearest
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class SearchSizes:
    """Sizes that searches work with. They change speed, never answers.

    Attributes:
        rows_at_once: rows that a thread compares at once.
        first: targets that rows are compared with before the first check of which rows still
            matter. The means of these rows are computed first, to guess how large the largest are.
        most: the most targets between two such checks.
        few: with at most this many rows, dropping rows early gains nothing.
    """

    rows_at_once: int = 1024
    first: int = 512
    most: int = 4096
    few: int = 4096


def mean_distances_to_nearest(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    k: int,
    others: Int[np.ndarray, " c"] | None = None,
) -> Float[np.ndarray, " m"]:
    """Return the exact mean Euclidean distance of rows to their k nearest eligible rows.

    A row is not its own neighbour.

    Args:
        points: the pool.
        rows: (m,) eligible rows.
        k: number of neighbours; all if there are fewer. The mean over none is inf.
        others: (c,) the eligible rows that count as neighbours; by default all.

    Cost: m·c·d multiplications, as matrix products.
    """
    others = np.flatnonzero(points.eligible) if others is None else others
    if isinstance(points, DistanceMatrix):
        return _by_distance(points, rows, k, others)
    threads = usable_threads()
    with single_threaded_blas():
        search = _Search(points, rows, k, others, threads=threads)
        search.compare(np.arange(len(rows)), others)
    return _mean_of_known(np.sqrt(search.squared))


def mean_distances_of_all(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    k: int,
    *,
    progress: Callable[[int], object] | None = None,
    sizes: SearchSizes | None = None,
) -> Float[np.ndarray, " m"]:
    """Return the exact mean Euclidean distance of rows to the k nearest of them.

    The result is that of `mean_distances_to_nearest(points, rows, k, rows)`, sooner: a row is
    first compared with rows that are likely to be near, which rule out most others.

    Args:
        points: the pool.
        rows: (m,) eligible rows.
        k: number of neighbours; all if there are fewer. The mean over none is inf.
        progress: called with the number of rows finished since the last call.
        sizes: see there.

    Cost: m²·d multiplications, as matrix products. 8·k bytes a row.
    """
    if isinstance(points, DistanceMatrix):
        return _by_distance(points, rows, k, rows)
    order = np.random.default_rng(0).permutation(rows) if points.in_memory else rows
    threads = usable_threads()
    with single_threaded_blas():
        search = _Search(points, rows, k, order, sizes or SearchSizes(), threads=threads)
        return search.all(progress or (lambda _: None))


def most_isolated(
    points: Points | DistanceMatrix,
    count: int,
    k: int,
    *,
    progress: Callable[[int], object] | None = None,
    sizes: SearchSizes | None = None,
) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Return the rows with the largest mean distance to their k nearest, the largest first.

    The result is exact, as if `mean_distances_to_nearest` were called for every row; ties (within
    TIE) go to the smaller row number. A row's mean can only fall as the row is compared with more
    rows, so the row is dropped once its mean is below a guess of the largest means, made from a
    sample. The guess is verified afterwards.

    Args:
        points: the pool.
        count: number of rows to return, at most the number of eligible rows.
        k: number of neighbours; all if there are fewer.
        progress: called with the number of rows finished since the last call.
        sizes: see there.

    Returns:
        (count,) row numbers and their means.

    Cost: at most n²·d multiplications, as matrix products; a small part of that if most rows
        have neighbours much nearer than the most isolated rows. 8·k bytes a row.

    Sources: Ramaswamy, Rastogi and Shim 2000, doi:10.1145/342009.335437 (outliers by the
        distance to the k-th neighbour); Angiulli and Pizzuti 2002,
        doi:10.1007/3-540-45681-3_2 (to all k); Bay and Schwabacher 2003,
        doi:10.1145/956750.956758 (dropping rows early).
    """
    rows = np.flatnonzero(points.eligible)
    if isinstance(points, DistanceMatrix):
        return _largest(rows, _by_distance(points, rows, k, rows), count)
    # In random order a row is soon compared with near rows. Rows on disk keep the file's order.
    order = np.random.default_rng(0).permutation(rows) if points.in_memory else rows
    threads = usable_threads()
    with single_threaded_blas():
        search = _Search(points, rows, k, order, sizes or SearchSizes(), threads=threads)
        return search.largest(count, progress or (lambda _: None))


def pair_distances(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " p"]:
    """Return the Euclidean distances of all m·(m - 1)/2 pairs of rows, which should be few."""
    one, other = np.triu_indices(len(rows), 1)
    if isinstance(points, DistanceMatrix):
        squared = points.squared(rows)[:, rows][one, other]
    else:
        some = points.take(rows)
        squared = squared_distances_between(some, one, some, other)
    distances: Float[np.ndarray, " p"] = np.sqrt(squared)
    return distances


class _Search:
    """Rows, and the distances to the k nearest of the targets each was compared with so far.

    Args:
        points: the pool.
        rows: (m,) eligible rows.
        k: number of neighbours.
        order: (c,) the eligible rows that they are compared with, in this order.
        sizes: see there.
        threads: how many threads share the work.
    """

    def __init__(
        self,
        points: Points,
        rows: Int[np.ndarray, " m"],
        k: int,
        order: Int[np.ndarray, " c"],
        sizes: SearchSizes = SearchSizes(),
        *,
        threads: int,
    ) -> None:
        self._points = points
        self._rows = rows
        self._order = order
        self._sizes = sizes
        self.squared = np.full((len(rows), k), np.inf)
        self._nearest = np.full(len(rows), -1)
        # Rows of one run were compared with each other out of order.
        self._runs = np.full(len(points), -1)
        self._threads = threads
        self._proxies = ProxyVectors(points, ProxyTransform.of(points))
        self._precision = "float32"
        if (
            points.in_memory
            and len(rows) > sizes.few
            and Tuning(points, len(order)).keeps(self._proxies.transform)
        ):
            self._proxies.keep(self._threads)

    def means(self, positions: Int[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Return the mean distance to the k nearest so far; inf if k are not known yet."""
        known = self.squared[positions, : max(1, min(self.squared.shape[1], len(self._order) - 1))]
        means: Float[np.ndarray, " p"] = np.sqrt(known).mean(axis=1)
        return means

    def compare(
        self,
        positions: Int[np.ndarray, " p"],
        numbers: Int[np.ndarray, " c"],
        runs: Int[np.ndarray, " n"] | None = None,
    ) -> None:
        """Compare rows with targets that are new to them, except those in their own run."""
        points, runs = self._points, self._runs if runs is None else runs
        targets = Targets(self._proxies, len(numbers), self._precision)
        made = self._proxies[numbers] if points.in_memory else None
        targets.append(points.take(numbers), numbers, made)

        def compare(tile: slice) -> None:
            some = positions[tile]
            own = self._rows[some]
            queries = targets.queries(own)
            best = Best(self.squared[some], self._nearest[some])
            exclusions = Exclusions(own, runs[own], runs[numbers])
            for begin, end in targets.segments():
                lower_to_k_nearest(targets, begin, end, queries, best, exclusions)
            self.squared[some], self._nearest[some] = best

        tiles = blocks(len(positions), 1, numbers=self._sizes.rows_at_once)
        parallel_for(compare, tiles, threads=self._threads)

    def all(self, progress: Callable[[int], object]) -> Float[np.ndarray, " m"]:
        """Return the means of all rows, in which the order holds the same rows."""
        everyone, cuts = np.arange(len(self._rows)), self._cuts()
        for begin, end in pairwise(cuts):
            self.compare(everyone, self._order[begin:end])
            if begin == 0 and self._points.in_memory:
                compared = np.isin(self._rows, self._order[begin:end])
                self._compare_in_runs(everyone[~compared])
                self._tune(self._order[: cuts[1]])
            progress(end - begin)
        return self.means(everyone)

    def _tune(self, numbers: Int[np.ndarray, " c"]) -> None:
        """Switch to the cheapest proxies for rows whose k nearest are about as far as now."""
        points, known = self._points, self.squared[:, -1]
        finite = np.flatnonzero(np.isfinite(known))
        tuning = Tuning(points, len(self._order))
        if not (tuning.is_long and len(finite)):
            return
        targets = Targets(self._proxies, len(numbers), tuning.first_precision())
        targets.append(points.take(numbers), numbers)
        self._proxies, self._precision = tuning.for_distances(
            targets, self._rows[finite], known[finite], self._threads
        )

    def largest(
        self, count: int, progress: Callable[[int], object]
    ) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
        """Return the `count` rows with the largest means, and the means; `order` holds all rows."""
        total, everyone = len(self._rows), np.arange(len(self._rows))
        cuts = self._cuts()
        last = len(cuts) - 1
        compared = np.zeros(total, int)  # parts between cuts that each row was compared with

        def finish(active: Int[np.ndarray, " p"], threshold: float) -> None:
            """Compare rows with all targets, for as long as their means reach the threshold."""
            for part in range(compared[active].min(initial=last), last):
                now = active[compared[active] == part]
                self.compare(now, self._order[cuts[part] : cuts[part + 1]])
                compared[now] = part + 1
                if part == 0 and threshold > -np.inf and self._points.in_memory:
                    self._compare_in_runs(now)
                still = self.means(active) >= threshold
                progress(int(np.count_nonzero(~still)))
                active = active[still]
            progress(len(active))

        guesses = [-np.inf]
        if total > self._sizes.few and 4 * count < total:
            sample = np.searchsorted(self._rows, self._order[: self._sizes.first])
            finish(sample, -np.inf)
            guesses = _guesses(self.means(sample), count / total)
        for guess in guesses:
            # Rows that were dropped because a guess was too high continue here.
            unfinished = everyone[compared < last]
            finish(unfinished[self.means(unfinished) >= guess], guess)
            whole = everyone[compared == last]
            means = self.means(whole)
            if np.count_nonzero(means > guess) >= count:
                break
        return _largest(self._rows[whole], means, count)

    def _compare_in_runs(self, positions: Int[np.ndarray, " p"]) -> None:
        """Compare rows nearest to the same target with each other: they are likely to be near."""
        alike = positions[np.argsort(self._nearest[positions], kind="stable")]
        none = np.full(len(self._points), -1)
        for number, part in enumerate(blocks(len(alike), 1, numbers=self._sizes.first)):
            run = alike[part]
            self.compare(run, self._rows[run], none)
            self._runs[self._rows[run]] = number

    def _cuts(self) -> list[int]:
        """Return where parts of the order begin and end; each is up to twice as long."""
        cuts, size = [0], self._sizes.first
        while cuts[-1] < len(self._rows):
            cuts.append(min(cuts[-1] + size, len(self._rows)))
            size = min(2 * size, self._sizes.most)
        return cuts


def _guesses(means: Float[np.ndarray, " s"], share: float) -> list[float]:
    """Guess from a sample a lower bound on the largest means of this share of all rows.

    The first guess is most likely low enough; lower ones follow, and -inf at last.
    """
    falling = np.sort(means)[::-1] * (1.0 - 1e-9)
    ranks, rank = [], int(1.5 * share * len(means)) + 3
    while rank < len(means):
        ranks.append(rank)
        rank *= 2
    return [*(float(falling[rank]) for rank in ranks), -np.inf]


def _mean_of_known(distances: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " m"]:
    """Return the mean of each row's finite distances; inf if there are none."""
    known = np.isfinite(distances)
    count = known.sum(axis=1)
    sums = np.where(known, distances, 0.0).sum(axis=1)
    return np.where(count > 0, sums / np.maximum(count, 1), np.inf)


def _largest(
    rows: Int[np.ndarray, " n"], means: Float[np.ndarray, " n"], count: int
) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Return the `count` rows with the largest means, and the means; ties by row number."""
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
