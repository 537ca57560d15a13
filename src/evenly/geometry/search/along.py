"""Chosen rows that are probably near, from an order of rows in which neighbours are near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry.points import blocks, squared_distances_between
from evenly.geometry.threads import parallel_for, usable_threads
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from evenly.geometry.points import Points

Guess = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
"""Returns, for each of some rows, a chosen row that is probably near."""

_ROWS = 4096
# How many chosen rows to each side of a row are guesses.
_SIDES = 4


def guesses_along(
    order: Int[np.ndarray, " m"], chosen: Int[np.ndarray, " k"], count: int
) -> Sequence[Guess]:
    """Return guesses: the chosen rows beside each row, from the nearest in the order outwards.

    Args:
        order: row numbers in an order in which neighbours are near, the chosen ones among them.
        chosen: (k,) row numbers.
        count: the number of rows of the pool.
    """
    place = np.full(count, -1)
    place[order] = np.arange(len(order))
    places = np.sort(place[chosen])

    def beside(rows: Int[np.ndarray, " m"], offset: int) -> Int[np.ndarray, " m"]:
        after = np.searchsorted(places, place[rows])
        found: Int[np.ndarray, " m"] = places[np.clip(after + offset, 0, len(places) - 1)]
        return found

    def nearest(rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        before, after, here = beside(rows, -1), beside(rows, 0), place[rows]
        found: Int[np.ndarray, " m"] = order[
            np.where(np.abs(here - before) <= np.abs(after - here), before, after)
        ]
        return found

    def at(offset: int) -> Guess:
        return lambda rows: order[beside(rows, offset)]

    outwards = [at(offset) for side in range(_SIDES) for offset in (-1 - side, side)]
    return [nearest, *outwards]


def squared_to_guesses(
    points: Points, rows: Int[np.ndarray, " m"], guessed: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Return the exact squared distance of each row to its guess."""
    squared = np.empty(len(rows))

    def measure(part: slice) -> None:
        squared[part] = squared_distances_between(points, rows[part], points, guessed[part])

    parallel_for(measure, blocks(len(rows), 1, numbers=_ROWS), threads=usable_threads())
    return squared
