"""Quota plans for groups that do not overlap."""

from __future__ import annotations

import numpy as np

from evenly.selection.rules.quota_plan import QuotaPlan, allocate
from evenly.selection.rules.quotas import Quotas, quota_error
from evenly.shapes import Int


class DisjointPlan(QuotaPlan):
    """A plan in closed form, as every stratum has limits of its own.

    With limits low <= x <= high for each stratum, any total from sum(low) to sum(high) is
    possible.

    Cost: O(T) per plan.
    """

    def __init__(self, quotas: Quotas, budget: int | None, usable: Int[np.ndarray, " T"]) -> None:
        super().__init__(quotas, usable)
        self._low, self._high = np.zeros_like(self._usable), self._usable.copy()
        strata = np.flatnonzero(np.diff(quotas.members.indptr) == 1)
        groups = quotas.members.indices
        self._low[strata] = quotas.least[groups]
        self._high[strata] = np.minimum(quotas.most[groups], self._usable[strata])
        self._budget = budget
        if not self._replan(self.taken, None):
            raise quota_error(f"no selection of {budget} rows meets them all")

    def _replan(self, least: Int[np.ndarray, " T"], stratum: int | None) -> bool:
        base = np.maximum(self._low, least)
        if (least > self._high).any():
            return False
        if self._budget is None:
            self._plan = self._high.copy()
            return True
        n_remaining, spare = self._budget - int(base.sum()), self._high - base
        if not 0 <= n_remaining <= spare.sum():
            return False
        self._plan = base + allocate(n_remaining, spare, self.taken)
        return True
