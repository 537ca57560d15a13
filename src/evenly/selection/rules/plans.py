"""The plan that fits a set of quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenly.selection.rules.disjoint_plan import DisjointPlan
from evenly.selection.rules.overlapping_plan import OverlappingPlan, PlanEffort
from evenly.selection.rules.quotas import Quotas, quota_error
from evenly.shapes import Int

if TYPE_CHECKING:
    import numpy as np

    from evenly.selection.rules.quota_plan import QuotaPlan


def make_plan(
    quotas: Quotas,
    budget: int | None,
    usable: Int[np.ndarray, " T"],
    effort: PlanEffort | None = None,
) -> QuotaPlan:
    """Plan how many rows of each stratum to pick so that all quotas are met in the end.

    Args:
        budget: how many rows will be picked; None if that is unknown. Then only the upper limits
            apply, and no rows are reserved for the lower ones.
        usable: (T,) rows of each stratum that may be picked, including those of `include=`.

    Raises:
        QuotaError: the quotas cannot be met; the message gives the reason.
    """
    reason = quotas.obstacle(budget, usable)
    if reason is not None:
        raise quota_error(reason)
    if quotas.disjoint:
        return DisjointPlan(quotas, budget, usable)
    return OverlappingPlan(quotas, budget, usable, effort or PlanEffort())
