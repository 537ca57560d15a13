"""Upper bounds on h_min from a few numbers of the pool, derived in docs/theory.md.

Each function bounds OPT_k, the largest h_min of any k rows of the pool.
"""

from __future__ import annotations

import math

import numpy as np

from evenly.shapes import Float, Int


def balls_bound(radii: Float[np.ndarray, " k"]) -> float:
    """Return twice the covering radius of the first k - 1 picks: one ball holds two of k rows.

    Args:
        radii: radii of k >= 2 farthest-first picks; radii[m] is the covering radius of the
            first m.
    """
    return 2.0 * float(radii[-1])


def smaller_balls_bound(radii: Float[np.ndarray, " k"]) -> float:
    """Return the smallest ρ_m·√(2s / (s - 1)) over all m < k, where s = ceil(k / m).

    One of m balls of radius ρ_m holds s of the k rows, two of which are at most that far apart.
    Valid for Euclidean distances only, unlike `balls_bound`, which is the case m = k - 1.
    """
    n_balls = np.arange(1, len(radii))
    rows_inside = -(-len(radii) // n_balls)
    return float(np.min(radii[1:] * np.sqrt(2.0 * rows_inside / (rows_inside - 1.0))))


def line_bound(coordinates: Float[np.ndarray, " n"], size: int) -> float:
    """Return the bound for rows on a line: k of them leave k - 1 gaps."""
    return float(np.ptp(coordinates)) / (size - 1)


def plane_bound(rows: Float[np.ndarray, "n 2"], size: int) -> float:
    """Return the bound for rows in a plane: Oler's inequality for their convex hull.

    At most 2A / (√3·r²) + P / (2r) + 1 points with distances of r or more fit a compact convex
    set of area A and perimeter P. If all rows are nearly on a line, the set is a rectangle
    around them.

    Sources: Oler 1961, doi:10.1007/BF02391675; Folkman and Graham 1969,
        doi:10.4153/CMB-1969-096-4.
    """
    return float(plane_bounds(rows, np.array([size]))[0])


def plane_bounds(
    rows: Float[np.ndarray, "n 2"], sizes: Int[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """Return `plane_bound` for several numbers of rows, from one convex hull."""
    from scipy.spatial import ConvexHull, QhullError

    centred = rows - rows.mean(axis=0)
    try:
        hull = ConvexHull(centred)
        area, perimeter = float(hull.volume), float(hull.area)
    except (QhullError, ValueError):
        _, _, axes = np.linalg.svd(centred[_distant_rows(centred)])
        length, width = np.ptp(centred @ axes.T, axis=0)
        area, perimeter = float(length * width), 2.0 * float(length + width)
    # k - 1 <= a / r² + b / r, solved for r.
    a, b = 2.0 * area / math.sqrt(3.0), perimeter / 2.0
    gaps = sizes - 1
    bounds: Float[np.ndarray, " s"] = (b + np.sqrt(b * b + 4.0 * gaps * a)) / (2.0 * gaps)
    return bounds


def _distant_rows(rows: Float[np.ndarray, "n 2"]) -> list[int]:
    """Return two rows that are far apart."""
    first = int(np.argmax((rows**2).sum(axis=1)))
    return [first, int(np.argmax(((rows - rows[first]) ** 2).sum(axis=1)))]
