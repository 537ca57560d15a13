"""What remains of the rules while a selection runs: which rows may still be picked.

A row that may no longer be picked never may again: a full group stays full, and tokens are only
spent. So rows only ever leave, and an engine's bounds, which only shrink, hold under every rule.

With a token budget, rows that no longer fit are passed over until at least 99 % of it is used.
After that, the first pick that does not fit ends the selection: using up the rest would mean
picking short rows, however near they are to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.geometry import TIE
from evenly.shapes import Bool, Int

if TYPE_CHECKING:
    from evenly.engines import Engine
    from evenly.selection.rules.rules import Rules

_NONE = np.empty(0, np.int64)


class Limits:
    """What the rules still allow after the picks so far.

    Args:
        rules: the rules; None for the budget alone.
        eligible: (n,) whether a row can be chosen; needed for quotas.
        forced: the number of first picks that are not chosen by their distance; by default the
            rows to include.

    Attributes:
        tokens_left: the unused part of the token budget.
        reserve: a hundredth of it; rows that do not fit are passed over while more is left.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        eligible: Bool[np.ndarray, " n"] | None = None,
        *,
        forced: int | None = None,
    ) -> None:
        included = 0 if rules is None else len(rules.include)
        self.forced = included if forced is None else forced
        self._rules = rules
        self._quota_plan, self._strata = None, _NONE
        if rules is not None and rules.quotas is not None:
            assert eligible is not None
            self._quota_plan = rules.plan(eligible)
            self._strata = rules.quotas.strata.astype(np.int64)
        self._costs = _NONE if rules is None or rules.costs is None else rules.costs
        self.tokens_left = 0
        if rules is not None and rules.token_budget is not None:
            self.tokens_left = int(rules.token_budget)
        self.reserve = self.tokens_left // 100
        # The tokens left when they last exceeded the reserve, and when rows last retired.
        self._affordable = self.tokens_left
        self._retired_above: int | None = None
        self._closed: list[int] = []

    @property
    def min_distance(self) -> float:
        """The distance at which a nearer pick ends the selection.

        It is less than the option by rounding, so that a row at exactly that distance is picked,
        however an engine computed it.
        """
        return 0.0 if self._rules is None else self._rules.min_distance * (1.0 - TIE / 2)

    @property
    def room(self) -> Int[np.ndarray, " t"]:
        """How many more rows of each stratum the plan allows, together; empty without quotas."""
        return _NONE if self._quota_plan is None else self._quota_plan.room.astype(np.int64)

    @property
    def radii_fall(self) -> bool:
        """Whether no pick is farther from the chosen rows than the pick before."""
        return self._rules is None or self._rules.weights is None

    @property
    def leave_rows_out(self) -> bool:
        """Whether rows may become ineligible that still have to be covered."""
        rules = self._rules
        return rules is not None and any(
            rule is not None for rule in (rules.quotas, rules.costs, rules.weights)
        )

    def strata_of(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return the stratum of each of these rows; empty without quotas."""
        return self._strata[rows] if len(self._strata) else _NONE

    def costs_of(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return the cost of each of these rows; empty without a token budget."""
        return self._costs[rows] if len(self._costs) else _NONE

    def begin(self, engine: Engine, rows: Int[np.ndarray, " b"]) -> None:
        """Apply the rules to a new engine, after these picks."""
        if self._rules is not None and self._rules.weights is not None:
            engine.weigh(self._rules.weights**2)
        self.take(rows)
        self.retire(engine)

    def take(self, rows: Int[np.ndarray, " b"]) -> None:
        """Note that these rows were picked, in this order."""
        if self._quota_plan is not None and len(rows):
            strata = self.strata_of(rows)
            self._quota_plan.take(np.bincount(strata, minlength=len(self._quota_plan.room)))
        if len(self._costs) and len(rows):
            left = self.tokens_left - np.cumsum(self.costs_of(rows))
            self.tokens_left = int(left[-1])
            self._affordable = int(left[left > self.reserve].min(initial=self._affordable))

    def may_take(self, stratum: int) -> bool:
        """Whether one more row of a stratum may be picked; if not, none ever may again."""
        assert self._quota_plan is not None
        if self._quota_plan.make_room(stratum):
            return True
        self._closed.append(stratum)
        return False

    def excluded_with(self, row: int) -> Any:
        """Return a mask of the rows that may not be picked for the same reason as this row."""
        if len(self._costs) and self._costs[row] > self.tokens_left:
            return self._costs > self.tokens_left
        return self._strata == self._strata[row]

    def may_pick(self, row: int) -> bool:
        """Whether this row may be picked next."""
        if len(self._costs) and self._costs[row] > self.tokens_left:
            return False
        if self._quota_plan is None:
            return True
        stratum = int(self._strata[row])
        return bool(self._quota_plan.room[stratum] > 0) or self.may_take(stratum)

    def retire(self, engine: Engine) -> bool:
        """Retire the rows that can no longer be picked; return whether there are new ones."""
        if not self._closed and not len(self._costs):
            return False
        out = np.zeros(len(engine), bool)
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
            engine.retire(rows)
        return len(rows) > 0
