"""Which strata may still be picked from so that all quotas are met in the end."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from evenly.selection.rules.quotas import Quotas, quota_error
from evenly.shapes import Int


class QuotaPlan(ABC):
    """How many rows of each stratum to pick in total, some of which are picked already.

    The plan meets every quota, so whatever it still has room for may be picked, together and in
    any order. If a stratum has no room left, another plan with room for it is searched for; if
    there is none, the stratum is *closed*.

    A closed stratum stays closed: as picks are never undone, the plans that contain all picks so
    far are a subset of those that contained the picks at the time, and none of those had another
    row of the stratum. Hence the picks do not depend on which plans were found on the way.

    Attributes:
        taken: (T,) rows of each stratum that are picked.
        closed: (T,) which strata are known to be closed; `make_room` finds out.
    """

    def __init__(self, quotas: Quotas, usable: Int[np.ndarray, " T"]) -> None:
        self.taken = np.zeros(len(quotas), np.int64)
        self.closed = np.zeros(len(quotas), bool)
        self._usable = usable.astype(np.int64)
        self._plan = self.taken.copy()

    @property
    def room(self) -> Int[np.ndarray, " T"]:
        """Rows of each stratum that may certainly be picked, all of them together."""
        return self._plan - self.taken

    def take(self, counts: Int[np.ndarray, " T"]) -> None:
        """Record that so many rows of each stratum are picked, within `room` or not.

        Raises:
            QuotaError: no plan contains all picks; `room` and `make_room` prevent this.
        """
        self.taken = self.taken + counts
        if (self.taken > self._plan).any() and not self._replan(self.taken, None):
            raise quota_error("the rows of include= or start= make that impossible")

    def make_room(self, stratum: int) -> bool:
        """Return whether one more row of a stratum may be picked; its `room` is 1 or more then."""
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
        """Find a plan with at least `least` rows of each stratum; return whether there is one.

        `stratum` is the one that needs room, if only one does.
        """


def allocate(
    total: int, spare: Int[np.ndarray, " T"], taken: Int[np.ndarray, " T"]
) -> Int[np.ndarray, " T"]:
    """Divide `total` among strata, half in proportion to `spare` and half to `taken`.

    The strata picked from most so far will probably be picked from most later on, so such a plan
    rarely has to change.
    """
    if total == 0:
        return np.zeros_like(spare)
    weights = spare / max(1, spare.sum()) + np.where(spare > 0, taken, 0) / max(1, taken.sum())
    allocated = np.minimum(spare, (total * (weights / weights.sum())).astype(np.int64))
    left = total - int(allocated.sum())
    before = np.cumsum(spare - allocated) - (spare - allocated)
    divided: Int[np.ndarray, " T"] = allocated + np.clip(left - before, 0, spare - allocated)
    return divided
