"""What packings must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Constraints"]


@dataclass(frozen=True, eq=False)
class Constraints:
    """What packings must keep to.

    Attributes:
        limits: (m,) squared distance of each row to the nearest of what it must keep away from,
            inf where there is nothing.
        kinds: (m,) int32, which kind each row is of.
        most: (T,) rows of each kind there may be.
    """

    limits: Float[np.ndarray, " m"]
    kinds: Int[np.ndarray, " m"]
    most: Int[np.ndarray, " T"]

    @classmethod
    def none(cls, count: int) -> Constraints:
        """None at all, for `count` rows."""
        return cls(np.full(count, np.inf), np.zeros(count, np.int32), np.array([count]))
