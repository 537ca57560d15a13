"""Quota plans for groups that overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.rules.quota_plan import QuotaPlan, allocate
from evenly.selection.rules.quotas import Quotas, quota_error
from evenly.shapes import Float, Int

# A step of a repair may cost this much, and only a few may cost anything.
_WORST_STEP = 0.5
_UPHILL_STEPS = 3
_FITTING_ROUNDS = 50

# Counts are integers: a violation above a rounding error is one of a whole row.
_CERTAIN = 1e-6

# The relative gap at which the solver stops. Any plan will do; the target makes it one that lasts.
_GAP = 1.0
_INFEASIBLE = 2


@dataclass(frozen=True)
class PlanEffort:
    """How hard to search before the full integer program, which always gives the answer.

    Attributes:
        exchange_steps: how many rows may change to make room for one more.
        repair_steps: how many rows may change to turn approximate counts into a plan.
        round_fractions: whether to look for whole numbers near a plan in fractions.
    """

    exchange_steps: int = 24
    repair_steps: int = 1000
    round_fractions: bool = True


class OverlappingPlan(QuotaPlan):
    """A plan of T counts whose sums over each group are within its limits.

    Usually, taking a few rows less from other strata makes room for one more; such an exchange
    is found by local search. Otherwise, a linear program finds a plan in fractions and an integer
    program whole numbers near them, or a linear program proves for many strata at once that there
    is no plan. Without a budget, the total may be anything up to the number of usable rows.

    Source of the solver: HiGHS, Huangfu and Hall 2018, doi:10.1007/s12532-017-0130-5.
    """

    def __init__(
        self,
        quotas: Quotas,
        budget: int | None,
        usable: Int[np.ndarray, " T"],
        effort: PlanEffort,
    ) -> None:
        super().__init__(quotas, usable)
        self._quotas = quotas
        self._effort = effort
        self._total = int(usable.sum()) if budget is None else budget
        self._least_total = 0 if budget is None else budget
        self._open_ended = budget is None
        if not self._replan(self.taken, None):
            raise quota_error(self._nearest())

    def _replan(self, least: Int[np.ndarray, " T"], stratum: int | None) -> bool:
        if (self._quotas.in_groups(least) > self._quotas.most).any():
            return False
        if stratum is not None and self._exchange(stratum):
            return True
        target = self._target(least)
        plan = self._repair(target, least, self._effort.repair_steps)
        if plan is None:
            plan = self._solve(least, target)
        if plan is None:
            if stratum is not None:
                self._close_impossible(least)
            return False
        self._plan = plan
        return True

    def _exchange(self, stratum: int) -> bool:
        """Plan for more of a stratum and less of others if local search finds such an exchange."""
        initial = self._plan.copy()
        initial[stratum] += 1
        repaired = self._repair(initial, self.taken, self._effort.exchange_steps, keep=stratum)
        if repaired is None:
            return False
        change = repaired - self._plan
        sums, by_group = self._quotas.in_groups(self._plan), self._quotas.in_groups(change)
        # Repeat the exchange as often as possible, but leave other strata half of their room.
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

    def _repair(
        self,
        initial: Int[np.ndarray, " T"],
        least: Int[np.ndarray, " T"],
        steps: int,
        *,
        keep: int | None = None,
    ) -> Int[np.ndarray, " T"] | None:
        """Turn counts into a plan by local search; None if it fails.

        Each step adds or removes a row of the stratum that reduces violations most; of equal
        ones, that with the most rows. Violations are rows too many or too few, in a group or in
        total. A stratum is never both added to and removed from, and `keep` not removed from.
        """
        quotas, members = self._quotas, self._quotas.members
        sums = quotas.in_groups(initial)
        up, down = quotas.most - sums, sums - quotas.least
        n_missing = 0 if self._open_ended else self._total - int(initial.sum())
        spare, removable = self._usable - initial, initial - least
        added, removed = np.zeros(len(quotas), bool), np.zeros(len(quotas), bool)
        if keep is not None:
            added[keep] = True
        uphill = 0
        for _ in range(steps):
            if not n_missing and (up >= 0).all() and (down >= 0).all():
                repaired: Int[np.ndarray, " T"] = least + removable
                return repaired
            # Repairing a group counts more than violating another, and the total counts less:
            # otherwise a stratum in no group would repair the total and use up the steps.
            adding = members @ ((up <= 0) - 1.5 * (down < 0))
            removing = members @ ((down <= 0) - 1.5 * (up < 0))
            if not self._open_ended:
                adding += 0.5 if n_missing <= 0 else -0.5
                removing += 0.5 if n_missing >= 0 else -0.5
            adding -= 0.25 * spare / (1 + spare.max())
            removing -= 0.25 * removable / (1 + removable.max())
            costs = np.concatenate(
                [
                    np.where((spare > 0) & ~removed, adding, np.inf),
                    np.where((removable > 0) & ~added, removing, np.inf),
                ]
            )
            best = int(np.argmin(costs))
            uphill += costs[best] > 0
            if costs[best] > _WORST_STEP or uphill > _UPHILL_STEPS:
                return None
            stratum, by = (best, 1) if best < len(quotas) else (best - len(quotas), -1)
            (added if by > 0 else removed)[stratum] = True
            removable[stratum] += by
            spare[stratum] -= by
            groups = quotas.groups_of(stratum)
            up[groups] -= by
            down[groups] += by
            if not self._open_ended:
                n_missing -= by
        return None

    def _target(self, least: Int[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
        """Return counts that are close to a plan and leave room in every stratum.

        The counts above `least` are scaled until the sums fit, all groups at once: iterative
        proportional fitting, Deming and Stephan 1940, doi:10.1214/aoms/1177731829. It need not
        converge, as the counts are only a target.
        """
        quotas, members = self._quotas, self._quotas.members
        n_remaining, spare = max(0, self._total - int(least.sum())), self._usable - least
        allocated = allocate(min(n_remaining, int(spare.sum())), spare, self.taken)
        more = np.maximum(allocated.astype(np.float64), np.minimum(spare, 0.5))
        sums = quotas.in_groups(least)
        low, high = np.maximum(0, quotas.least - sums), np.maximum(0, quotas.most - sums)
        step = 1.0 / (1 + np.diff(members.indptr).max(initial=0))
        for _ in range(_FITTING_ROUNDS):
            sums = np.maximum(members.T @ more, 1e-9)
            scales = np.log(np.maximum(np.clip(sums, low, high), 1e-9) / sums)
            total = max(float(more.sum()), 1e-9)
            scale = 0.0 if self._open_ended else np.log(max(n_remaining, 1e-9) / total)
            more = np.minimum(more * np.exp(step * (members @ scales + scale)), spare)
        return np.asarray(least + np.rint(more), np.int64)

    def _close_impossible(self, least: Int[np.ndarray, " T"]) -> None:
        """Close all strata for which the proof that no plan has `least` rows holds, too.

        The smallest sum of violations is a linear program. Its multipliers u bound that sum from
        below for any counts in a box: u·b + sum_t min(r_t x_t), r = -Aᵀu. So one solution shows
        for every stratum whether one more row is impossible. The bound is valid for any
        multipliers, so it does not depend on the accuracy of the solver.
        """
        from scipy.optimize import linprog
        from scipy.sparse import block_array, csr_array, eye_array

        quotas = self._quotas
        strata, slacks = len(quotas), 2 * len(quotas.names) + 2
        members = csr_array(quotas.members.T, dtype=float)
        ones = csr_array(np.ones((1, strata)))
        # The sum of each group is bounded above and below, then the total; each with a slack.
        matrix = csr_array(block_array([[members], [-members], [ones], [-ones]]))
        limits = np.concatenate(
            [quotas.most, -quotas.least, [self._total], [-self._least_total]]
        ).astype(float)
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
        bound = float(
            multipliers @ limits + np.minimum(reduced * self.taken, reduced * self._usable).sum()
        )
        impossible = bound + np.maximum(reduced, 0.0) > _CERTAIN
        self.closed |= impossible & (self.room == 0)

    def _solve(
        self, least: Int[np.ndarray, " T"], target: Int[np.ndarray, " T"]
    ) -> Int[np.ndarray, " T"] | None:
        """Return a plan near a target, by the sum of differences; None if there is no plan.

        The nearest plan in fractions is found quickly, and only a few of its counts are not whole
        because it is a corner. There are usually whole counts within a row of it, and finding any
        of these takes at most a tenth of the time of finding the nearest.
        """
        from scipy.sparse import block_array, csr_array, eye_array

        quotas, strata = self._quotas, len(self._quotas)
        ones = csr_array(np.ones((1, strata)))
        sums = block_array([[csr_array(quotas.members.T)], [ones]])
        low = np.concatenate([quotas.least, [self._least_total]])
        high = np.concatenate([quotas.most, [self._total]])
        # Each stratum has a slack: its difference to the target.
        one, infinite = eye_array(strata), np.full(strata, np.inf)
        distances = _Program(
            block_array([[sums, None], [one, one], [one, -one]]),
            np.concatenate([low, target, -infinite]),
            np.concatenate([high, infinite, target]),
            slacks=strata,
        )
        near = distances.solve(least, self._usable, whole=False)
        if near is None:
            return None
        counts = None
        if self._effort.round_fractions:
            counts = _Program(sums, low, high, slacks=0).solve(
                np.maximum(least, np.floor(near) - 1),
                np.minimum(self._usable, np.ceil(near) + 1),
            )
        if counts is None:
            counts = distances.solve(least, self._usable)
        if counts is None:
            return None
        plan = np.asarray(np.rint(counts), np.int64)
        assert quotas.allows(plan)
        return plan

    def _nearest(self) -> str:
        """Describe how close to the quotas any selection comes, given that none meets them all."""
        from scipy.sparse import block_array, csr_array, eye_array

        quotas = self._quotas
        members, one = csr_array(quotas.members.T), eye_array(len(quotas.names))
        ones = csr_array(np.ones((1, len(quotas))))
        # Each group has two slacks: rows too few, and rows too many.
        nearest = _Program(
            block_array([[members, one, -one], [ones, None, None]]),
            np.concatenate([quotas.least, [self._least_total]]),
            np.concatenate([quotas.most, [self._total]]),
            slacks=2 * len(quotas.names),
        ).solve(self.taken, self._usable)
        violations = (
            None if nearest is None else quotas.violations(np.rint(nearest).astype(np.int64))
        )
        if violations is None:
            return f"no selection of {self._total} rows meets them all"
        return f"groups overlap, so that in the nearest selection {violations}"


class _Program(NamedTuple):
    """A linear program over T counts followed by slacks, whose sum is minimised.

    Attributes:
        matrix: of the constraints low <= matrix·x <= high.
        low, high: limits of the constraints.
        slacks: how many of the variables are slacks.
    """

    matrix: Any
    low: Float[np.ndarray, " c"]
    high: Float[np.ndarray, " c"]
    slacks: int

    def solve(self, least: Any, usable: Any, *, whole: bool = True) -> Any:
        """Return counts between `least` and `usable` with about the smallest sum of slacks.

        Returns:
            (T,) the counts, None if there are none; integers if `whole`, up to rounding.

        Raises:
            QuotaError: the solver failed.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        strata = len(least)
        cost = np.concatenate([np.zeros(strata), np.ones(self.slacks)])
        found = milp(
            cost,
            integrality=whole * (1 - cost),
            bounds=Bounds(
                np.concatenate([least, np.zeros(self.slacks)]),
                np.concatenate([usable, np.full(self.slacks, np.inf)]),
            ),
            constraints=LinearConstraint(csr_array(self.matrix), self.low, self.high),
            options={"mip_rel_gap": _GAP},
        )
        if found.status == _INFEASIBLE:
            return None
        if found.x is None:
            raise QuotaError(f"it is unknown whether the quotas can be met: {found.message}")
        return found.x[:strata]
