"""The budget: how many rows, as a number or as a fraction of the usable ones."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from evenly.errors import BudgetError

__all__ = ["check_budget", "rows_of_budget"]


def check_budget(budget: Any) -> None:
    """Refuse what can be the budget of no pool.

    Raises:
        BudgetError: neither a number of rows of at least 1 nor a fraction in (0, 1].
    """
    if isinstance(budget, bool) or not isinstance(budget, Real):
        raise BudgetError(
            "budget must be a number of rows (int) or a fraction in (0, 1] (float), "
            f"got {budget!r}."
        )
    if isinstance(budget, Integral):
        if budget < 1:
            raise BudgetError(f"budget must be at least 1 row, got {budget}.")
    elif not 0.0 < float(budget) <= 1.0:
        raise BudgetError(
            f"a fractional budget must be in (0, 1], got {budget!r}. "
            "For a number of rows, pass an int."
        )


def rows_of_budget(budget: Any, pool_size: int) -> int:
    """The budget as a number of rows of a pool; a fraction is rounded to the nearest row.

    Raises:
        BudgetError: the budget is more than the pool holds.
    """
    check_budget(budget)
    if isinstance(budget, Integral):
        if int(budget) > pool_size:
            raise BudgetError(
                f"budget must be between 1 and the pool size {pool_size}, got {budget}. "
                "To keep every row, pass budget=1.0."
            )
        return int(budget)
    return max(1, math.floor(float(budget) * pool_size + 0.5))
