"""The first pick: everything after it follows from the vectors."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import OptionError, RowError
from evenly.geometry import TIE, DistanceMatrix, Points, first_of_the_farthest
from evenly.inputs.prepare import PreparedData
from evenly.selection.rules.remaining import Limits

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["check_start", "first_row", "medoid"]


_NAMED = ("farthest-from-mean", "medoid", "random")


def check_start(start: Any) -> None:
    """Refuse what can be no first pick of any data.

    Raises:
        OptionError: neither a row number nor one of the names.
    """
    if isinstance(start, str) and start in _NAMED:
        return
    if isinstance(start, bool) or not isinstance(start, Integral):
        raise OptionError(
            'start must be a row number, "farthest-from-mean", "medoid" or "random", '
            f"got {start!r}."
        )


def first_row(
    prepared: PreparedData,
    start: int | str,
    seed: int,
    *,
    points: Points | DistanceMatrix | None = None,
    limits: Limits | None = None,
    weights: Float[np.ndarray, " n"] | None = None,
) -> int:
    """The row number of the first pick.

    Args:
        prepared: the data set.
        start, seed: as in `select_uniform`.
        points: its points; no candidates where rules exclude rows.
        limits: which rows may be picked; the best that may is.
        weights: what distances count for.

    Raises:
        RowError: the row is not in the data, was dropped, or may not be picked.

    Cost: 2·n·d for the named rows that depend on the mean.
    """
    points = prepared.points if points is None else points
    limits = Limits() if limits is None else limits
    if isinstance(start, str):
        scores = _scores(points, start, seed, weights)
        while True:
            row = first_of_the_farthest(scores) if start != "medoid" else _first_of_least(scores)
            if limits.may_pick(row):
                return row
            scores[limits.out_with(row)] = np.inf if start == "medoid" else -np.inf
    row = int(start)
    if not 0 <= row < len(points):
        raise RowError(f"start must be a row number from 0 to {len(points) - 1}, got {row}.")
    if not prepared.points.eligible[row]:
        raise RowError(
            f"start is row {row}, which cannot be chosen: "
            f"{prepared.samples.locate(row)} {prepared.dropped[row]}."
        )
    if not points.eligible[row] or not limits.may_pick(row):
        raise RowError(
            f"start is row {row}, {prepared.samples.locate(row)}, which exclude=, away_from=, "
            "quotas or the token budget leave out. Name another, or leave start out."
        )
    return row


def medoid(points: Points | DistanceMatrix) -> int:
    """The candidate nearest the mean m of all n candidates: their squared Euclidean medoid.

    Nearest the mean is exactly the row with the smallest sum of squared distances to all,
    since sum_j |x_i - x_j|² = n·|x_i - m|² + sum_j |x_j - m|², and the last sum is the same
    for every i. Sums that are equal within TIE tie, and the smallest row number wins. It is
    the sums that are compared, not |x_i - m|² alone: near the mean that holds rounding only.

    Cost: 2·n·d.
    """
    return _first_of_least(_scores(points, "medoid", 0, None))


def _scores(
    points: Points | DistanceMatrix, start: str, seed: int, weights: Float[np.ndarray, " n"] | None
) -> Float[np.ndarray, " n"]:
    """For a named start a number a row: the first row of the largest is it, or of the least."""
    if start == "random":
        eligible = np.flatnonzero(points.eligible)
        random = np.random.default_rng(seed)
        scores = np.full(len(points), -np.inf)
        scores[eligible] = 0.0
        scores[random.choice(eligible)] = 2.0
        if len(eligible) > 1:  # which come next, where that one may not be picked
            others = eligible[scores[eligible] == 0.0]
            scores[others] = random.random(len(others))
        return scores
    squared = points.squared_distances_to_mean()
    if start == "farthest-from-mean":
        return squared if weights is None else squared * weights**2
    usable = np.flatnonzero(points.eligible)
    # Divided by n before and not after, for squares near the largest float.
    of_all = (squared[usable] / len(usable)).sum()
    sums = np.full(len(points), np.inf)
    sums[usable] = squared[usable] + of_all
    return sums


def _first_of_least(sums: Float[np.ndarray, " n"]) -> int:
    return int(np.argmax(sums <= sums.min() * (1.0 + TIE)))
