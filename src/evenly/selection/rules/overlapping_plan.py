"""The ledger of groups that share rows: plans by exchange, or by an integer program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.rules.quota_plan import QuotaPlan, shares
from evenly.selection.rules.quotas import Quotas, refuse

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["OverlappingPlan"]


_ROWS_OF_AN_EXCHANGE = 24


_ROWS_OF_A_PLAN = 1000


_WORST_STEP = 0.5


_UPHILL = 3


_FITTINGS = 50


_CERTAIN = 1e-6
"""Counts are whole: what is wrong by more than a rounding error is wrong by one row."""


_ANY = 1.0
"""A gap at which the solver is content with any plan; the aim makes it one that will last."""


_INFEASIBLE = 2


class OverlappingPlan(QuotaPlan):
    """A plan of T counts, one a kind, whose sums over each group are within its limits.

    Mostly a few rows less of other kinds make room for one more, which is found by trying. Else
    a linear program finds a plan in fractions and an integer program whole numbers near them, or
    a linear program proves that there is no plan, for many kinds at once. Without a budget rows
    of no kind fill the plan up to a sum.

    Source of the solver: HiGHS, Huangfu and Hall 2018, doi:10.1007/s12532-017-0130-5.
    """

    def __init__(self, quotas: Quotas, budget: int | None, usable: Int[np.ndarray, " T"]) -> None:
        super().__init__(quotas, usable)
        self._quotas = quotas
        self._total = int(usable.sum()) if budget is None else budget
        self._open_ended = budget is None
        if not self._replan(self.taken, None):
            raise refuse(self._nearest())

    def _replan(self, least: Int[np.ndarray, " T"], stratum: int | None) -> bool:
        quotas = self._quotas
        if (quotas.in_groups(least) > quotas.most).any():
            return False
        if stratum is not None and self._exchange(stratum):
            return True
        aim = self._aim(least)
        plan = self._mended(aim, least, _ROWS_OF_A_PLAN)
        if plan is None:
            plan = self._solve(least, aim)
        if plan is None:
            if stratum is not None:
                self._close_the_impossible(least)
            return False
        self._plan = plan
        return True

    def _exchange(self, stratum: int) -> bool:
        """Plan for more of `stratum` and less of others, where such an exchange is found."""
        begun = self._plan.copy()
        begun[stratum] += 1
        mended = self._mended(begun, self.taken, _ROWS_OF_AN_EXCHANGE, kept=stratum)
        if mended is None:
            return False
        change = mended - self._plan
        sums, by_group = self._quotas.in_groups(self._plan), self._quotas.in_groups(change)
        # As often as it can be done, but others keep half of their room.
        limits = np.concatenate(
            [
                (self.room // 2)[change < 0] // -change[change < 0],
                (self._usable - self._plan)[change > 0] // change[change > 0],
                (self._quotas.most - sums)[by_group > 0] // by_group[by_group > 0],
                (sums - self._quotas.least)[by_group < 0] // -by_group[by_group < 0],
            ]
        )
        self._plan = self._plan + max(1, int(limits.min())) * change
        return True

    def _mended(
        self,
        begun: Int[np.ndarray, " T"],
        least: Int[np.ndarray, " T"],
        steps: int,
        *,
        kept: int | None = None,
    ) -> Int[np.ndarray, " T"] | None:
        """Counts like those begun that are a plan; None where none was found.

        Descent on what is wrong: rows too many or too few, in each group and in all. Each step
        is one row more or less of the kind that mends most, of those the one with most rows.
        What was added is not removed again, nor the other way round.
        """
        quotas, members = self._quotas, self._quotas.members
        sums = quotas.in_groups(begun)
        up, down = quotas.most - sums, sums - quotas.least
        owed = 0 if self._open_ended else self._total - int(begun.sum())
        spare, room = self._usable - begun, begun - least
        added, removed = np.zeros(len(quotas), bool), np.zeros(len(quotas), bool)
        if kept is not None:
            added[kept] = True
        uphill = 0
        for _ in range(steps):
            if not owed and (up >= 0).all() and (down >= 0).all():
                mended: Int[np.ndarray, " T"] = least + room
                return mended
            # Mending a group counts for more than spoiling another, and the sum of all for less:
            # else that would be mended first, by a kind in no group, and no step would be left.
            adding = members @ ((up <= 0) - 1.5 * (down < 0))
            removing = members @ ((down <= 0) - 1.5 * (up < 0))
            if not self._open_ended:
                adding += 0.5 if owed <= 0 else -0.5
                removing += 0.5 if owed >= 0 else -0.5
            costs = np.concatenate(
                [
                    np.where(
                        (spare > 0) & ~removed, adding - 0.25 * spare / (1 + spare.max()), np.inf
                    ),
                    np.where(
                        (room > 0) & ~added, removing - 0.25 * room / (1 + room.max()), np.inf
                    ),
                ]
            )
            best = int(np.argmin(costs))
            uphill += costs[best] > 0
            if costs[best] > _WORST_STEP or uphill > _UPHILL:
                return None
            which, by = (best, 1) if best < len(quotas) else (best - len(quotas), -1)
            (added if by > 0 else removed)[which] = True
            room[which] += by
            spare[which] -= by
            own = quotas.groups_of(which)
            up[own] -= by
            down[own] += by
            if not self._open_ended:
                owed -= by
        return None

    def _aim(self, least: Int[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
        """Counts near a plan, with room for every kind.

        What comes on top of `least` is scaled up and down until the sums fit (iterative
        proportional fitting, Deming and Stephan 1940, doi:10.1214/aoms/1177731829), all groups
        at once. It need not come to an end: it is only an aim.
        """
        quotas, members = self._quotas, self._quotas.members
        owed, spare = max(0, self._total - int(least.sum())), self._usable - least
        more = shares(min(owed, int(spare.sum())), spare, self.taken).astype(np.float64)
        more = np.maximum(more, np.minimum(spare, 0.5))
        found = quotas.in_groups(least)
        low, high = np.maximum(0, quotas.least - found), np.maximum(0, quotas.most - found)
        step = 1.0 / (1 + np.diff(members.indptr).max(initial=0))
        for _ in range(_FITTINGS):
            sums = np.maximum(members.T @ more, 1e-9)
            scales = np.log(np.maximum(np.clip(sums, low, high), 1e-9) / sums)
            total = max(float(more.sum()), 1e-9)
            whole = 0.0 if self._open_ended else np.log(max(owed, 1e-9) / total)
            more = np.minimum(more * np.exp(step * (members @ scales + whole)), spare)
        return np.asarray(least + np.rint(more), np.int64)

    def _close_the_impossible(self, least: Int[np.ndarray, " T"]) -> None:
        """Close the kinds for the same reason for which no plan holds so many of each.

        The least sum of what is wrong is a linear program, and its multipliers u bound that sum
        from below for any counts in a box: u·b + sum_t min(r_t x_t), r = -Aᵀu. So one solution
        tells of every kind whether one more of it is impossible, and those kinds are closed. The
        bound holds for whatever multipliers there are, so that it does not rest on the solver.
        """
        from scipy.optimize import linprog
        from scipy.sparse import block_array, csr_array, eye_array

        quotas, total = self._quotas, self._total
        strata, groups = len(quotas), len(quotas.names)
        members = csr_array(quotas.members.T, dtype=float)
        ones = csr_array(np.ones((1, strata)))
        # Rows: group sums at most, at least, the whole at most, at least; each with a slack.
        matrix = csr_array(block_array([[members], [-members], [ones], [-ones]]))
        lowest = 0 if self._open_ended else total
        limits = np.concatenate([quotas.most, -quotas.least, [total], [-lowest]]).astype(float)
        slacks = 2 * groups + 2
        found = linprog(
            np.concatenate([np.zeros(strata), np.ones(slacks)]),
            A_ub=csr_array(block_array([[matrix, -eye_array(slacks)]])),
            b_ub=limits,
            bounds=np.concatenate(
                [
                    np.stack([least, self._usable]).T,
                    np.stack([np.zeros(slacks), np.full(slacks, np.inf)]).T,
                ]
            ),
        )
        if found.status != 0:
            return
        multipliers = np.clip(found.ineqlin.marginals, -1.0, 0.0)
        reduced: Float[np.ndarray, " T"] = -(matrix.T @ multipliers)
        base = self.taken
        bound = float(
            multipliers @ limits + np.minimum(reduced * base, reduced * self._usable).sum()
        )
        impossible = bound + np.maximum(reduced, 0.0) > _CERTAIN
        self.closed |= impossible & (self.room == 0)

    def _solve(
        self, least: Int[np.ndarray, " T"], aim: Int[np.ndarray, " T"]
    ) -> Int[np.ndarray, " T"] | None:
        """A plan near an aim, by the sum of differences; None where there is none.

        In fractions the nearest is found soon, and only a few counts of it are fractions: it is a
        corner. Whole counts are mostly within a row of it, and looking for any there takes a
        tenth of the time that looking for the nearest does, or less.
        """
        from scipy.sparse import block_array, csr_array, eye_array

        quotas, strata = self._quotas, len(self._quotas)
        one, none = eye_array(strata), np.full(strata, np.inf)
        sums = block_array([[csr_array(quotas.members.T)], [csr_array(np.ones((1, strata)))]])
        lowest = 0 if self._open_ended else self._total
        low = np.concatenate([quotas.least, [lowest]])
        high = np.concatenate([quotas.most, [self._total]])
        # Each kind has a slack: how far it is from the aim.
        matrix = block_array([[sums, None], [one, one], [one, -one]])
        problem = matrix, np.concatenate([low, aim, -none]), np.concatenate([high, none, aim])
        near = _optimum(*problem, least, self._usable, strata, whole=False)
        if near is None:
            return None
        lower = np.maximum(least, np.floor(near) - 1)
        upper = np.minimum(self._usable, np.ceil(near) + 1)
        found = _optimum(sums, low, high, lower, upper, 0)
        if found is None:
            found = _optimum(*problem, least, self._usable, strata)
        if found is None:
            return None
        plan = np.asarray(np.rint(found), np.int64)
        assert quotas.allows(plan)
        return plan

    def _nearest(self) -> str:
        """What the quotas would be nearest to, when they cannot all be met."""
        from scipy.sparse import block_array, csr_array, eye_array

        quotas, strata = self._quotas, len(self._quotas)
        members, one = csr_array(quotas.members.T), eye_array(len(quotas.names))
        ones = csr_array(np.ones((1, strata)))
        # Each group has two slacks: rows that lack, and rows too many.
        matrix = block_array([[members, one, -one], [ones, None, None]])
        lowest = 0 if self._open_ended else self._total
        low = np.concatenate([quotas.least, [lowest]])
        high = np.concatenate([quotas.most, [self._total]])
        slacks = 2 * len(quotas.names)
        nearest = _optimum(matrix, low, high, self.taken, self._usable, slacks)
        told = None if nearest is None else quotas.fault(np.rint(nearest).astype(np.int64))
        if told is None:
            return f"no choice of {self._total} rows meets them all"
        return f"groups overlap so that not all fit; the nearest there is: {told}"


def _optimum(
    matrix: Any, low: Any, high: Any, least: Any, usable: Any, slacks: int, *, whole: bool = True
) -> Float[np.ndarray, " T"] | None:
    """Counts with about the smallest sum of slacks, which come after them; None: there are none."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    strata = len(least)
    cost = np.concatenate([np.zeros(strata), np.ones(slacks)])
    found = milp(
        cost,
        integrality=whole * (1 - cost),
        bounds=Bounds(
            np.concatenate([least, np.zeros(slacks)]),
            np.concatenate([usable, np.full(slacks, np.inf)]),
        ),
        constraints=LinearConstraint(csr_array(matrix), low, high),
        options={"mip_rel_gap": _ANY},
    )
    if found.status == _INFEASIBLE:
        return None
    if found.x is None:
        raise QuotaError(f"whether the quotas can be met could not be found out: {found.message}")
    counts: Float[np.ndarray, " T"] = found.x[:strata]
    return counts
