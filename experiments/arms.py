"""The ways of choosing rows that experiments compare, all with one signature."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import evenly
from evenly.errors import IsolatedRowsWarning
from evenly.metrics.facility_location import greedy_picks, similarities
from experiments.harness import product_of

Rows = np.ndarray[Any, Any]
DROPPED = 0.05
"""The fraction of isolated rows that the arm "without outliers" leaves out."""

NEIGHBOURS = 10
_SMALL_POOL = 1000


@dataclass(frozen=True, eq=False)
class Pool:
    """What rows are chosen from.

    Attributes:
        vectors: (n, d) float32 rows.
        lengths: (n,) lengths of the texts; zeros if there are none.
        quality: (n,) by which "quality" arms choose; None if there is none.
        normalize: whether the vectors are directions: unit rows.
    """

    vectors: Rows
    lengths: Rows
    quality: Rows | None = None
    normalize: bool = True
    _kept: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: Rows) -> Pool:
        """Return a pool of some of the rows."""
        quality = None if self.quality is None else self.quality[rows]
        return Pool(self.vectors[rows], self.lengths[rows], quality, self.normalize)

    def distances_to(self, rows: Rows) -> Rows:
        """Return the (n, m) Euclidean distances of all rows to some, good to about 1e-3."""
        squared = (self.vectors**2).sum(axis=1)
        products = self.vectors @ self.vectors[rows].T
        found: Rows = np.sqrt(np.maximum(squared[:, None] + squared[rows] - 2 * products, 0))
        return found


Arm = Callable[[Pool, int, np.random.Generator], Rows]


def random(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Rows drawn without replacement."""
    return rng.choice(len(pool), budget, replace=False)


