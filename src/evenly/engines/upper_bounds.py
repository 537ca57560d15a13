"""What pools ask of the bounds they keep, one squared distance a row; -inf for retired rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import TIE

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Bounded", "Bounds", "ceiling_of", "ceiling_outside", "farthest_of", "threshold_of"]


class Bounds:
    """For every row a bound on its squared distance to the chosen rows, and what it counts for.

    Arrays are of NumPy or of torch, on whatever device.

    Attributes:
        squared: (n,) the bounds; -inf for rows that cannot be chosen. Changed in place.
        weights: (n,) what they are multiplied by to tell how far a row is; None for 1.
    """

    def __init__(self, squared: Any) -> None:
        self.squared = squared
        self.weights: Any = None
        self._retired: list[tuple[Any, Any]] = []

    @property
    def keys(self) -> Any:
        """How far rows are, by weight."""
        return self.squared if self.weights is None else self.squared * self.weights

    def keys_of(self, rows: Any, squared: Any) -> Any:
        """How far these rows are, where their squared distances are these."""
        return squared if self.weights is None else squared * self.weights[rows]

    def weights_of(self, rows: Any) -> Any:
        """What the squared distances of these rows count for."""
        return None if self.weights is None else self.weights[rows]

    def retire(self, rows: Any) -> None:
        """Rows that cannot be chosen any more; what is known of them is kept."""
        self._retired.append((rows, self.squared[rows]))
        self.squared[rows] = -np.inf

    def lower(self, squared: Float[np.ndarray, " n"]) -> None:
        """Lower the bounds of all rows, retired ones too, to these where they are smaller."""
        np.minimum(self.squared, squared, out=self.squared)
        for rows, known in self._retired:
            np.minimum(known, squared[rows], out=known)

    def release(self) -> None:
        """Put back what was known of retired rows, and forget weights."""
        # The latest first: of a row that was retired twice, the first time knew its bound.
        for rows, squared in reversed(self._retired):
            self.squared[rows] = squared
        self._retired.clear()
        self.weights = None


class Bounded:
    """A pool that keeps bounds: what `Engine` says of weights and of rows that retire."""

    _bounds: Bounds

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """What squared distances count for; see `Engine.weigh`."""
        self._bounds.weights = self._sent(weights)

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Rows that can no longer be chosen."""
        self._bounds.retire(self._sent(rows))

    def release(self) -> None:
        """Forget weights and retirement; see `Engine.release`."""
        self._bounds.release()

    def _sent(self, array: np.ndarray[Any, Any]) -> Any:
        """An array, to where the bounds are."""
        return array


def farthest_of(squared: Float[np.ndarray, " f"], size: int) -> Int[np.ndarray, " m"]:
    """Positions of at most `size` largest values, ascending; of ties the first."""
    if len(squared) <= size:
        return np.arange(len(squared))
    tied = np.flatnonzero(squared >= squared.max() * (1.0 - TIE))
    if len(tied) >= size:
        return tied[:size]
    position = len(squared) - size
    return np.sort(np.argpartition(squared, position)[position:])


def threshold_of(bounds: Float[np.ndarray, " n"], wanted: int) -> float:
    """The value of the `wanted`-th largest bound; 0 when there are not so many rows."""
    if wanted >= len(bounds):
        return 0.0
    position = len(bounds) - wanted
    value = float(np.partition(bounds, position)[position])
    return max(0.0, value * (1.0 - 2.0 * TIE))


def ceiling_outside(
    bounds: Float[np.ndarray, " n"], inside: Int[np.ndarray, " m"]
) -> tuple[float, int]:
    """The largest bound of rows that are not inside, and the first row that may tie with it."""
    outside = bounds.copy()
    outside[inside] = -np.inf
    ceiling = float(outside.max())
    return ceiling, int(np.argmax(outside >= ceiling * (1.0 - 2.0 * TIE)))


def ceiling_of(outside: Sequence[tuple[float, int]]) -> tuple[float, int]:
    """The largest of several bounds, and the smallest row number that may tie with it."""
    ceiling = max(bound for bound, _ in outside)
    row = min(row for bound, row in outside if bound >= ceiling * (1.0 - 2.0 * TIE))
    return ceiling, row
