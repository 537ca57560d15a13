"""Quotas and their ledger, against every choice of rows that there is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from evenly.errors import QuotaError
from evenly.selection.rules import overlapping_plan as plans
from evenly.selection.rules.plans import make_plan
from evenly.selection.rules.quotas import Quotas


@st.composite
def problems(draw, overlapping):
    """Which groups rows are in (n, G), limits, which rows are usable, and a budget."""
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


def meets(member, least, most, usable, budget, begun) -> bool:
    """Whether some choice of `budget` usable rows, those begun among them, meets every quota."""
    others = [row for row in np.flatnonzero(usable).tolist() if row not in begun]
    for more in combinations(others, budget - len(begun)):
        found = member[[*begun, *more]].sum(axis=0)
        if (found >= least).all() and (found <= most).all():
            return True
    return False


def one(quotas: Quotas, row: int) -> np.ndarray:
    return quotas.count(np.array([row]))


@pytest.fixture(params=["mended", "near fractions", "anywhere"])
def found(request, monkeypatch):
    """How plans for overlapping groups are found: as they are, or with the quicker ways barred."""
    optimum = plans._optimum
    if request.param != "mended":
        monkeypatch.setattr(plans.OverlappingPlan, "_mended", lambda *_, **__: None)
    if request.param == "anywhere":

        def none_near(*problem, **options):
            return None if problem[-1] == 0 else optimum(*problem, **options)

        monkeypatch.setattr(plans, "_optimum", none_near)


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_greedy_that_asks_meets_every_quota_that_can_be_met(overlapping, data):
    member, least, most, usable, budget = problem = data.draw(problems(overlapping))
    quotas = quotas_of(member, least, most)
    if not meets(*problem, []):
        with pytest.raises(QuotaError, match="cannot be met: "):
            make_plan(quotas, budget, quotas.count(usable))
        return

    plan, picks = make_plan(quotas, budget, quotas.count(usable)), []
    order = data.draw(st.permutations(np.flatnonzero(usable).tolist()))
    while len(picks) < budget:
        for row in [row for row in order if row not in picks]:
            answer = plan.ask(int(quotas.strata[row]))
            assert answer == meets(*problem, [*picks, row])
            if answer:
                break
        assert plan.room[quotas.strata[row]] >= 1
        picks.append(row)
        plan.take(one(quotas, row))

    assert quotas.allows(quotas.count(np.array(picks)))
    assert quotas.fault(quotas.count(np.array(picks))) is None
    assert not plan.room.any()


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None)
@given(data=st.data())
def test_what_there_is_room_for_can_be_taken_at_once(overlapping, data):
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
        plan.ask(stratum)
        whole = plan.taken + plan.room
        assert (plan.room >= 0).all()
        assert whole.sum() == budget
        assert quotas.allows(whole)


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None)
@given(data=st.data())
def test_without_a_budget_the_most_of_each_group_are_limits(overlapping, data):
    member, _, most, usable, _ = data.draw(problems(overlapping))
    quotas = quotas_of(member, np.zeros_like(most), most)

    plan = make_plan(quotas, None, quotas.count(usable))

    order, picks = data.draw(st.permutations(np.flatnonzero(usable).tolist())), []
    for row in order:
        fits = bool((member[[*picks, row]].sum(axis=0) <= most).all())
        assert plan.ask(int(quotas.strata[row])) == fits
        if fits:
            picks.append(row)
            plan.take(one(quotas, row))


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
@settings(deadline=None)
@given(data=st.data())
def test_rows_that_are_in_from_the_start_are_refused_where_they_leave_no_way(overlapping, data):
    problem = member, least, most, usable, budget = data.draw(problems(overlapping))
    quotas = quotas_of(member, least, most)
    if not meets(*problem, []):
        return
    rows = np.flatnonzero(usable).tolist()
    begun = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=budget))
    plan = make_plan(quotas, budget, quotas.count(usable))

    if not meets(*problem, begun):
        with pytest.raises(QuotaError, match="include="):
            plan.take(quotas.count(np.array(begun, int)))
    else:
        plan.take(quotas.count(np.array(begun, int)))
        assert plan.taken.sum() + plan.room.sum() == budget


def can_be_completed(quotas, budget, usable, taken) -> bool:
    """The same by an integer program without any objective."""
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
def test_larger_problems_are_answered_as_an_integer_program_answers(bound, seed):
    rng = np.random.default_rng(seed)
    member = (rng.random((400, 5)) < 0.3).astype(int)
    # What 60 rows have that were chosen with a liking for some groups: it can be met, just so.
    liked = member[np.argsort(rng.random(400) - member @ rng.normal(0, 0.3, 5))[:60]].sum(axis=0)
    least = np.zeros(5) if bound == "most" else liked
    most = np.full(5, 60) if bound == "least" else liked
    quotas = quotas_of_many(member, least, most)
    usable = quotas.count(np.ones(400, bool))
    plan = make_plan(quotas, 60, usable)

    for row in rng.permutation(400):
        stratum, before = int(quotas.strata[row]), plan.closed.copy()
        answer = plan.ask(stratum)
        # Every kind that is closed on the way is, and none is that need not be.
        for closed in np.flatnonzero(plan.closed & ~before):
            one_more = plan.taken + (np.arange(len(quotas)) == closed)
            assert (one_more > usable).any() or not can_be_completed(quotas, 60, usable, one_more)
        if answer:
            assert quotas.allows(plan.taken + plan.room)
            assert (plan.taken + plan.room).sum() == 60
            assert (plan.taken + plan.room <= usable).all()
            plan.take(one(quotas, row))
        if plan.taken.sum() == 60:
            break
    assert quotas.allows(plan.taken)


@pytest.mark.parametrize("overlap", [0, 1], ids=["disjoint", "overlapping"])
def test_a_plan_is_seldom_asked_to_change(overlap):
    rng = np.random.default_rng(1)
    group = rng.integers(0, 20, 5000)
    member = np.eye(20, dtype=int)[group]
    if overlap:
        member[rng.random(5000) < 0.3, 0] = 1
    quotas = quotas_of_many(member, np.full(20, 10), np.full(20, 300))
    plan, asked = make_plan(quotas, 1000, quotas.count(np.ones(5000, bool))), 0
    # One group is wanted far more often than others.
    for row in np.argsort(rng.random(5000) - 0.7 * (group == 3)):
        stratum = int(quotas.strata[row])
        if plan.room[stratum] == 0 and not plan.closed[stratum]:
            asked += 1
            plan.ask(stratum)
        if plan.room[stratum] > 0:
            plan.take(one(quotas, row))

    assert plan.taken.sum() == 1000
    assert quotas.allows(plan.taken)
    assert asked < 200


def quotas_of_many(member, least, most) -> Quotas:
    names = tuple(map(str, range(member.shape[1])))
    return Quotas.of(csr_array(member), names, least, most)


@pytest.mark.parametrize(
    ("member", "least", "most", "budget", "words"),
    [
        ([[1, 0], [1, 0], [0, 1]], [3, 0], [3, 1], 3, "group 'a' has 2 usable rows.* wants 3"),
        ([[1, 0], [1, 0], [0, 1]], [2, 1], [2, 1], 2, "want 3 rows at least.* budget 2"),
        ([[1, 0], [1, 0], [0, 1]], [0, 0], [1, 1], 3, "room for 2 rows at most.* budget 3"),
        ([[1, 1], [1, 1]], [2, 0], [2, 1], 2, "groups overlap.* 'b' has 2 rows and not 0 to 1"),
        ([[1, 1], [1, 1]], [2, 0], [2, 2], 1, "'a' is to have 2 rows, more than the budget 1"),
    ],
)
def test_why_quotas_cannot_be_met_is_told(member, least, most, budget, words):
    quotas = quotas_of(np.array(member), least, most)

    with pytest.raises(QuotaError, match=words):
        make_plan(quotas, budget, quotas.count(np.ones(len(member), bool)))


def test_many_disjoint_groups_are_quick_and_small():
    groups = np.arange(50_000) % 20_000
    matrix = csr_array((np.ones(50_000), groups, np.arange(50_001)), shape=(50_000, 20_000))
    names = tuple(map(str, range(20_000)))
    quotas = Quotas.of(matrix, names, np.ones(20_000), np.full(20_000, 2))
    plan = make_plan(quotas, 25_000, quotas.count(np.ones(50_000, bool)))

    assert quotas.allows(plan.room)
    assert len(quotas.describe()["hash"]) == 3