def length_matched(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Random rows with lengths distributed like those of the farthest-first arm."""
    wanted = np.sort(pool.lengths[farthest_first(pool, budget, rng)])
    order = np.lexsort((rng.random(len(pool)), pool.lengths))
    lengths, chosen = pool.lengths[order], []
    free = np.ones(len(pool), bool)
    for length in rng.permutation(wanted):
        place = int(np.searchsorted(lengths, length))
        near = np.flatnonzero(free)
        position = int(np.searchsorted(near, place + rng.integers(-3, 4)))
        taken = near[min(max(position, 0), len(near) - 1)]
        free[taken] = False
        chosen.append(order[taken])
    return np.array(chosen)


def deduplicated(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Random rows of those that deduplication to 80 % of the pool leaves."""
    most = max(budget, int(0.8 * len(pool)))
    found = evenly.deduplicate(pool.vectors, to=most, normalize=pool.normalize, progress=False)
    kept = np.array(found.indices)
    return rng.choice(kept, budget, replace=False)


def farthest_first(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Plain farthest-first: the largest h_min that greedy finds."""
    return _select(pool, budget)


def without_outliers(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Farthest-first among the rows that are not isolated."""
    return _select(pool, budget, drop_outliers=DROPPED)


def refined(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Farthest-first, then rows exchanged for a larger h_min."""
    seconds = 20.0 if len(pool) >= _SMALL_POOL else 0.5  # so that quick modes stay quick
    return _select(pool, budget, refine=evenly.Refine(seconds=seconds))


def density(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Farthest-first with distances multiplied by density."""
    return _select(pool, budget, density_weight=1.0, density_neighbours=NEIGHBOURS)


def refined_density(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """The density arm, with its rows moved for a smaller mean distance."""
    return _select(pool, budget, density_weight=1.0, density_neighbours=NEIGHBOURS, refine=True)


def best_quality(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """The rows of the highest quality."""
    assert pool.quality is not None
    order: Rows = np.argsort(-pool.quality, kind="stable")[:budget]
    return order


def quality_and_distance(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Farthest-first with distances multiplied by quality."""
    return _select(pool, budget, quality=pool.quality)


def k_means(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """The row nearest to each of as many k-means centres as rows are wanted."""
    from sklearn.cluster import KMeans

    seed = int(rng.integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = KMeans(budget, n_init=1, max_iter=30, random_state=seed).fit(pool.vectors)
    chosen: list[int] = []
    free = np.ones(len(pool), bool)
    for centre in fitted.cluster_centers_:
        gaps = ((pool.vectors - centre) ** 2).sum(axis=1)
        gaps[~free] = np.inf
        chosen.append(int(gaps.argmin()))
        free[chosen[-1]] = False
    return np.array(chosen)


def balanced_clusters(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Equally many random rows of each of 50 k-means clusters, as far as these go."""
    from sklearn.cluster import KMeans

    count = min(50, budget)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit(pool.vectors)
    shuffled = rng.permutation(len(pool))
    labels = fitted.labels_[shuffled]
    rank = np.empty(len(pool), int)
    for label in range(count):
        inside = np.flatnonzero(labels == label)
        rank[inside] = np.arange(len(inside))
    return shuffled[np.lexsort((labels, rank))[:budget]]


def facility_location(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Greedy facility location on all n × n similarities."""
    if "similarities" not in pool._kept:
        pool._kept["similarities"] = similarities(pool.vectors)
    return greedy_picks(pool._kept["similarities"], budget)


def clumped(rows_a_clump: int) -> Arm:
    """Return an arm of clumps: random rows, each with its nearest free rows; a small h_min."""

    def choose(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
        chosen: list[int] = []
        free = np.ones(len(pool), bool)
        while len(chosen) < budget:
            centre = rng.choice(np.flatnonzero(free))
            distances = np.where(free, pool.distances_to(np.array([centre]))[:, 0], np.inf)
            size = min(rows_a_clump, budget - len(chosen))
            clump = np.argsort(distances, kind="stable")[:size]
            free[clump] = False
            chosen += clump.tolist()
        return np.array(chosen)

    choose.__doc__ = f"Clumps of {rows_a_clump} neighbours."
    return choose


ARMS: Mapping[str, Arm] = {
    "random": random,
    "random, lengths matched": length_matched,
    "deduplicated": deduplicated,
    "balanced clusters": balanced_clusters,
    "k-means": k_means,
    "facility location": facility_location,
    "farthest-first": farthest_first,
    "without outliers": without_outliers,
    "refined": refined,
    "density": density,
    "density, refined": refined_density,
    "clumps of 2": clumped(2),
    "clumps of 5": clumped(5),
    "clumps of 20": clumped(20),
}
"""The arms that need no quality, by name. "random" is the baseline."""

WITH_QUALITY: Mapping[str, Arm] = {
    "best quality": best_quality,
    "quality × distance": quality_and_distance,
}

_DRAWS = {"random": 3}


def add_arms(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add the options that name arms: by default all of an experiment, against random rows."""
    every = list(names)
    parser.add_argument(
        "--arms",
        nargs="+",
        choices=every,
        metavar="ARM",
        help=f"compare only these with random rows, of: {'; '.join(every)}",
    )
    parser.add_argument(
        "--baseline",
        choices=every,
        default="random",
        metavar="ARM",
        help="the arm that tables compare the others with",
    )


def arms_of(options: argparse.Namespace, names: Iterable[str]) -> list[str]:
    """Return the arms that options name, or else all; the baseline is among them."""
    return [options.baseline, *(options.arms or names)]


def keys_of(arms: Iterable[str], **axes: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the keys of runs of arms, for each combination of other values.

    Random rows, which all arms are compared with, are always among them, with several draws.
    """
    keys = product_of(**axes, arm=dict.fromkeys(("random", *arms)))
    return [{**key, "draw": draw} for key in keys for draw in range(_DRAWS.get(key["arm"], 1))]


def spread_of(pool: Pool, chosen: Rows) -> dict[str, float]:
    """Return h_min, and the mean and largest distance of all rows to the nearest chosen row."""
    found = evenly.measure(
        pool.vectors,
        chosen,
        normalize=pool.normalize,
        random_subsets=0,
        certificate=False,
        progress=False,
    )
    to_subset = pool.distances_to(chosen).min(axis=1)
    return {
        "h_min": float(found.h_min),
        "mean_distance": float(to_subset.mean()),
        "coverage_radius": float(found.coverage_radius),
    }


def _select(pool: Pool, budget: int, **options: Any) -> Rows:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsolatedRowsWarning)
        return np.array(
            evenly.select_uniform(
                pool.vectors, budget, normalize=pool.normalize, progress=False, **options
            ).indices
        )
