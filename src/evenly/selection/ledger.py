"""What may still be picked so that quotas are met in the end: a plan, and how it changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.quotas import Quotas, refuse

if TYPE_CHECKING:
    from jaxtyping import Int

__all__ = ["Ledger", "make_ledger"]

_GAP = 0.1
"""Plans need only be near their aim."""
_INFEASIBLE = 2


class Ledger(ABC):
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

    def ask(self, kind: int) -> bool:
        """Whether one more row of `kind` may be picked. If so, `room[kind]` is at least 1 now."""
        if self._plan[kind] > self.taken[kind]:
            return True
        if self.closed[kind]:
            return False
        least = self.taken.copy()
        least[kind] += 1
        possible = bool(least[kind] <= self._usable[kind]) and self._replan(least, kind)
        self.closed[kind] = not possible
        return possible

    @abstractmethod
    def _replan(self, least: Int[np.ndarray, " T"], kind: int | None) -> bool:
        """Find another plan with at least so many of each kind; False where there is none."""


def make_ledger(quotas: Quotas, budget: int | None, usable: Int[np.ndarray, " T"]) -> Ledger:
    """The ledger of these quotas; see `Quotas.ledger`.

    Raises:
        QuotaError: no picks meet them.
    """
    reason = quotas.why_not(budget, usable)
    if reason is not None:
        raise refuse(reason)
    return (_Disjoint if quotas.disjoint else _Overlapping)(quotas, budget, usable)


class _Disjoint(Ledger):
    """Groups that share no row, so that every kind has limits of its own: closed form.

    With limits low <= x <= high for each kind, any sum from sum(low) to sum(high) can be met.
    Cost: O(T) a plan.
    """

    def __init__(self, quotas: Quotas, budget: int | None, usable: Int[np.ndarray, " T"]) -> None:
        super().__init__(quotas, usable)
        self._low, self._high = np.zeros_like(self._usable), self._usable.copy()
        kinds = np.flatnonzero(np.diff(quotas.members.indptr) == 1)
        groups = quotas.members.indices
        self._low[kinds] = quotas.least[groups]
        self._high[kinds] = np.minimum(quotas.most[groups], self._usable[kinds])
        self._budget = budget
        if not self._replan(self.taken, None):
            raise refuse(f"no choice of {budget} rows meets them all")

    def _replan(self, least: Int[np.ndarray, " T"], kind: int | None) -> bool:
        base = np.maximum(self._low, least)
        if (least > self._high).any():
            return False
        if self._budget is None:
            self._plan = self._high.copy()
            return True
        owed, spare = self._budget - int(base.sum()), self._high - base
        if not 0 <= owed <= spare.sum():
            return False
        self._plan = base + shares(owed, spare, self.taken)
        return True


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


class _Overlapping(Ledger):
    """Groups that share rows: a plan is a solution of an integer program over the T kinds.

    Mostly one row less of some other kind makes room, which is seen at a glance; only where no
    such exchange is possible is the program solved. Without a budget, rows of a kind of their
    own, in no group and never picked, fill the plan up to one.

    Source of the solver: HiGHS, Huangfu and Hall 2018, doi:10.1007/s12532-017-0130-5.
    """

    def __init__(self, quotas: Quotas, budget: int | None, usable: Int[np.ndarray, " T"]) -> None:
        super().__init__(quotas, usable)
        self._quotas = quotas
        self._total = int(usable.sum()) if budget is None else budget
        self._fill = 0 if budget is not None else self._total
        if not self._replan(self.taken, None):
            raise refuse(self._nearest())

    def _replan(self, least: Int[np.ndarray, " T"], kind: int | None) -> bool:
        if kind is not None and self._exchange(kind):
            return True
        solved = solve(self._quotas, self._total, least, self._usable, self._fill, self._aim(least))
        if solved is None:
            return False
        self._plan = solved
        return True

    def _aim(self, least: Int[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
        """A plan to be near to, that has room for every kind where possible."""
        owed = max(0, self._total - int(least.sum()))
        spare = self._usable - least
        aim: Int[np.ndarray, " T"] = least + shares(min(owed, int(spare.sum())), spare, self.taken)
        return aim

    def _exchange(self, kind: int) -> bool:
        """Plan for more of `kind` and as many less of another, so that all sums stay allowed."""
        quotas, room = self._quotas, self.room
        if self._fill_planned():
            room = np.append(room, self._fill_planned())
        members = quotas.members
        sums = quotas.in_groups(self._plan)
        own = quotas.groups_of(kind)
        up, down = quotas.most - sums, sums - quotas.least
        # Of the groups that grow, none may be full but those that the other kind is in too; of
        # those that shrink, none may be at its least but those that this kind is in.
        full, tight = np.zeros(len(up), np.int64), (down <= 0).astype(np.int64)
        full[own] = up[own] <= 0
        tight[own] = 0
        fits = (members @ full == full.sum()) & (members @ tight == 0)
        if len(room) > len(fits):
            fits = np.append(fits, full.sum() == 0)
        donors = np.where(fits, room, 0)
        donor = int(np.argmax(donors))
        if donors[donor] <= 0:
            return False
        other = quotas.groups_of(donor) if donor < len(quotas) else np.empty(0, own.dtype)
        limits = [
            int(self._usable[kind] - self._plan[kind]),
            max(1, int(donors[donor]) // 2),
            *up[np.setdiff1d(own, other)].tolist(),
            *down[np.setdiff1d(other, own)].tolist(),
        ]
        self._plan = self._plan.copy()
        self._plan[kind] += min(limits)
        if donor < len(quotas):
            self._plan[donor] -= min(limits)
        return True

    def _fill_planned(self) -> int:
        """Rows that fill the plan up to its sum, where there is no budget."""
        return 0 if self._fill == 0 else self._total - int(self._plan.sum())

    def _nearest(self) -> str:
        """What the quotas would be nearest to, when they cannot all be met."""
        relaxed = solve(self._quotas, self._total, self.taken, self._usable, self._fill, None)
        told = None if relaxed is None else self._quotas.fault(relaxed)
        if told is None:
            return f"no choice of {self._total} rows meets them all"
        return f"groups overlap so that not all fit; the nearest there is: {told}"


def solve(
    quotas: Quotas,
    total: int,
    least: Int[np.ndarray, " T"],
    usable: Int[np.ndarray, " T"],
    fill: int,
    aim: Int[np.ndarray, " T"] | None,
) -> Int[np.ndarray, " T"] | None:
    """Counts of kinds from `least` to `usable` that meet all quotas and sum up to `total`.

    Args:
        quotas: the quotas.
        total: the sum, of which `fill` rows at most may be missing.
        least, usable: (T,) bounds of each kind.
        fill: rows that need not be of any kind.
        aim: counts to be near to, by the sum of differences; None to be near to the quotas
            instead, which then need not be met.

    Returns:
        The counts; None where there are none.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, csr_array, eye_array

    kinds, groups = len(quotas), len(quotas.names)
    members = csr_array(quotas.members.T)
    ones = csr_array(np.ones((1, kinds)))
    if aim is None:
        # Each group has two slacks: rows that lack, and rows too many.
        slack = eye_array(groups)
        matrix = block_array([[members, slack, -slack], [ones, None, None]])
        low = np.concatenate([quotas.least, [total - fill]])
        high = np.concatenate([quotas.most, [total]])
        slacks = 2 * groups
    else:
        # Each kind has a slack: how far it is from the aim.
        slack = eye_array(kinds)
        matrix = block_array([[members, None], [ones, None], [slack, slack], [slack, -slack]])
        low = np.concatenate([quotas.least, [total - fill], aim, np.full(kinds, -np.inf)])
        high = np.concatenate([quotas.most, [total], np.full(kinds, np.inf), aim])
        slacks = kinds
    cost = np.concatenate([np.zeros(kinds), np.ones(slacks)])
    found = milp(
        cost,
        integrality=1 - cost,
        bounds=Bounds(
            np.concatenate([least, np.zeros(slacks)]),
            np.concatenate([usable, np.full(slacks, np.inf)]),
        ),
        constraints=LinearConstraint(csr_array(matrix), low, high),
        options={"mip_rel_gap": _GAP},
    )
    if found.status == _INFEASIBLE:
        return None
    if found.x is None:
        raise QuotaError(f"whether the quotas can be met could not be found out: {found.message}")
    counts: Int[np.ndarray, " T"] = np.rint(found.x[:kinds]).astype(np.int64)
    assert aim is None or quotas.allows(counts)
    return counts
