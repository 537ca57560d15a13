"""What a selection must keep to, beside being spread evenly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.results.provenance import hash_of_array
from evenly.selection.rules.plans import make_plan
from evenly.selection.rules.quotas import Quotas

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from evenly.geometry import Points
    from evenly.selection.rules.quota_plan import QuotaPlan

__all__ = ["Rules"]


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of one selection of n rows, resolved and checked: they can be kept.

    Attributes:
        budget: how many rows at most; None where a distance or tokens alone end the selection.
        include: (i,) rows that are in from the start, in this order.
        excluded: (n,) True where a row is never chosen; None where there is none. Rows of this
            pool to keep away from are among them.
        away: points to keep away from, scaled as those of the pool; None where there are none.
        away_rows: (a,) those of them that are rows of this pool.
        min_distance: a pick nearer than this to an earlier one ends the selection; 0 for none.
        quotas: how many rows of each group.
        costs: (n,) tokens of each row; None without a token budget.
        token_budget: the sum that the costs of the chosen rows never exceed; see `Limits`.
        weights: (n,) in (0, 1], what the distances of a row count for; None where all count the
            same.
    """

    include: Int[np.ndarray, " i"]
    budget: int | None = None
    excluded: Bool[np.ndarray, " n"] | None = None
    away: Points | None = None
    away_rows: Int[np.ndarray, " a"] | None = None
    min_distance: float = 0.0
    quotas: Quotas | None = None
    costs: Int[np.ndarray, " n"] | None = None
    token_budget: int | None = None
    weights: Float[np.ndarray, " n"] | None = None

    @classmethod
    def none(cls, budget: int | None = None) -> Rules:
        """No rule but the budget."""
        return cls(np.empty(0, np.int64), budget)

    @property
    def is_plain(self) -> bool:
        """Whether there is no rule but the budget."""
        others = (self.excluded, self.away, self.quotas, self.costs, self.weights)
        return (
            not len(self.include)
            and self.min_distance == 0.0
            and self.away_rows is None
            and all(rule is None for rule in others)
        )

    @property
    def before(self) -> Int[np.ndarray, " a"] | None:
        """What to keep away from that is known by its row numbers only, not as points."""
        return self.away_rows if self.away is None else None

    def usable(self, eligible: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """The candidates that no rule excludes."""
        return eligible if self.excluded is None else eligible & ~self.excluded

    def plan(self, eligible: Bool[np.ndarray, " n"]) -> QuotaPlan | None:
        """The quotas' ledger, nothing taken yet; None where there are no quotas.

        With a token budget nobody knows how many rows there will be, so that quotas are limits.
        """
        if self.quotas is None:
            return None
        budget = None if self.token_budget is not None else self.budget
        return make_plan(self.quotas, budget, self.quotas.count(self.usable(eligible)))

    def check_met(self, rows: Int[np.ndarray, " k"]) -> None:
        """Refuse picks that a distance ended before the least of every group was reached.

        Nothing else can: the ledger holds places free, but not that rows so far apart are there.

        Raises:
            QuotaError: a quota is not met.
        """
        if self.quotas is None:
            return
        fault = self.quotas.fault(self.quotas.count(rows))
        if fault is not None:
            raise QuotaError(
                f"min_distance={self.min_distance:g} ended the selection after {len(rows)} rows, "
                f"before all quotas were met: {fault}. Lower min_distance=, or the quotas, or "
                "give limits only: (0, most)."
            )

    def describe(self) -> dict[str, Any]:
        """The rules that decide which rows are picked, as JSON values; {} where there is none.

        A distance that ends the selection is not among them: the picks before are the same.
        """
        told: dict[str, Any] = {}
        for name in ("include", "excluded", "away_rows", "costs", "weights"):
            given = getattr(self, name)
            if given is not None and len(given):
                rows = int(np.count_nonzero(given)) if given.dtype == bool else len(given)
                told[name] = {"rows": rows, "hash": hash_of_array(given)}
        if self.away is not None and self.away_rows is None:
            told["away"] = {"rows": len(self.away), "hash": hash_of_array(self.away.stored)}
        if self.token_budget is not None:
            told["token_budget"] = self.token_budget
        if self.quotas is not None:
            told["budget"], told["quotas"] = self.budget, self.quotas.describe()
        return told
