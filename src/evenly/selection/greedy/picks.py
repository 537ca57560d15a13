"""The rows that farthest-first picked, and their radii."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Picks:
    """Chosen rows, and how far apart they are.

    Attributes:
        rows: (m,) row numbers in the order picked.
        radii: (m,) Euclidean distance (not squared) of each pick to the nearest earlier pick or
            row to keep away from; inf if there is none. After the included rows they never
            increase, unless distances are weighted.
    """

    rows: Int[np.ndarray, " m"]
    radii: Float[np.ndarray, " m"]

    @classmethod
    def none(cls) -> Picks:
        """Return no picks."""
        return cls(np.empty(0, np.int64), np.empty(0))

    @classmethod
    def first(cls, row: int) -> Picks:
        """Return one row as the first pick."""
        return cls(np.array([row]), np.array([np.inf]))

    def prefix(self, count: int) -> Picks:
        """Return the first `count` picks."""
        return Picks(self.rows[:count], self.radii[:count])

    def __len__(self) -> int:
        return len(self.rows)
