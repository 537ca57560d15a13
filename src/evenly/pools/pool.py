"""The protocol between the driver and whoever holds the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Frontier", "Pool"]


@dataclass(frozen=True, eq=False)
class Frontier:
    """The rows of a pool that can be next.

    Attributes:
        rows: (m,) row numbers, ascending.
        vectors: (m, d) float64, the rows themselves, exact.
        squared: (m,) exact squared distances to the nearest chosen row.
        bounds: (m, m) numbers that, times `bound_unit`, are not above the squared distances
            between the rows: what need not be decided exactly.
        unit: the rows are normalised to length one.
        ceiling: no row outside has a larger squared distance; -inf when there is none outside.
        ceiling_row: the smallest row number outside that may tie with the ceiling.
    """

    rows: Int[np.ndarray, " m"]
    vectors: Float[np.ndarray, "m d"]
    squared: Float[np.ndarray, " m"]
    bounds: Float[np.ndarray, "m m"]
    bound_unit: float
    unit: bool
    ceiling: float
    ceiling_row: int


class Pool(Protocol):
    """Rows, and which of them have been chosen so far.

    How a pool keeps its distances fresh is its own business. What it answers must be exact.
    """

    def __len__(self) -> int:
        """How many rows there are, chosen or not."""

    def frontier(self) -> Frontier:
        """The rows that can be next.

        It holds the very next pick: of all rows not yet chosen, the farthest from those that
        are, and of all that tie with it the one with the smallest number. Should the ceiling
        be above the frontier's own largest distance, then a row outside attains it.
        """

    def add(self, rows: Int[np.ndarray, " b"]) -> None:
        """Mark rows as chosen, in the order given."""
