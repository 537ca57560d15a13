"""Quality plus weighted distance: the algorithm GIST for a sum of qualities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from evenly.selection.packing.max_radius import diameter_bound
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenly.selection.packing.packer import Packer

STEP = 0.05
"""Thresholds grow by this factor, and start at about this fraction of the largest distance."""


def best_by_thresholds(
    packer: Packer,
    order: Int[np.ndarray, " m"],
    size: int,
    *,
    quality: Float[np.ndarray, " n"],
    weight: float,
    pair: Int[np.ndarray, " 2"],
    progress: Callable[[float], Callable[[int], object]],
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"], float]:
    """Return 2 to `size` rows with a large sum of qualities + weight · smallest distance.

    It compares packings by descending quality, at distances 0 and (1 + STEP)^i times a smallest
    one, and a pair of rows that is far apart.

    Let S be the best selection of 2 rows or more, D its smallest distance, and d the largest
    threshold with 2d <= D. If the packing at d lacks a row of S, a row of at least its quality is
    nearer than d, and no two rows of S have the same such row. So the packing, cut at `size`, has
    at least the quality of S, and a smallest distance d >= D / (2 (1 + STEP)): at least
    1 / (2 (1 + STEP)) of the value of S. If D is so small that there is no such d, the packing at
    0 has the quality of S, and its distance is worth less than STEP times that of a pair.

    Args:
        order: row numbers by descending quality.
        size: how many rows at most, 2 or more, of at least 2.
        quality: (n,) of each row, 0 or more.
        weight: what a distance of 1 is worth.
        pair: two rows, in the order, at least a quarter of the largest distance apart.
        progress: called with the distance of each packing; returns its progress callback.

    Returns:
        The rows in the order, their radii, and their value.

    Cost: a few dozen packings, most of which end early or keep few rows.

    Source: Fahrbach, Ramalingam, Zadimoghaddam, Ahmadian, Citovsky and DeSalvo 2025 (NeurIPS),
        arXiv 2405.18754. Its distances go up to the diameter; these, to a bound on it.
    """
    best_rows, best_radii, best_value = np.empty(0, np.int64), np.empty(0), -np.inf

    def offer(rows: Int[np.ndarray, " k"]) -> float:
        nonlocal best_rows, best_radii, best_value
        radii = packer.radii_of(rows)
        h_min = float(radii.min())
        value = math.fsum(quality[rows].tolist()) + weight * h_min
        if value > best_value:
            best_rows, best_radii, best_value = rows, radii, value
        return h_min

    offer(pair)
    h_min = offer(order[:size])
    upper = diameter_bound(packer.points)
    distance = upper / 2
    while distance > STEP * upper / 8:
        distance /= 1 + STEP
    while 0 < distance <= upper:
        # A packing whose h_min exceeds its distance is that of all distances in between.
        if distance > h_min:
            found = packer.pack(order, distance, limit=size, progress=progress(distance))
            if len(found) < 2:
                break
            h_min = offer(found.rows)
        distance *= 1 + STEP
    return best_rows, best_radii, best_value
