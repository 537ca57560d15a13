"""Measures of how diverse a subset is that others use, for reports and comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial.distance import squareform

from evenly.geometry import DistanceMatrix, Points, single_threaded_blas
from evenly.geometry.clustering.tree import leading_coordinates, split_evenly
from evenly.geometry.search.sampled_pairs import squared_distances_of_all_pairs

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Diversity", "clusters_of", "kernel_eigenvalue", "vendi_score"]

# Rows whose pairs are summed up, and rows of which a kernel is made; more are sampled, or not done.
_PAIRED, _IN_KERNEL, _DENSE = 20_000, 8192, 512
_CLUSTERS = 128
_ROWS_OF_CLUSTER = 8


@dataclass(frozen=True)
class Diversity:
    """Measures of others; None where they do not apply. See docs/theory.md.

    Attributes:
        uniformity: log of the mean of exp(-2·distance²) over pairs, for rows of length one; the
            lower the more uniform (Wang and Isola 2020, arXiv 2005.10242).
        riesz_energy: mean of 1 / distance² over pairs; the lower the farther apart; inf where
            rows coincide (Hardin and Saff 2005).
        vendi_score: effective number of different rows, from 1 to min(k, d): the exponential of
            the entropy of the eigenvalues of their cosines, for rows of length one (Friedman and
            Dieng 2023, arXiv 2210.02410).
        cluster_entropy: how evenly the subset falls on clusters of the pool, up to 128 of about
            the same size: 0 when all rows are of one, 1 when each has as many.
        kernel_eigenvalue: smallest eigenvalue of the matrix exp(-distance² / 2b²) of the
            subset, from 0 for two rows that coincide to 1 for rows far apart; None for more than
            8192 rows.
        kernel_bandwidth: b, half of the median distance of two rows of the pool.

    Pairs are all pairs up to 20,000 rows, beyond that those of 20,000 random ones.
    """

    uniformity: float | None
    riesz_energy: float | None
    vendi_score: float | None
    cluster_entropy: float | None
    kernel_eigenvalue: float | None
    kernel_bandwidth: float

    @classmethod
    def of(
        cls,
        points: Points | DistanceMatrix,
        chosen: Int[np.ndarray, " k"],
        clusters: Int[np.ndarray, " n"] | None,
        bandwidth: float,
        seed: int,
    ) -> Diversity:
        """Of some rows of a pool, whose clusters are numbered by row."""
        some = chosen
        if len(chosen) > _PAIRED:
            some = np.random.default_rng(seed).choice(chosen, _PAIRED, replace=False)
        attraction = energy = pairs = 0.0
        unit = isinstance(points, Points) and points.unit
        with np.errstate(divide="ignore"):
            for squared in squared_distances_of_all_pairs(points, some):
                energy += float((1.0 / squared).sum())
                attraction += float(np.exp(-2.0 * squared).sum()) if unit else 0.0
                pairs += len(squared)
        vendi = None
        if isinstance(points, Points) and points.unit:
            vendi = vendi_score(points.exact(chosen))
        return cls(
            uniformity=float(np.log(attraction / pairs)) if unit and pairs else None,
            riesz_energy=energy / pairs if pairs else None,
            vendi_score=vendi,
            cluster_entropy=None if clusters is None else _entropy(clusters, chosen),
            kernel_eigenvalue=kernel_eigenvalue(points, chosen, bandwidth),
            kernel_bandwidth=bandwidth,
        )


def vendi_score(rows: Float[np.ndarray, "k d"]) -> float:
    """The exponential of the entropy of the eigenvalues of X·X' / k, for rows of length one.

    X'·X has the same eigenvalues other than 0, so this is exact for any number of rows.

    Cost: k·d·min(k, d) multiplications, and the eigenvalues of a matrix of that size.
    """
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    shares = eigvalsh(gram / len(rows))
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def kernel_eigenvalue(
    points: Points | DistanceMatrix, chosen: Int[np.ndarray, " k"], bandwidth: float
) -> float | None:
    """The smallest eigenvalue of the Gaussian kernel on some rows; None beyond 8192 of them.

    By Lanczos' method on the inverse. 0 where it is so small that float64 cannot tell.

    Cost: k³ / 3 multiplications, and 8·k² bytes.
    """
    count = len(chosen)
    if count > _IN_KERNEL:
        return None
    if count == 1 or bandwidth == 0:
        return 1.0 if count == 1 else 0.0
    # The parts in order are the upper triangle, row by row.
    squared = np.concatenate([*squared_distances_of_all_pairs(points, chosen)])
    kernel = squareform(np.exp(-squared / (2.0 * bandwidth**2)))
    np.fill_diagonal(kernel, 1.0)
    if count <= _DENSE:
        return max(0.0, float(eigvalsh(kernel, subset_by_index=(0, 0))[0]))
    try:
        factor = cho_factor(kernel, overwrite_a=True)
    except LinAlgError:
        return 0.0
    inverse = LinearOperator((count, count), matvec=lambda x: cho_solve(factor, x), dtype=float)
    start = np.random.default_rng(0).standard_normal(count)
    [largest] = eigsh(inverse, k=1, which="LM", v0=start, tol=1e-6, return_eigenvectors=False)
    return float(1.0 / largest)


def clusters_of(points: Points | DistanceMatrix) -> Int[np.ndarray, " n"] | None:
    """Number of the cluster of each row of a pool (-1: no candidate); None for distances.

    The largest is halved by 2-means until there are 128, or 8 rows in each.

    Cost: about n·d·64 multiplications.
    """
    if isinstance(points, DistanceMatrix):
        return None
    rows = np.flatnonzero(points.eligible)
    label = np.full(len(points), -1)
    with single_threaded_blas():
        count = min(_CLUSTERS, max(1, len(rows) // _ROWS_OF_CLUSTER))
        label[rows] = split_evenly(leading_coordinates(points, rows, 64), count)
    return label


def _entropy(clusters: Int[np.ndarray, " n"], chosen: Int[np.ndarray, " k"]) -> float | None:
    most = min(int(clusters.max()) + 1, len(chosen))
    if most < 2:
        return None
    _, counts = np.unique(clusters[chosen], return_counts=True)
    shares = counts / len(chosen)
    return abs(float((shares * np.log(shares)).sum() / np.log(most)))
