"""The protocol between the driver and whoever holds the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from evenly.geometry import Points, ProxyTransform

__all__ = ["FRONTIER", "Engine", "Frontier"]


FRONTIER = 1024
"""Rows a frontier holds at most, unless more are asked for: its steps cost the square of it."""


@dataclass(frozen=True, eq=False)
class Frontier:
    """The rows of a pool that can be next.

    Attributes:
        rows: (m,) row numbers, ascending.
        points: the rows themselves, m points; None where `between` holds distances.
        squared: (m,) exact squared distances to the nearest chosen row.
        between: makes (m, m) of what products tell of the squared distances between the rows,
            which few picks are not worth; where `points` is None, the exact squared distances.
        proxies: (m, W) float32 stand-ins of the rows; None where `points` is None.
        transform: how they were made; None where `points` is None.
        ceiling: no row outside has a larger squared distance, multiplied by its weight where
            there are weights; -inf when there is none outside.
        ceiling_row: the smallest row number outside that may tie with the ceiling.
        weights: (m,) what the squared distances count for; None where they count as they are.
        precision: of the products in `between`.
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


class Engine(Protocol):
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

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """From now on a row is as far as its squared distance times its weight, above 0."""

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Rows of this pool that can no longer be chosen."""

    def release(self) -> None:
        """Forget weights, and let retired rows count again: they are to be covered too."""

    def frontier(self, size: int = FRONTIER) -> Frontier:
        """The rows that can be next: about `size` of them, the farthest from the chosen.

        Of rows that tie with the farthest, those with the smallest numbers come first. When
        the frontier holds all rows not yet chosen, its ceiling is -inf. The driver asks for a
        larger one where a ceiling is too high to tell which row is next.
        """
