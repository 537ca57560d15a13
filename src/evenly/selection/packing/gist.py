"""Quality and distance in one number, by thresholds: the algorithm GIST for a sum of qualities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jaxtyping import Float, Int

    from evenly.selection.packing.packer import Packer

__all__ = ["STEP", "best_by_thresholds", "value_of"]


STEP = 0.05
"""Thresholds grow by this factor, and end this fraction of the largest distance above 0."""


def value_of(
    quality: Float[np.ndarray, " n"], rows: Int[np.ndarray, " k"], diversity: float
) -> float:
    """The sum of the qualities, exactly rounded, and what the smallest distance is worth."""
    return math.fsum(quality[rows].tolist()) + diversity


def best_by_thresholds(
    packer: Packer,
    order: Int[np.ndarray, " m"],
    size: int,
    *,
    quality: Float[np.ndarray, " n"],
    weight: float,
    upper: float,
    pairs: Iterable[Int[np.ndarray, " 2"]],
    radii_of: Callable[[Int[np.ndarray, " k"]], Float[np.ndarray, " k"]],
    progress: Callable[[float], Callable[[int], object]],
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"], float]:
    """Rows, 2 to `size` of them, with a large sum of qualities + weight · smallest distance.

    Packings by falling quality, at distances 0 and (1 + STEP)^i times a smallest one, are
    compared with each other and with a few pairs that are far apart.

    With 2 rows or more, let S be the best choice, of smallest distance D, and d the largest
    threshold with 2d <= D. A row of S is left out by the packing at d for one of quality no
    lower that is nearer than d, and no two rows of S for the same one. So the packing, cut at
    `size`, has at least the quality of S, and a smallest distance d >= D / (2 (1 + STEP)):
    at least 1 / (2 (1 + STEP)) of the value of S. Where D is so small that there is no such d,
    the packing at 0 has the quality of S, and its distance is worth less than STEP times
    that of a pair.

    Args:
        packer: of the pool.
        order: row numbers by falling quality.
        size: how many rows at most, 2 or more, of at least 2.
        quality: (n,) of each row, 0 or more.
        weight: what a distance of 1 is worth.
        upper: a distance that no two rows exceed, at most four times that of a pair.
        pairs: pairs of rows to compare with, in the order.
        radii_of: distances of rows to earlier ones.
        progress: called with the distance of each packing, gives what that one is told.

    Returns:
        The rows in the order, their radii, and their value.

    Cost: some dozens of packings, most of which end early or keep few rows.

    Sources: Fahrbach, Ramalingam, Zadimoghaddam, Ahmadian, Citovsky and DeSalvo 2025 (NeurIPS),
        arXiv 2405.18754. Its distances go to the diameter; these go to a bound on it.
    """
    best_rows, best_radii, best_value = np.empty(0, np.int64), np.empty(0), -np.inf

    def offer(rows: Int[np.ndarray, " k"]) -> float:
        nonlocal best_rows, best_radii, best_value
        radii = radii_of(rows)
        nearest = float(radii.min())
        value = value_of(quality, rows, weight * nearest)
        if value > best_value:
            best_rows, best_radii, best_value = rows, radii, value
        return nearest

    for pair in pairs:
        offer(pair)
    nearest = offer(order[:size])
    distance = upper / 2
    while distance > STEP * upper / 8:
        distance /= 1 + STEP
    while 0 < distance <= upper:
        # A packing whose rows are farther apart than asked is that of all distances in between.
        if distance > nearest:
            found = packer.pack(order, distance, limit=size, progress=progress(distance))
            if len(found) < 2:
                break
            nearest = offer(found.rows)
        distance *= 1 + STEP
    return best_rows, best_radii, best_value
