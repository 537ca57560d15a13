"""The constraints that every packing of a refinement satisfies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Constraints:
    """The constraints on packings of m rows.

    Attributes:
        limits: (m,) squared distance of each row to the nearest row or point that it must keep
            away from; inf if there is none. A packing at a larger distance excludes the row.
        strata: (m,) int32, the stratum of each row.
        most: (T,) the largest number of rows of each stratum.
    """

    limits: Float[np.ndarray, " m"]
    strata: Int[np.ndarray, " m"]
    most: Int[np.ndarray, " T"]

    @classmethod
    def none(cls, count: int) -> Constraints:
        """No constraints on `count` rows."""
        return cls(np.full(count, np.inf), np.zeros(count, np.int32), np.array([count]))
