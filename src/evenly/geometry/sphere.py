"""How far apart points on a sphere can be."""

from __future__ import annotations

import math

# Higher degrees of Levenshtein's bound matter only for more rows than fit a computer, except in
# three dimensions, where Fejes Tóth's bound is sharper.
_MAX_DEGREE = 60


def sphere_bound(size: int, dimension: int) -> float:
    """Return the best known bound for k points on the unit sphere in d dimensions.

    Rankin's bound is √(2k / (k - 1)) for k <= d + 1 and √2 for d + 2 <= k <= 2d. On the circle
    it is 2·sin(π / k). All three are attained. Otherwise it is Levenshtein's bound, and in three
    dimensions Fejes Tóth's if that is smaller.

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
    """Return Levenshtein's bound on the number of points with pairwise cosines <= `cosine`.

    Valid if the cosine is in the interval that belongs to the degree.
    """
    d = dimension
    half = (degree + 1) // 2
    if degree % 2:
        low, high = _gegenbauer(half - 1, d, cosine), _gegenbauer(half, d, cosine)
        factor = (2 * half + d - 3) / (d - 1) - (low - high) / ((1 - cosine) * high)
        return math.comb(half + d - 3, half - 1) * factor
    low, high = _gegenbauer(half, d, cosine), _gegenbauer(half + 1, d, cosine)
    factor = (2 * half + d - 1) / (d - 1) - (1 + cosine) * (low - high) / (
        (1 - cosine) * (low + high)
    )
    return math.comb(half + d - 2, half) * factor


def _gegenbauer(degree: int, dimension: int, cosine: float) -> float:
    """Return the Gegenbauer polynomial of a sphere, normalised to 1 at 1 (Chebyshev's if d = 2)."""
    if degree == 0:
        return 1.0
    if dimension == 2:
        return math.cos(degree * math.acos(cosine))
    from scipy.special import eval_gegenbauer

    order = dimension / 2.0 - 1.0
    at_one = math.comb(degree + dimension - 3, degree)
    return float(eval_gegenbauer(degree, order, cosine)) / at_one


def _smallest_cosine(size: int, dimension: int) -> float:
    """Return the smallest maximal cosine that `size` > 2·dimension points can have."""
    from scipy.optimize import brentq

    end = 0.0
    for degree in range(3, _MAX_DEGREE + 1):
        begin, end = end, _end_of_interval(degree, dimension)
        if levenshtein_count(end, dimension, degree) >= size:
            break
    else:
        return end
    return float(
        brentq(lambda s: levenshtein_count(s, dimension, degree) - size, begin, end, xtol=1e-15)
    )


def _end_of_interval(degree: int, dimension: int) -> float:
    """Return the largest root of the Jacobi polynomial, where the bound's interval ends."""
    from scipy.special import roots_jacobi

    half, order = (degree + 1) // 2, (dimension - 3) / 2.0
    roots, _ = roots_jacobi(half, order + 1, order if degree % 2 else order + 1)
    return float(roots[-1])
