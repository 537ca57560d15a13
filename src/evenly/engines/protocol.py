"""The protocol between the driver and the engines, which hold the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenly.geometry import Points, ProxyTransform

FRONTIER = 1024
"""The default size of a frontier: the cost of its picks grows with the square of the size."""


@dataclass(frozen=True, eq=False)
class Frontier:
    """The rows of a pool that can be the next pick.

    Attributes:
        rows: (m,) row numbers, ascending.
        points: the rows themselves, m points; None if the engine has distances only.
        squared: (m,) exact squared distances to the nearest chosen row.
        between: returns (m, k), k >= m, what products make of the squared distances between the
            rows, right of the diagonal; not worth calling for few picks. If `points` is None, the
            exact squared distances.
        proxies: (m, W) float32 proxies of the rows; None if `points` is None.
        transform: how they were made; None if `points` is None.
        ceiling: no row outside has a larger squared distance times its weight; -inf if there is
            no row outside.
        ceiling_row: the smallest row number outside that may tie with the ceiling.
        weights: (m,) factors of the squared distances; None for 1.
        precision: precision of the products in `between`.
    """

    rows: Int[np.ndarray, " m"]
    points: Points | None
    squared: Float[np.ndarray, " m"]
    between: Callable[[], np.ndarray[Any, Any]]
    proxies: np.ndarray[Any, Any] | None
    transform: ProxyTransform | None
    ceiling: float
    ceiling_row: int
    weights: Float[np.ndarray, " m"] | None = None
    precision: str = "float32"

    @property
    def keys(self) -> Float[np.ndarray, " m"]:
        """The squared distances times the weights."""
        return self.squared if self.weights is None else self.squared * self.weights


class Engine(Protocol):
    """Rows of a pool, and which of them were chosen so far.

    How an engine keeps its distances up to date is up to the engine; its frontiers must be exact.
    """

    def __len__(self) -> int:
        """Return the number of rows, chosen or not."""

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points | None:
        """Return rows as points; None if the engine has distances only."""

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen, in the order given.

        Args:
            rows: row numbers in this engine, or -1 for a row that another engine holds.
            points: the rows themselves; None if engines have distances only.
        """

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """Rank rows by their squared distance times their weight, above 0, from now on."""

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Exclude rows of this engine from further picks."""

    def release(self) -> None:
        """Drop weights, and include retired rows again, because they must be covered too."""

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return about `size` rows that can be the next pick: the farthest from the chosen rows.

        Among rows that tie with the farthest, the smallest row numbers are included first. If the
        frontier holds all rows not yet chosen, its ceiling is -inf. The driver requests a larger
        frontier if the ceiling is too high to decide which row is next.

        A row whose squared distance times its weight is below `floor` may be left out, even if
        it is the farthest: an engine that is one of many need not bring more rows up to date.
        """
