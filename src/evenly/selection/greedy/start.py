"""The first pick, which everything after it follows from."""

from __future__ import annotations

import numpy as np

from evenly.engines import Engine
from evenly.engines.mapped import MappedEngine
from evenly.errors import RowError
from evenly.geometry import TIE, DistanceMatrix, Points, first_of_the_farthest
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.remaining import Limits
from evenly.shapes import Float


def first_row(
    problem: Problem, start: int | str, seed: int, limits: Limits, engine: Engine | None = None
) -> int:
    """Return the row number of the first pick: the best for `start` that the limits allow.

    If the engine that will choose the other rows is given, it may prepare for them.

    Raises:
        RowError: `start` is a row that may not be picked.

    Cost: 2·n·d for the named starts that depend on the mean.
    """
    points = problem.points
    if isinstance(start, str):
        scores = _scores(points, start, seed, problem.rules.weights, engine)
        while True:
            row = first_of_the_farthest(scores) if start != "medoid" else _first_of_least(scores)
            if limits.may_pick(row):
                return row
            scores[limits.excluded_with(row)] = np.inf if start == "medoid" else -np.inf
    row = int(start)
    if not 0 <= row < len(points):
        raise RowError(f"start must be a row number from 0 to {len(points) - 1}, got {row}.")
    if not points.eligible[row] or not limits.may_pick(row):
        raise RowError(
            f"start is row {row}, which exclude=, away_from=, quotas or the token budget leave "
            "out. Name another row, or omit start."
        )
    return row


def medoid(points: Points | DistanceMatrix) -> int:
    """Return the eligible row nearest the mean m of all n: their squared Euclidean medoid.

    It has the smallest sum of squared distances to all, because sum_j |x_i - x_j|² =
    n·|x_i - m|² + sum_j |x_j - m|², where the last sum is the same for every i. Sums that are
    equal within TIE tie, and the smallest row number wins. Near the mean, |x_i - m|² alone
    consists of rounding only.

    Cost: 2·n·d.
    """
    return _first_of_least(_scores(points, "medoid", 0, None))


def _scores(
    points: Points | DistanceMatrix,
    start: str,
    seed: int,
    weights: Float[np.ndarray, " n"] | None,
    engine: Engine | None = None,
) -> Float[np.ndarray, " n"]:
    """Return a score for each row: the first row with the largest (medoid: least) is picked."""
    if start == "random":
        eligible = np.flatnonzero(points.eligible)
        random = np.random.default_rng(seed)
        scores = np.full(len(points), -np.inf)
        first = random.choice(eligible)
        # The others come next, in this order, if that row may not be picked.
        others = eligible[eligible != first]
        scores[others], scores[first] = random.random(len(others)), 2.0
        return scores
    reader = engine if isinstance(engine, MappedEngine) else points
    squared = reader.squared_distances_to_mean()
    if start == "farthest-from-mean":
        return squared if weights is None else squared * weights**2
    usable = np.flatnonzero(points.eligible)
    # Divided by n before the sum and not after it, for squares near the largest float.
    of_all = (squared[usable] / len(usable)).sum()
    sums = np.full(len(points), np.inf)
    sums[usable] = squared[usable] + of_all
    return sums


def _first_of_least(sums: Float[np.ndarray, " n"]) -> int:
    return int(np.argmax(sums <= sums.min() * (1.0 + TIE)))
