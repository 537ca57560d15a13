"""What may still be picked so that quotas are met in the end: a plan, and how it changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from evenly.selection.rules.quotas import Quotas, refuse

if TYPE_CHECKING:
    from jaxtyping import Int

__all__ = ["QuotaPlan", "shares"]


class QuotaPlan(ABC):
    """A plan of how many rows of each kind there will be, of which some are taken already.

    The plan meets every quota, so whatever it still has room for may be picked, jointly and in
    any order. A kind that it has no more room for is asked for: then there is another plan with
    room for it, or there is none, and the kind is *closed*.

    A kind that is closed stays so. That no plan holds one more of kind t than are taken can only
    be remedied by plans that hold fewer than are taken, and what is taken is never given back:
    the plans that hold all that is taken now are among those that held all that was taken then,
    and t itself, being closed, has not been taken since. Hence which rows are picked does not
    depend on which plans were found on the way.

    Attributes:
        taken: (T,) rows of each kind that are picked.
        closed: (T,) whether a kind can take no more. Known only once it was asked for.
    """

    def __init__(self, quotas: Quotas, usable: Int[np.ndarray, " T"]) -> None:
        self.taken = np.zeros(len(quotas), np.int64)
        self.closed = np.zeros(len(quotas), bool)
        self._usable = usable.astype(np.int64)
        self._plan = self.taken.copy()

    @property
    def room(self) -> Int[np.ndarray, " T"]:
        """Rows of each kind that may certainly be picked, all of them together."""
        return self._plan - self.taken

    def take(self, counts: Int[np.ndarray, " T"]) -> None:
        """Note that so many rows of each kind are picked, within `room` or not.

        Raises:
            QuotaError: no plan holds them all, which `room` and `ask` would have told.
        """
        self.taken = self.taken + counts
        if (self.taken > self._plan).any() and not self._replan(self.taken, None):
            raise refuse("the rows that are to be in (include=, start=) leave no way to meet them")

    def ask(self, stratum: int) -> bool:
        """Whether one more row of `stratum` may be picked. If so, `room[kind]` is at least 1 now."""
        if self._plan[stratum] > self.taken[stratum]:
            return True
        if self.closed[stratum]:
            return False
        least = self.taken.copy()
        least[stratum] += 1
        possible = bool(least[stratum] <= self._usable[stratum]) and self._replan(least, stratum)
        self.closed[stratum] = not possible
        return possible

    @abstractmethod
    def _replan(self, least: Int[np.ndarray, " T"], stratum: int | None) -> bool:
        """Find another plan with at least so many of each kind; False where there is none."""


def shares(
    total: int, spare: Int[np.ndarray, " T"], seen: Int[np.ndarray, " T"]
) -> Int[np.ndarray, " T"]:
    """Divide `total` among kinds with so much to spare: half by it, half by what was seen.

    What was picked most will be asked for most, so that a plan made so lasts for long.
    """
    if total == 0:
        return np.zeros_like(spare)
    weights = spare / max(1, spare.sum()) + np.where(spare > 0, seen, 0) / max(1, seen.sum())
    given = np.minimum(spare, (total * (weights / weights.sum())).astype(np.int64))
    left = total - int(given.sum())
    before = np.cumsum(spare - given) - (spare - given)
    divided: Int[np.ndarray, " T"] = given + np.clip(left - before, 0, spare - given)
    return divided
