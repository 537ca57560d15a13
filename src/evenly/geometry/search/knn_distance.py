"""Mean distances of rows to their k nearest neighbours, and the rows with the largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import TIE
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points, blocks, squared_distances_between
from evenly.geometry.screening.k_nearest import lower_to_k_nearest
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.search.mutual_neighbours import MutualSearch
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class SearchSizes:
    """Sizes that searches work with. They change speed, never answers.

    Attributes:
        rows_at_once, targets: rows that are compared with others one way.
        few: with at most this many rows, they are compared one way; else each pair once.
        block: rows that are compared with as many others, each pair once.
        part: bytes of vectors that are read from disk at once for that.
        sample: rows whose means are computed first, to guess how large the largest are.
        bits: of the integers that rows are rounded to, 8 or 16; None for the faster.
        tiles: whether the processor may multiply them by tiles, if it can.
    """

    rows_at_once: int = 1024
    targets: int = 4096
    few: int = 4096
    block: int = 1024
    part: float = 128e6
    sample: int = 512
    bits: int | None = None
    tiles: bool = True


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
    with single_threaded_blas():
        squared = _squared_to_nearest(points, rows, k, others, SearchSizes(), lambda _: None)
    return _mean_of_known(np.sqrt(squared))


def mean_distances_of_all(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    k: int,
    *,
    progress: Callable[[int], object] | None = None,
    sizes: SearchSizes | None = None,
) -> Float[np.ndarray, " m"]:
    """Return the exact mean Euclidean distance of rows to the k nearest of them.

    The result is that of `mean_distances_to_nearest(points, rows, k, rows)`, sooner: each pair is
    compared once, and first those that are likely to be near, which rule out most others.

    Args:
        points: the pool.
        rows: (m,) eligible rows.
        k: number of neighbours; all if there are fewer. The mean over none is inf.
        progress: called with the number of rows finished since the last call.
        sizes: see there.

    Cost: m²/2·d multiplications of small integers at most; 8·k + 4·d bytes a row at most.
    """
    return _means(points, rows, k, progress or (lambda _: None), sizes or SearchSizes())


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
    sizes, progress = sizes or SearchSizes(), progress or (lambda _: None)
    guesses = [0.0]
    if isinstance(points, Points) and len(rows) > sizes.few and 4 * count < len(rows):
        sample = np.sort(np.random.default_rng(0).choice(rows, sizes.sample, replace=False))
        means = mean_distances_to_nearest(points, sample, k, rows)
        guesses = _guesses(means, count / len(rows))
    for guess in guesses:
        means = _means(points, rows, k, progress, sizes, guess)
        if np.count_nonzero(means > guess) >= count:
            break
    return _largest(rows, means, count)


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


def _squared_to_nearest(
    points: Points,
    rows: Int[np.ndarray, " m"],
    k: int,
    others: Int[np.ndarray, " c"],
    sizes: SearchSizes,
    progress: Callable[[int], object],
) -> Float[np.ndarray, "m k"]:
    """Return the squared distances of rows to the k nearest others, ascending; inf if fewer."""
    threads = usable_threads()
    proxies = ProxyVectors(points, ProxyTransform.of(points))
    fits = Tuning(points, len(others)).keeps(proxies.transform)
    if len(rows) > sizes.few and fits:
        proxies.keep(threads)
    squared, nearest = np.full((len(rows), k), np.inf), np.full(len(rows), -1)
    for part in blocks(len(others), 1, numbers=sizes.targets):
        numbers = others[part]
        targets = Targets(proxies, len(numbers))
        made = proxies[numbers] if points.in_memory else None
        targets.append(points.take(numbers), numbers, made)

        def compare(tile: slice, targets: Targets = targets) -> None:
            own = rows[tile]
            queries, best = targets.queries(own), Best(squared[tile], nearest[tile])
            for begin, end in targets.segments():
                lower_to_k_nearest(targets, begin, end, queries, best, own)

        parallel_for(compare, blocks(len(rows), 1, numbers=sizes.rows_at_once), threads=threads)
        progress(len(rows) * part.stop // len(others) - len(rows) * part.start // len(others))
    return squared


def _means(
    points: Points | DistanceMatrix,
    rows: Int[np.ndarray, " m"],
    k: int,
    progress: Callable[[int], object],
    sizes: SearchSizes,
    reach: float = 0.0,
) -> Float[np.ndarray, " m"]:
    """Return the mean distance of rows to the k nearest of them, or 0 if it is below `reach`."""
    if isinstance(points, DistanceMatrix):
        return _by_distance(points, rows, k, rows)
    with single_threaded_blas():
        if len(rows) > sizes.few:
            search = MutualSearch(
                points,
                rows,
                k,
                threads=usable_threads(),
                block=sizes.block,
                part=sizes.part,
                bits=sizes.bits,
                tiles=sizes.tiles,
            )
            if search.pays:
                return _mean_of_known(np.sqrt(search.squared(progress, reach=reach)))
        return _mean_of_known(np.sqrt(_squared_to_nearest(points, rows, k, rows, sizes, progress)))


def _guesses(means: Float[np.ndarray, " s"], share: float) -> list[float]:
    """Guess from a sample a lower bound on the largest means of this share of all rows.

    The first guess is most likely low enough; lower ones follow, and 0 at last.
    """
    falling = np.sort(means)[::-1] * (1.0 - 1e-9)
    ranks, rank = [], int(1.5 * share * len(means)) + 3
    while rank < len(means):
        ranks.append(rank)
        rank *= 2
    return [*(float(falling[rank]) for rank in ranks), 0.0]


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
