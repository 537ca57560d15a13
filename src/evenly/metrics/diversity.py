"""Diversity measures from the literature, for reports and comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.geometry import DistanceMatrix, Points, single_threaded_blas
from evenly.geometry.clustering.tree import leading_coordinates, split_evenly
from evenly.geometry.search.sampled_pairs import squared_distances_of_all_pairs
from evenly.shapes import Float, Int

_CLUSTERS = 128
_ROWS_PER_CLUSTER = 8


@dataclass(frozen=True)
class DiversityLimits:
    """Sizes up to which diversity measures are computed exactly, or at all.

    Attributes:
        paired_rows: larger subsets are sampled for sums over pairs.
        kernel_rows: larger subsets have no kernel eigenvalue.
        dense_rows: larger kernels are inverted and their eigenvalue is found by Lanczos' method.
    """

    paired_rows: int = 20_000
    kernel_rows: int = 8192
    dense_rows: int = 512


_LIMITS = DiversityLimits()


@dataclass(frozen=True)
class Diversity:
    """Diversity measures of a subset; None if one does not apply. See docs/theory.md.

    Attributes:
        uniformity: log of the mean of exp(-2·distance²) over pairs, for rows of length one;
            lower is more uniform (Wang and Isola 2020, arXiv 2005.10242).
        riesz_energy: mean of 1 / distance² over pairs; lower is farther apart, inf if rows
            coincide (Hardin and Saff 2005).
        vendi_score: effective number of different rows, from 1 to min(k, d): the exponential of
            the entropy of the eigenvalues of their cosines, for rows of length one (Friedman and
            Dieng 2023, arXiv 2210.02410).
        cluster_entropy: how evenly the subset is distributed over clusters of the pool, up to
            128 of about the same size: 0 if all rows are in one, 1 if each has equally many.
        kernel_eigenvalue: smallest eigenvalue of the subset's matrix exp(-distance² / 2b²), from
            0 for two rows that coincide to 1 for rows far apart; None for more than 8192 rows.
        kernel_bandwidth: b, half of the median distance between two rows of the pool.

    Sums run over all pairs of up to 20,000 rows; larger subsets are sampled.
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
        limits: DiversityLimits = _LIMITS,
    ) -> Diversity:
        """Measure the chosen rows of a pool.

        Args:
            points: the pool.
            chosen: (k,) row numbers.
            clusters: (n,) number of each row's cluster, from `clusters_of`.
            bandwidth: of the kernel.
            seed: for the rows that are sampled from a large subset.
            limits: sizes up to which measures are computed.
        """
        paired = chosen
        if len(chosen) > limits.paired_rows:
            paired = np.random.default_rng(seed).choice(chosen, limits.paired_rows, replace=False)
        potential = energy = n_pairs = 0.0
        unit = isinstance(points, Points) and points.unit
        with np.errstate(divide="ignore"):
            for squared in squared_distances_of_all_pairs(points, paired):
                energy += float((1.0 / squared).sum())
                potential += float(np.exp(-2.0 * squared).sum()) if unit else 0.0
                n_pairs += len(squared)
        vendi = None
        if isinstance(points, Points) and points.unit:
            vendi = vendi_score(points.exact(chosen))
        return cls(
            uniformity=float(np.log(potential / n_pairs)) if unit and n_pairs else None,
            riesz_energy=energy / n_pairs if n_pairs else None,
            vendi_score=vendi,
            cluster_entropy=None if clusters is None else _entropy(clusters, chosen),
            kernel_eigenvalue=kernel_eigenvalue(points, chosen, bandwidth, limits),
            kernel_bandwidth=bandwidth,
        )


def vendi_score(rows: Float[np.ndarray, "k d"]) -> float:
    """Return the exponential of the entropy of the eigenvalues of X·X' / k, for unit rows.

    X'·X has the same eigenvalues other than 0, so this is exact for any number of rows.

    Cost: k·d·min(k, d) multiplications, and the eigenvalues of a matrix of that size.
    """
    from scipy.linalg import eigvalsh

    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    shares = eigvalsh(gram / len(rows))
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def kernel_eigenvalue(
    points: Points | DistanceMatrix,
    chosen: Int[np.ndarray, " k"],
    bandwidth: float,
    limits: DiversityLimits = _LIMITS,
) -> float | None:
    """Return the smallest eigenvalue of the Gaussian kernel on some rows; None for too many rows.

    Found by Lanczos' method on the inverse; 0 if the kernel is singular in float64.

    Cost: k³ / 3 multiplications, and 8·k² bytes.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh
    from scipy.sparse.linalg import LinearOperator, eigsh
    from scipy.spatial.distance import squareform

    count = len(chosen)
    if count > limits.kernel_rows:
        return None
    if count == 1 or bandwidth == 0:
        return 1.0 if count == 1 else 0.0
    # The parts are the upper triangle, row by row.
    squared = np.concatenate([*squared_distances_of_all_pairs(points, chosen)])
    kernel = squareform(np.exp(-squared / (2.0 * bandwidth**2)))
    np.fill_diagonal(kernel, 1.0)
    if count <= limits.dense_rows:
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
    """Return each row's cluster number, -1 if it is not eligible; None for a matrix of distances.

    The largest cluster is halved by 2-means until there are 128, or each has about 8 rows.

    Cost: about n·d·64 multiplications.
    """
    if isinstance(points, DistanceMatrix):
        return None
    rows = np.flatnonzero(points.eligible)
    label = np.full(len(points), -1)
    with single_threaded_blas():
        count = min(_CLUSTERS, max(1, len(rows) // _ROWS_PER_CLUSTER))
        label[rows] = split_evenly(leading_coordinates(points, rows, 64), count)
    return label


def _entropy(clusters: Int[np.ndarray, " n"], chosen: Int[np.ndarray, " k"]) -> float | None:
    most = min(int(clusters.max()) + 1, len(chosen))
    if most < 2:
        return None
    _, counts = np.unique(clusters[chosen], return_counts=True)
    shares = counts / len(chosen)
    return abs(float((shares * np.log(shares)).sum() / np.log(most)))
