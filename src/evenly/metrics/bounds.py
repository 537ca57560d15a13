"""Upper bounds on h_min from a few numbers of the pool; derived in docs/theory.md.

Each function bounds OPT_k, the largest h_min that any k rows of the pool have.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.spatial import ConvexHull, QhullError
from scipy.special import eval_gegenbauer, roots_jacobi

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = [
    "balls_bound",
    "levenshtein_count",
    "line_bound",
    "plane_bound",
    "smaller_balls_bound",
    "sphere_bound",
]

# Levenshtein's bounds of higher degree matter for more rows than computers hold, unless there
# are three dimensions, for which there is a sharper one.
_DEGREES = 60


def balls_bound(radii: Float[np.ndarray, " k"]) -> float:
    """Twice the covering radius of the first k - 1 picks: k rows, so two are in one ball.

    Args:
        radii: of k >= 2 picks, farthest first: radii[m] is the covering radius of the first m.
    """
    return 2.0 * float(radii[-1])


def smaller_balls_bound(radii: Float[np.ndarray, " k"]) -> float:
    """Some of m balls holds s = ceil(k / m) rows, of which two are within ρ_m·√(2s / (s - 1)).

    The best m. Only for Euclidean distances, unlike `balls_bound`, which is m = k - 1.
    """
    balls = np.arange(1, len(radii))
    inside = -(-len(radii) // balls)
    return float(np.min(radii[1:] * np.sqrt(2.0 * inside / (inside - 1.0))))


def line_bound(coordinates: Float[np.ndarray, " n"], size: int) -> float:
    """Rows on a line: k of them leave k - 1 gaps."""
    return float(np.ptp(coordinates)) / (size - 1)


def plane_bound(rows: Float[np.ndarray, "n 2"], size: int) -> float:
    """Rows in a plane: Oler's inequality for their convex hull.

    At most 2A / (√3·r²) + P / (2r) + 1 points with distances of r or more fit a compact convex
    set of area A and perimeter P. Where all rows are nearly on a line, the set is a rectangle
    around them.

    Sources: Oler 1961, doi:10.1007/BF02391675; Folkman and Graham 1969,
        doi:10.4153/CMB-1969-096-4.
    """
    centred = rows - rows.mean(axis=0)
    try:
        hull = ConvexHull(centred)
        area, perimeter = float(hull.volume), float(hull.area)
    except (QhullError, ValueError):
        _, _, axes = np.linalg.svd(centred[_extremes(centred)])
        length, width = np.ptp(centred @ axes.T, axis=0)
        area, perimeter = float(length * width), 2.0 * float(length + width)
    # k - 1 <= a / r² + b / r, solved for r.
    a, b = 2.0 * area / math.sqrt(3.0), perimeter / 2.0
    gaps = size - 1
    return (b + math.sqrt(b * b + 4.0 * gaps * a)) / (2.0 * gaps)


def _extremes(rows: Float[np.ndarray, "n 2"]) -> list[int]:
    """Two rows that are far apart."""
    first = int(np.argmax((rows**2).sum(axis=1)))
    return [first, int(np.argmax(((rows - rows[first]) ** 2).sum(axis=1)))]


def sphere_bound(size: int, dimension: int) -> float:
    """Rows of length one: what is known of k points on a sphere in d dimensions.

    Rankin: √(2k / (k - 1)) for k <= d + 1, √2 for d + 2 <= k <= 2d, both attained; on the
    circle 2·sin(π / k), attained; in three dimensions Fejes Tóth's bound; else Levenshtein's.

    Sources: Rankin 1955, doi:10.1017/S2040618500033219; Fejes Tóth 1943; Levenshtein 1992,
        doi:10.1007/BF00053379.
    """
    if dimension == 1:
        return 2.0 if size == 2 else 0.0
    if size <= dimension + 1:
        return math.sqrt(2.0 * size / (size - 1.0))
    if size <= 2 * dimension:
        return math.sqrt(2.0)
    if dimension == 2:
        return 2.0 * math.sin(math.pi / size)
    bound = math.sqrt(2.0 - 2.0 * _smallest_cosine(size, dimension))
    if dimension == 3:
        angle = math.pi * size / (6.0 * (size - 2.0))
        bound = min(bound, math.sqrt(4.0 - 1.0 / math.sin(angle) ** 2))
    return bound


def levenshtein_count(cosine: float, dimension: int, degree: int) -> float:
    """Levenshtein's L of a degree: no more points have pairwise cosines of at most `cosine`.

    Holds where the cosine is in the interval that belongs to the degree.
    """
    d = dimension
    half = (degree + 1) // 2
    here, there = (_gegenbauer(half - 1, d, cosine), _gegenbauer(half, d, cosine))
    if degree % 2:
        inner = (2 * half + d - 3) / (d - 1) - (here - there) / ((1 - cosine) * there)
        return math.comb(half + d - 3, half - 1) * inner
    here, there = there, _gegenbauer(half + 1, d, cosine)
    inner = (2 * half + d - 1) / (d - 1) - (1 + cosine) * (here - there) / (
        (1 - cosine) * (here + there)
    )
    return math.comb(half + d - 2, half) * inner


def _gegenbauer(degree: int, dimension: int, cosine: float) -> float:
    """The polynomials of the sphere, 1 at 1; in two dimensions Chebyshev's."""
    if degree == 0:
        return 1.0
    if dimension == 2:
        return math.cos(degree * math.acos(cosine))
    order = dimension / 2.0 - 1.0
    at_one = math.comb(degree + dimension - 3, degree)
    return float(eval_gegenbauer(degree, order, cosine)) / at_one


def _smallest_cosine(size: int, dimension: int) -> float:
    """The cosine that Levenshtein's bound allows `size` > 2·dimension points at least."""
    cosine = 0.0
    for degree in count(3):
        end = _end_of_interval(degree, dimension)
        most = levenshtein_count(end, dimension, degree)
        if most >= size:
            return float(
                brentq(
                    lambda s, degree=degree: levenshtein_count(s, dimension, degree) - size,
                    cosine,
                    end,
                    xtol=1e-15,
                )
            )
        if degree == _DEGREES:
            return end
        cosine = end
    raise AssertionError("unreachable")


def _end_of_interval(degree: int, dimension: int) -> float:
    """The largest root of the Jacobi polynomial where the bound of this degree ends."""
    half, order = (degree + 1) // 2, (dimension - 3) / 2.0
    if degree % 2:
        roots, _ = roots_jacobi(half, order + 1, order)
    else:
        roots, _ = roots_jacobi(half, order + 1, order + 1)
    return float(roots[-1])
