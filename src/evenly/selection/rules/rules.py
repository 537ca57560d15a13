"""The rules of a selection, resolved and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.results.provenance import hash_of_array
from evenly.selection.rules.plans import make_plan
from evenly.selection.rules.quotas import Quotas
from evenly.shapes import Bool, Float, Int
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.geometry import Points
    from evenly.selection.rules.quota_plan import QuotaPlan


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of one selection from n rows. They are known to be satisfiable.

    Attributes:
        include: (i,) rows that are chosen from the start, in this order.
        budget: the most rows to choose; None if only a distance or tokens end the selection.
        excluded: (n,) whether a row is never chosen, rows to keep away from included; None if no
            row is excluded.
        away: points to keep away from, scaled like those of the pool; None if there are none.
        away_rows: (a,) rows of this pool to keep away from; None if there are none.
        min_distance: a pick nearer than this to an earlier one ends the selection; 0 for no limit.
        quotas: how many rows of each group to choose.
        costs: (n,) tokens of each row; None without a token budget.
        counted: what the costs are, for people; None without a token budget.
        token_budget: the most tokens that the chosen rows may have together; see `Limits`.
        weights: (n,) in (0, 1], factors for the distances of each row; None if all are equal.
    """

    include: Int[np.ndarray, " i"]
    budget: int | None = None
    excluded: Bool[np.ndarray, " n"] | None = None
    away: Points | None = None
    away_rows: Int[np.ndarray, " a"] | None = None
    min_distance: float = 0.0
    quotas: Quotas | None = None
    costs: Int[np.ndarray, " n"] | None = None
    counted: str | None = None
    token_budget: int | None = None
    weights: Float[np.ndarray, " n"] | None = None

    @classmethod
    def none(cls, budget: int | None = None) -> Rules:
        """Return rules that only set the budget."""
        return cls(np.empty(0, np.int64), budget)

    @property
    def is_plain(self) -> bool:
        """Whether the budget is the only rule."""
        others = (self.excluded, self.away, self.quotas, self.costs, self.weights)
        return (
            not len(self.include)
            and self.min_distance == 0.0
            and self.away_rows is None
            and all(rule is None for rule in others)
        )

    @property
    def before(self) -> Int[np.ndarray, " a"] | None:
        """Rows to keep away from that are known by their numbers only, not as points."""
        return self.away_rows if self.away is None else None

    def usable(self, eligible: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Return which eligible rows no rule excludes."""
        return eligible if self.excluded is None else eligible & ~self.excluded

    def plan(self, eligible: Bool[np.ndarray, " n"]) -> QuotaPlan | None:
        """Return a plan that meets the quotas, with nothing picked yet; None without quotas.

        With a token budget the number of rows is unknown, so only upper limits apply.
        """
        if self.quotas is None:
            return None
        budget = None if self.token_budget is not None else self.budget
        return make_plan(self.quotas, budget, self.quotas.count(self.usable(eligible)))

    def check_met(self, rows: Int[np.ndarray, " k"]) -> None:
        """Raise QuotaError if `min_distance` ended the picks before all quotas were met.

        Nothing else can: the plan reserves rows for each group, but rows that are far enough
        apart may not exist.
        """
        if self.quotas is None:
            return
        fault = self.quotas.violations(self.quotas.count(rows))
        if fault is not None:
            raise QuotaError(
                f"min_distance={self.min_distance:g} ended the selection after "
                f"{count(len(rows), 'row')}, "
                f"before all quotas were met: {fault}. Lower min_distance=, or the quotas, or "
                "give limits only: (0, most)."
            )

    def outcome(self, rows: Int[np.ndarray, " k"]) -> dict[str, dict[str, Any]]:
        """Return what the rules came to for these picks, as JSON values for `Provenance.details`.

        "tokens" says how many were spent, and what was counted; "groups" how many rows of each
        group with a quota were chosen, unless there are many.
        """
        found: dict[str, dict[str, Any]] = {}
        if self.costs is not None:
            spent = int(self.costs[rows].sum())
            found["tokens"] = {
                "budget": self.token_budget,
                "spent": spent,
                "counted": self.counted,
            }
        if self.quotas is not None and self.quotas.few:
            counts = self.quotas.in_groups(self.quotas.count(rows))
            found["groups"] = {"rows": dict(zip(self.quotas.names, counts.tolist(), strict=True))}
        return found

    def describe(self) -> dict[str, Any]:
        """Return the rules that decide which rows are picked, as JSON values.

        A distance that ends the selection is not among them: the picks before it are the same.
        """
        found: dict[str, Any] = {}
        for name in ("include", "excluded", "away_rows", "costs", "weights"):
            given = getattr(self, name)
            if given is not None and len(given):
                rows = int(np.count_nonzero(given)) if given.dtype == bool else len(given)
                found[name] = {"rows": rows, "hash": hash_of_array(given)}
        if self.away is not None and self.away_rows is None:
            found["away"] = {"rows": len(self.away), "hash": hash_of_array(self.away.stored)}
        if self.token_budget is not None:
            found["token_budget"] = self.token_budget
        if self.quotas is not None:
            found["budget"], found["quotas"] = self.budget, self.quotas.describe()
        return found
