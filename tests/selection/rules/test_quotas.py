"""Quotas and their plans, against all possible selections."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from evenly.errors import QuotaError
from evenly.selection.rules.overlapping_plan import PlanEffort
from evenly.selection.rules.plans import make_plan
from evenly.selection.rules.quotas import Quotas


@st.composite
def problems(draw, overlapping):
    """Draw the groups of rows (n, G), the limits, the usable rows and a budget."""
    rows, groups = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    if overlapping:
        line = st.lists(st.booleans(), min_size=groups, max_size=groups)
        member = np.array(draw(st.lists(line, min_size=rows, max_size=rows)), int)
    else:
        group = draw(st.lists(st.integers(0, groups), min_size=rows, max_size=rows))
        member = np.eye(groups + 1, dtype=int)[group][:, :groups]
    least = np.array(draw(st.lists(st.integers(0, 3), min_size=groups, max_size=groups)))
    wider = np.array(draw(st.lists(st.integers(0, 3), min_size=groups, max_size=groups)))
    usable = np.array(draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))) > 0
    usable[draw(st.integers(0, rows - 1))] = True
    budget = draw(st.integers(1, int(usable.sum())))
    return member, least, least + wider, usable, budget


def quotas_of(member, least, most) -> Quotas:
    names = tuple("abc"[: member.shape[1]])
    return Quotas.of(csr_array(member), names, np.asarray(least), np.asarray(most))


def meets(member, least, most, usable, budget, picked) -> bool:
    """Return whether `budget` usable rows that include those picked can meet every quota."""
    others = [row for row in np.flatnonzero(usable).tolist() if row not in picked]
    for more in combinations(others, budget - len(picked)):
        found = member[[*picked, *more]].sum(axis=0)
        if (found >= least).all() and (found <= most).all():
            return True
    return False


def count_of(quotas: Quotas, row: int) -> np.ndarray:
    return quotas.count(np.array([row]))


EFFORTS = {
    "default": PlanEffort(),
    "without local search": PlanEffort(exchange_steps=0, repair_steps=0),
    "integer program": PlanEffort(exchange_steps=0, repair_steps=0, round_fractions=False),
}


@pytest.mark.parametrize(
    ("overlapping", "effort"),
    [(False, None), *((True, effort) for effort in EFFORTS.values())],
    ids=["disjoint", *EFFORTS],
)
@settings(deadline=None)
@given(data=st.data())
def test_picks_that_have_room_meet_all_quotas_that_can_be_met(overlapping, effort, data):
    member, least, most, usable, budget = problem = data.draw(problems(overlapping))
    quotas = quotas_of(member, least, most)
    if not meets(*problem, []):
        with pytest.raises(QuotaError, match="cannot be met: "):
            make_plan(quotas, budget, quotas.count(usable), effort)
        return

    plan, picks = make_plan(quotas, budget, quotas.count(usable), effort), []
    order = data.draw(st.permutations(np.flatnonzero(usable).tolist()))
    while len(picks) < budget:
        for row in [row for row in order if row not in picks]:
            answer = plan.make_room(int(quotas.strata[row]))
            assert answer == meets(*problem, [*picks, row])
            if answer:
                break
        assert plan.room[quotas.strata[row]] >= 1
        picks.append(row)
        plan.take(count_of(quotas, row))

    assert quotas.allows(quotas.count(np.array(picks)))
    assert quotas.violations(quotas.count(np.array(picks))) is None
    assert not plan.room.any()


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None)
@given(data=st.data())
def test_all_room_may_be_taken_at_once(overlapping, data):
    problem = member, least, most, usable, budget = data.draw(problems(overlapping))
    quotas = quotas_of(member, least, most)
    if not meets(*problem, []):
        return

    plan = make_plan(quotas, budget, quotas.count(usable))
    assert plan.room.sum() == budget
    assert quotas.allows(plan.room)
    assert (plan.room <= quotas.count(usable)).all()
    plan.take(plan.room // 2)
    for stratum in range(len(quotas)):
        plan.make_room(stratum)
        whole = plan.taken + plan.room
        assert (plan.room >= 0).all()
        assert whole.sum() == budget
        assert quotas.allows(whole)


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None)
@given(data=st.data())
def test_without_a_budget_only_upper_limits_apply(overlapping, data):
    member, _, most, usable, _ = data.draw(problems(overlapping))
    quotas = quotas_of(member, np.zeros_like(most), most)

    plan = make_plan(quotas, None, quotas.count(usable))

    order, picks = data.draw(st.permutations(np.flatnonzero(usable).tolist())), []
    for row in order:
        fits = bool((member[[*picks, row]].sum(axis=0) <= most).all())
        assert plan.make_room(int(quotas.strata[row])) == fits
        if fits:
            picks.append(row)
            plan.take(count_of(quotas, row))


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None)
@given(data=st.data())
def test_included_rows_that_make_the_quotas_impossible_are_rejected(overlapping, data):
    problem = member, least, most, usable, budget = data.draw(problems(overlapping))
    quotas = quotas_of(member, least, most)
    if not meets(*problem, []):
        return
    rows = np.flatnonzero(usable).tolist()
    included = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=budget))
    plan = make_plan(quotas, budget, quotas.count(usable))

    if not meets(*problem, included):
        with pytest.raises(QuotaError, match="include="):
            plan.take(quotas.count(np.array(included, int)))
    else:
        plan.take(quotas.count(np.array(included, int)))
        assert plan.taken.sum() + plan.room.sum() == budget


def can_be_completed(quotas, budget, usable, taken) -> bool:
    """Return the same as `meets`, by an integer program without an objective."""
    members = quotas.members.toarray()
    found = milp(
        np.zeros(len(quotas)),
        integrality=np.ones(len(quotas)),
        bounds=Bounds(taken, usable),
        constraints=[
            LinearConstraint(members.T, quotas.least, quotas.most),
            LinearConstraint(np.ones((1, len(quotas))), budget, budget),
        ],
    )
    return found.x is not None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bound", ["least", "most", "exact"])
def test_larger_plans_agree_with_an_integer_program(bound, seed):
    rng = np.random.default_rng(seed)
    member = (rng.random((400, 5)) < 0.3).astype(int)
    # The counts of 60 rows, drawn with a preference for some groups, can be met exactly.
    preferred = member[np.argsort(rng.random(400) - member @ rng.normal(0, 0.3, 5))[:60]].sum(
        axis=0
    )
    least = np.zeros(5) if bound == "most" else preferred
    most = np.full(5, 60) if bound == "least" else preferred
    quotas = quotas_of_many(member, least, most)
    usable = quotas.count(np.ones(400, bool))
    plan = make_plan(quotas, 60, usable)

    for row in rng.permutation(400):
        stratum, before = int(quotas.strata[row]), plan.closed.copy()
        answer = plan.make_room(stratum)
        # No stratum is closed that could take another row.
        for closed in np.flatnonzero(plan.closed & ~before):
            one_more = plan.taken + (np.arange(len(quotas)) == closed)
            assert (one_more > usable).any() or not can_be_completed(quotas, 60, usable, one_more)
        if answer:
            assert quotas.allows(plan.taken + plan.room)
            assert (plan.taken + plan.room).sum() == 60
            assert (plan.taken + plan.room <= usable).all()
            plan.take(count_of(quotas, row))
        if plan.taken.sum() == 60:
            break
    assert quotas.allows(plan.taken)


@pytest.mark.parametrize("overlap", [0, 1], ids=["disjoint", "overlapping"])
def test_a_plan_rarely_has_to_change(overlap):
    rng = np.random.default_rng(1)
    group = rng.integers(0, 20, 5000)
    member = np.eye(20, dtype=int)[group]
    if overlap:
        member[rng.random(5000) < 0.3, 0] = 1
    quotas = quotas_of_many(member, np.full(20, 10), np.full(20, 300))
    plan, n_changes = make_plan(quotas, 1000, quotas.count(np.ones(5000, bool))), 0
    # One group is picked far more often than the others.
    for row in np.argsort(rng.random(5000) - 0.7 * (group == 3)):
        stratum = int(quotas.strata[row])
        if plan.room[stratum] == 0 and not plan.closed[stratum]:
            n_changes += 1
            plan.make_room(stratum)
        if plan.room[stratum] > 0:
            plan.take(count_of(quotas, row))

    assert plan.taken.sum() == 1000
    assert quotas.allows(plan.taken)
    assert n_changes < 200


def quotas_of_many(member, least, most) -> Quotas:
    names = tuple(map(str, range(member.shape[1])))
    return Quotas.of(csr_array(member), names, least, most)


@pytest.mark.parametrize(
    ("member", "least", "most", "budget", "words"),
    [
        ([[1, 0], [1, 0], [0, 1]], [3, 0], [3, 1], 3, "group 'a' has 2 usable rows.* requires 3"),
        ([[1, 0], [1, 0], [0, 1]], [2, 1], [2, 1], 2, "at least 3 rows.* budget 2"),
        ([[1, 0], [1, 0], [0, 1]], [0, 0], [1, 1], 3, "at most 2 rows.* budget 3"),
        ([[1, 1], [1, 1]], [2, 0], [2, 1], 2, "groups overlap.* 'b' has 2 rows, not 0 to 1"),
        ([[1, 1], [1, 1]], [2, 0], [2, 2], 1, "'a' requires 2 rows, more than the budget 1"),
    ],
)
def test_the_message_says_why_quotas_cannot_be_met(member, least, most, budget, words):
    quotas = quotas_of(np.array(member), least, most)

    with pytest.raises(QuotaError, match=words):
        make_plan(quotas, budget, quotas.count(np.ones(len(member), bool)))


def test_many_disjoint_groups_take_little_time_and_memory():
    groups = np.arange(50_000) % 20_000
    matrix = csr_array((np.ones(50_000), groups, np.arange(50_001)), shape=(50_000, 20_000))
    names = tuple(map(str, range(20_000)))
    quotas = Quotas.of(matrix, names, np.ones(20_000), np.full(20_000, 2))
    plan = make_plan(quotas, 25_000, quotas.count(np.ones(50_000, bool)))

    assert quotas.allows(plan.room)
    assert len(quotas.describe()["hash"]) == 3
