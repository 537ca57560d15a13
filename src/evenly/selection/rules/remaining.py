"""The rules of a selection while it runs: which rows may still be picked.

What may no longer be picked never may again: a full group stays full, a purse never fills. So
rows only ever leave, and a pool's bounds, which only shrink, stay true under every rule.

A token budget passes over the rows that no longer fit, until at least 99 % of it is spent. Then
the first pick that does not fit is the end: to fill up the rest, a selection would go on to rows
that are short, however near they are to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import TIE

if TYPE_CHECKING:
    from jaxtyping import Int

    from evenly.engines import Engine
    from evenly.selection.rules.rules import Rules

__all__ = ["Limits"]


_NONE = np.empty(0, np.int64)


class Limits:
    """What is left of the rules after the picks so far.

    Attributes:
        tokens_left: what is left of the token budget.
        reserve: the last hundredth of it: rows that do not fit are passed over while more is left.
    """

    def __init__(self, rules: Rules | None = None, eligible: Any = None) -> None:
        self._rules = rules
        self._quota_plan = None if rules is None else rules.plan(eligible)
        self._strata = _NONE
        if rules is not None and rules.quotas is not None:
            self._strata = rules.quotas.strata.astype(np.int64)
        self._costs = _NONE if rules is None or rules.costs is None else rules.costs
        self.tokens_left = 0
        if rules is not None and rules.token_budget is not None:
            self.tokens_left = int(rules.token_budget)
        self.reserve = self.tokens_left // 100
        # What was left when more than the reserve last was, and what it was when rows last retired.
        self._affordable = self.tokens_left
        self._retired_above: int | None = None
        self._closed: list[int] = []

    @property
    def min_distance(self) -> float:
        """A pick nearer than this to what is chosen ends the selection.

        Less by rounding than what users ask for: a row at exactly that distance is picked,
        whichever way an engine came to it.
        """
        return 0.0 if self._rules is None else self._rules.min_distance * (1.0 - TIE / 2)

    @property
    def room(self) -> Int[np.ndarray, " t"]:
        """How many more rows of each kind may certainly be picked, together; empty: any may."""
        return _NONE if self._quota_plan is None else self._quota_plan.room.astype(np.int64)

    @property
    def included(self) -> int:
        """How many of the first picks were not chosen by their distance."""
        return 0 if self._rules is None else len(self._rules.include)

    @property
    def radii_fall(self) -> bool:
        """Whether no pick is farther from the chosen rows than the one before."""
        return self._rules is None or self._rules.weights is None

    @property
    def leave_rows_out(self) -> bool:
        """Whether rows that are covered like all others cannot be picked."""
        rules = self._rules
        return rules is not None and any(
            rule is not None for rule in (rules.quotas, rules.costs, rules.weights)
        )

    def strata_of(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """The kind of each of these rows; empty where there are no quotas."""
        return self._strata[rows] if len(self._strata) else _NONE

    def costs_of(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """The cost of each of these rows; empty where they have none."""
        return self._costs[rows] if len(self._costs) else _NONE

    def begin(self, pool: Engine, rows: Int[np.ndarray, " b"]) -> None:
        """Rules as they are after these picks."""
        if self._rules is not None and self._rules.weights is not None:
            pool.weigh(self._rules.weights**2)
        self.take(rows)
        self.retire(pool)

    def take(self, rows: Int[np.ndarray, " b"]) -> None:
        """These rows were picked, in this order."""
        if self._quota_plan is not None and len(rows):
            strata = self.strata_of(rows)
            self._quota_plan.take(np.bincount(strata, minlength=len(self._quota_plan.room)))
        if len(self._costs) and len(rows):
            left = self.tokens_left - np.cumsum(self.costs_of(rows))
            self.tokens_left = int(left[-1])
            self._affordable = int(left[left > self.reserve].min(initial=self._affordable))

    def may_take(self, stratum: int) -> bool:
        """Whether one more row of a kind may be picked; if not, never again."""
        assert self._quota_plan is not None
        if self._quota_plan.ask(stratum):
            return True
        self._closed.append(stratum)
        return False

    def out_with(self, row: int) -> Any:
        """Mask of the rows that, for the reason that this row may not, may not be picked."""
        if len(self._costs) and self._costs[row] > self.tokens_left:
            return self._costs > self.tokens_left
        return self._strata == self._strata[row]

    def may_pick(self, row: int) -> bool:
        """Whether one more row may be picked, this one."""
        if len(self._costs) and self._costs[row] > self.tokens_left:
            return False
        if self._quota_plan is None:
            return True
        stratum = int(self._strata[row])
        return bool(self._quota_plan.room[stratum] > 0) or self.may_take(stratum)

    def retire(self, pool: Engine) -> bool:
        """Tell the pool which rows cannot be picked any more; whether there are new ones."""
        if not self._closed and not len(self._costs):
            return False
        out = np.zeros(len(pool), bool)
        if self._closed:
            out |= np.isin(self._strata, self._closed)
            self._closed.clear()
        if len(self._costs) and self._affordable != self._retired_above:
            dear = self._costs > self._affordable
            if self._retired_above is not None:
                dear &= self._costs <= self._retired_above
            out |= dear
            self._retired_above = self._affordable
        rows = np.flatnonzero(out)
        if len(rows):
            pool.retire(rows)
        return len(rows) > 0
