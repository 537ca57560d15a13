"""The budget as a number of rows."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

from evenly.errors import BudgetError
from evenly.options import checks


def rows_of_budget(budget: Any, pool_size: int) -> int:
    """Return the budget as a number of rows of a pool; fractions are rounded to the nearest row.

    Raises:
        BudgetError: the budget is invalid, or more than the pool holds.
    """
    checks.rows_or_fraction("budget", budget)
    if isinstance(budget, Integral):
        if int(budget) > pool_size:
            raise BudgetError(
                f"budget must be between 1 and the pool size {pool_size}, "
                f"got {checks.shown(budget)}. To keep every row, pass budget=1.0."
            )
        return int(budget)
    return max(1, math.floor(float(budget) * pool_size + 0.5))
