"""The protocol between the driver and whoever holds the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from evenly.geometry import Points

__all__ = ["Frontier", "Pool"]


@dataclass(frozen=True, eq=False)
class Frontier:
    """The rows of a pool that can be next.

    Attributes:
        rows: (m,) row numbers, ascending.
        points: the rows themselves, m points; None where `bounds` decide.
        squared: (m,) exact squared distances to the nearest chosen row.
        bounds: (m, m) numbers that, times `bound_unit`, are not above the squared distances
            between the rows: what need not be decided exactly.
        bound_unit: see `bounds`.
        ceiling: no row outside has a larger squared distance; -inf when there is none outside.
        ceiling_row: the smallest row number outside that may tie with the ceiling.
    """

    rows: Int[np.ndarray, " m"]
    points: Points | None
    squared: Float[np.ndarray, " m"]
    bounds: Float[np.ndarray, "m m"]
    bound_unit: float
    ceiling: float
    ceiling_row: int


class Pool(Protocol):
    """Rows, and which of them have been chosen so far.

    How a pool keeps its distances fresh is its own business. What it answers must be exact.
    """

    def __len__(self) -> int:
        """How many rows there are, chosen or not."""

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points | None:
        """Rows as points; None for a pool that knows distances only."""

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen, in the order given.

        Args:
            rows: row numbers of this pool, or -1 for a row that another pool holds.
            points: the rows themselves; None where pools know distances only.
        """

    def frontier(self) -> Frontier:
        """The rows that can be next.

        It holds the very next pick: of all rows not yet chosen, the farthest from those that
        are, and of all that tie with it the one with the smallest number. Should the ceiling
        be above the frontier's own largest distance, then a row outside attains it.
        """
