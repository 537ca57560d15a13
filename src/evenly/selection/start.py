"""The first pick: everything after it follows from the vectors."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from evenly.errors import OptionError, RowError
from evenly.geometry import TIE, Metric, Points, first_of_the_farthest
from evenly.intake import Intake

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


def first_row(intake: Intake, start: int | str, seed: int) -> int:
    """The row number of the first pick.

    Raises:
        RowError: the row is not in the data, or was dropped.

    Cost: 2·n·d for the named rows that depend on the mean.
    """
    points = intake.points
    if start == "farthest-from-mean":
        return first_of_the_farthest(points.squared_distances_to_mean())
    if start == "medoid":
        return medoid(points)
    if start == "random":
        candidates = np.flatnonzero(points.candidates)
        return int(np.random.default_rng(seed).choice(candidates))
    row = int(start)
    if not 0 <= row < len(points):
        raise RowError(f"start must be a row number from 0 to {len(points) - 1}, got {row}.")
    if not points.candidates[row]:
        raise RowError(
            f"start is row {row}, which cannot be chosen: "
            f"{intake.samples.locate(row)} {intake.dropped[row]}."
        )
    return row


def medoid(points: Points | Metric) -> int:
    """The candidate nearest the mean m of all n candidates: their squared Euclidean medoid.

    Nearest the mean is exactly the row with the smallest sum of squared distances to all,
    since sum_j |x_i - x_j|² = n·|x_i - m|² + sum_j |x_j - m|², and the last sum is the same
    for every i. Sums that are equal within TIE tie, and the smallest row number wins. It is
    the sums that are compared, not |x_i - m|² alone: near the mean that holds rounding only.

    Cost: 2·n·d.
    """
    squared = points.squared_distances_to_mean()
    usable = np.flatnonzero(points.candidates)
    # Divided by n before and not after, for squares near the largest float.
    of_all = (squared[usable] / len(usable)).sum()
    sums = squared[usable] + of_all
    return int(usable[np.argmax(sums <= sums.min() * (1.0 + TIE))])
