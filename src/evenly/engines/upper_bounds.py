"""Upper bounds on squared distances to the chosen rows, one for each row of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evenly.geometry import TIE
from evenly.shapes import Float, Int


class Bounded:
    """An engine that bounds the squared distance of every row to the chosen rows from above.

    Implements weights and retirement of `Engine`. Arrays belong to NumPy or to torch, on any
    device.

    Attributes:
        squared: (n,) the bounds; -inf for rows that cannot be chosen. Changed in place.
    """

    def __init__(self, squared: Any) -> None:
        self.squared = squared
        self._weights: Any = None
        self._retired: list[tuple[Any, Any]] = []

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """Set the weights of squared distances; see `Engine.weigh`."""
        self._weights = self._sent(weights)

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Exclude rows from further picks; their bounds are saved."""
        sent = self._sent(rows)
        self._retired.append((sent, self.squared[sent]))
        self.squared[sent] = -np.inf

    def release(self) -> None:
        """Drop weights and retirement; see `Engine.release`."""
        # In reverse order: if a row was retired twice, the first retirement saved its bound.
        for rows, squared in reversed(self._retired):
            self.squared[rows] = squared
        self._retired.clear()
        self._weights = None

    def _sent(self, array: np.ndarray[Any, Any]) -> Any:
        """Return an array on the device of the bounds."""
        return array

    @property
    def _keys(self) -> Any:
        """The bounds times the weights."""
        return self.squared if self._weights is None else self.squared * self._weights

    def _keys_of(self, rows: Any, squared: Any) -> Any:
        """Return squared distances of some rows times their weights."""
        return squared if self._weights is None else squared * self._weights[rows]

    def _weights_of(self, rows: Any) -> Any:
        """Return the weights of some rows; None for 1."""
        return None if self._weights is None else self._weights[rows]

    def _lower(self, squared: Float[np.ndarray, " n"]) -> None:
        """Lower the bounds of all rows, including retired ones, to these if they are smaller."""
        np.minimum(self.squared, squared, out=self.squared)
        for rows, known in self._retired:
            np.minimum(known, squared[rows], out=known)


def farthest_of(squared: Float[np.ndarray, " f"], size: int) -> Int[np.ndarray, " m"]:
    """Return the positions of at most `size` largest values, ascending; the first of ties."""
    if len(squared) <= size:
        return np.arange(len(squared))
    tied = np.flatnonzero(squared >= squared.max() * (1.0 - TIE))
    if len(tied) >= size:
        return tied[:size]
    position = len(squared) - size
    return np.sort(np.argpartition(squared, position)[position:])


def threshold_of(bounds: Float[np.ndarray, " n"], wanted: int) -> float:
    """Return the `wanted`-th largest bound, less what may tie; 0 if there are fewer rows."""
    if wanted >= len(bounds):
        return 0.0
    position = len(bounds) - wanted
    value = float(np.partition(bounds, position)[position])
    return max(0.0, value * (1.0 - 2.0 * TIE))


def ceiling_outside(
    bounds: Float[np.ndarray, " n"], inside: Int[np.ndarray, " m"]
) -> tuple[float, int]:
    """Return the largest bound of rows outside, and the first row that may tie with it."""
    outside = bounds.copy()
    outside[inside] = -np.inf
    ceiling = float(outside.max())
    return ceiling, int(np.argmax(outside >= ceiling * (1.0 - 2.0 * TIE)))


def ceiling_of(outside: Sequence[tuple[float, int]]) -> tuple[float, int]:
    """Return the largest of several bounds, and the smallest row number that may tie with it."""
    ceiling = max(bound for bound, _ in outside)
    row = min(row for bound, row in outside if bound >= ceiling * (1.0 - 2.0 * TIE))
    return ceiling, row
