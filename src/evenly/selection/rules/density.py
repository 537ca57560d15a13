"""`density_weight=` and `density_neighbours=`: typical rows count as if they were farther away.

Farthest-first prefers rows that nothing resembles. With a weight for density, the picks are spread
evenly among what is typical (DA-FPS, Wang et al. 2025, arXiv 2509.13213).

The largest weighted distance w(x)·d(x, S) of any row x to the picks S is at most three times the
smallest possible if the first pick has the largest weight (weighted k-center: Dyer and Frieze
1985, doi:10.1016/0167-6377(85)90002-1), else at most max(3, 1 + largest weight / weight of the
first pick) times; docs/theory.md proves it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.embedding import open_cache
from evenly.errors import OptionError
from evenly.geometry import (
    DistanceMatrix,
    Points,
    approximate_mean_distances,
    mean_distances_of_all,
    parallel_for,
    usable_threads,
)
from evenly.geometry.points import blocks
from evenly.progress import new_bar
from evenly.samples.hashes import feed_array
from evenly.selection.rules.quality import LEAST_WEIGHT
from evenly.shapes import Bool, Float, Float32, Int, UInt64

if TYPE_CHECKING:
    from evenly.embedding import KeptDensities
    from evenly.inputs.prepare import PreparedData
    from evenly.options import RuleOptions

NEIGHBOURS = 10
"""The nearest rows from which density is estimated, by default."""

MOST_DENSE = 10.0
"""No row counts as more often as dense as the median row: a family of near-duplicates would."""

FEWEST_KEPT = 10_000
"""Densities of fewer rows are not kept on disk: finding them takes less than a second."""

# Numbers that change whenever densities are defined, or approximated, differently, for those on
# disk.
_DEFINITION, _APPROXIMATION = 1, 1

Searcher = Callable[..., Any]

_ROWS_AT_ONCE = 1 << 20  # numbers, that is

# The densities found last, by the hash of all that they depend on: other budgets of the same pool
# need no second search.
_latest: dict[str, Float[np.ndarray, " n"]] = {}


def weights_of_density(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    rules: RuleOptions,
) -> Float[np.ndarray, " n"] | None:
    """Return the weight that the distances of each row are multiplied by.

    weight_i = max((density_i / largest) ** density_weight, LEAST_WEIGHT), where the largest is
    that which gives the largest power. None if density does not count, or if the texts are not
    embedded yet.

    Raises:
        OptionError: fewer than two usable rows differ, so there is no density; or the approximate
            search is asked for and vectors are not in memory.
    """
    if rules.density_weight is None or rules.density_weight == 0 or not prepared.embedded:
        return None
    k = NEIGHBOURS if rules.density_neighbours is None else int(rules.density_neighbours)
    options = prepared.options
    cache = open_cache(options.cache_dir)
    density = densities(
        prepared.points,
        usable,
        k,
        approximate=rules.density_search == "approximate",
        progress=options.progress,
        kept=None if cache is None else cache.densities,
    )
    logarithms = float(rules.density_weight) * np.log(density[usable])
    weights = np.ones(len(density))
    weights[usable] = np.maximum(np.exp(logarithms - logarithms.max()), LEAST_WEIGHT)
    return weights


def densities(
    points: Points | DistanceMatrix,
    usable: Bool[np.ndarray, " n"],
    k: int,
    *,
    approximate: bool = False,
    progress: bool | None = None,
    kept: KeptDensities | None = None,
    fewest_kept: int = FEWEST_KEPT,
) -> Float[np.ndarray, " n"]:
    """Return 1 / (the mean distance of a row to its k nearest different rows), capped.

    The densities found last are kept in memory for the next call about the same vectors.

    Equal rows count once, as neighbours and as rows, so that copies make nothing typical; the
    density of each is that of the others. Nothing is denser than MOST_DENSE times the median of
    the different rows.

    Args:
        points: the pool.
        usable: (n,) the rows that count.
        k: number of neighbours; all if there are fewer.
        approximate: take neighbours that an index finds.
        progress: a progress bar on stderr; by default if stderr is a terminal.
        kept: densities on disk, used and extended.
        fewest_kept: those of pools with fewer rows are not kept on disk.

    Returns:
        (n,) densities of the usable rows, in 1 / (units of distance); 1 elsewhere.

    Raises:
        OptionError: fewer than two usable rows differ; or vectors for an approximate search are
            not in memory.

    Cost: see `geometry.mean_distances_of_all` and `geometry.approximate_mean_distances`.
    """
    search = _searcher(points, approximate)
    key = _content_hash(points, usable, k, search)
    if key in _latest:
        return _latest[key]
    if len(usable) < fewest_kept:
        kept = None
    found = None if kept is None else kept.find(key, len(usable))
    if found is None:
        found = _search(points, usable, k, progress, search)
        if kept is not None:
            kept.put(key, found)
    found.flags.writeable = False
    _latest.clear()
    _latest[key] = found
    return found


def _searcher(points: Points | DistanceMatrix, approximate: bool) -> Searcher:
    """Return the function that finds the mean distances to the nearest rows."""
    if not approximate:
        return mean_distances_of_all
    if isinstance(points, DistanceMatrix):
        raise OptionError(
            'density_search="approximate" needs vectors, and the data are a matrix of distances. '
            "Omit it."
        )
    if not points.in_memory:
        raise OptionError(
            'density_search="approximate" needs the vectors in memory, and they are on disk. Omit '
            "it, or give a larger memory=."
        )
    return approximate_mean_distances


def _search(
    points: Any,
    usable: Bool[np.ndarray, " n"],
    k: int,
    progress: bool | None,
    search: Searcher,
) -> Float[np.ndarray, " n"]:
    """Find densities; see `densities`."""
    rows = np.flatnonzero(usable)
    representatives, which = _different(points, rows)
    if len(representatives) < 2:
        raise OptionError(
            "density_weight= needs rows that differ: all usable rows are equal. Omit it."
        )
    with new_bar(total=len(representatives), desc="density", unit="row", shown=progress) as bar:
        means = search(points, representatives, k, progress=bar.update)
    least = float(np.median(means)) / MOST_DENSE
    found = np.ones(len(usable))
    found[rows] = 1.0 / np.maximum(means, least)[which]
    return found


def _content_hash(
    points: Points | DistanceMatrix, usable: Bool[np.ndarray, " n"], k: int, search: Searcher
) -> str:
    """Return a hash of all that densities depend on."""
    stored = points.matrix if isinstance(points, DistanceMatrix) else points.stored
    unit = isinstance(points, Points) and points.unit
    kind = f"{_DEFINITION} {type(points).__name__} {unit} {k}"
    if search is approximate_mean_distances:
        kind += f" approximate {_APPROXIMATION}"
    digest = hashlib.sha256(kind.encode())
    digest.update(usable.tobytes())
    feed_array(digest, stored)
    return digest.hexdigest()


def _different(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " m"]]:
    """Return the first of each set of equal rows, and for each row the position of its first.

    Rows are equal if their vectors are, as float32 after normalisation.
    """
    width = len(rows) if isinstance(points, DistanceMatrix) else points.dimension
    factors = _random_factors(width)
    sums = np.empty(len(rows), np.uint64)

    def add_up(block: slice) -> None:
        sums[block] = _as_compared(points, rows[block], rows).view(np.uint32) @ factors

    is_here = isinstance(points, DistanceMatrix) or points.in_memory
    tiles = blocks(len(rows), width, numbers=_ROWS_AT_ONCE)
    parallel_for(add_up, tiles, threads=usable_threads() if is_here else 1)
    # Equal rows have equal sums, and hardly any others do.
    _, of_sum, counts = np.unique(sums, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(counts[of_sum] > 1)
    first = np.arange(len(rows))
    seen: dict[bytes, int] = {}
    for block in blocks(len(alike), width, numbers=_ROWS_AT_ONCE):
        some = alike[block]
        for position, vector in zip(
            some.tolist(), _as_compared(points, rows[some], rows), strict=True
        ):
            key = hashlib.blake2b(vector.tobytes(), digest_size=16).digest()
            first[position] = seen.setdefault(key, position)
    representatives, which = np.unique(first, return_inverse=True)
    return rows[representatives], which


def _as_compared(
    points: Points | DistanceMatrix, some: Int[np.ndarray, " b"], rows: Int[np.ndarray, " m"]
) -> Float32[np.ndarray, "b d"]:
    """Return some of the rows as float32, in which -0 is 0."""
    if isinstance(points, DistanceMatrix):
        exact = points.matrix[some][:, rows]
    else:
        exact = points.exact(some)
    compared: Float32[np.ndarray, "b d"] = exact.astype(np.float32) + np.float32(0)
    return compared


def _random_factors(count: int) -> UInt64[np.ndarray, " c"]:
    """Return what bits of coordinates are multiplied by for sums that tell rows apart."""
    return np.random.default_rng(0).integers(2**64, size=count, dtype=np.uint64)
