"""The rows that farthest-first picked, and their radii."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Picks"]


@dataclass(frozen=True, eq=False)
class Picks:
    """Chosen rows.

    Attributes:
        rows: (m,) row numbers in the order picked.
        radii: (m,) Euclidean distance (not squared) of each pick to the nearest earlier pick or
            row to keep away from; inf where there is none. After the rows that are in from the
            start none is larger than the one before, unless distances are weighted.
    """

    rows: Int[np.ndarray, " m"]
    radii: Float[np.ndarray, " m"]

    @classmethod
    def none(cls) -> Picks:
        """A beginning: nothing yet."""
        return cls(np.empty(0, np.int64), np.empty(0))

    @classmethod
    def first(cls, row: int) -> Picks:
        """A beginning: one row."""
        return cls(np.array([row]), np.array([np.inf]))

    def prefix(self, count: int) -> Picks:
        """The first `count` of them."""
        return Picks(self.rows[:count], self.radii[:count])

    def __len__(self) -> int:
        return len(self.rows)
