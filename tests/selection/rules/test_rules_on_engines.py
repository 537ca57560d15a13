"""Rules, one by one and together, on every engine: the rows of the oracle."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from evenly.engines.distances import DistancesEngine
from evenly.engines.memory import MemoryEngine
from evenly.errors import BudgetError, QuotaError
from evenly.geometry import DistanceMatrix, Points, row_lengths
from evenly.selection.greedy.driver import FrontierSizes
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import Beginning, run_greedy
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.quotas import Quotas
from evenly.selection.rules.rules import Rules
from tests.support import oracle
from tests.support.engines import ENGINES, SMALL
from tests.support.pools import KINDS, make_pool, pools


def allowed_by_quotas(groups, least, most, budget):
    """Return which rows leave disjoint quotas within reach after some picks: by counting."""

    def may_take(picks):
        counts = np.bincount(groups[picks], minlength=len(least)) + np.eye(len(least), dtype=int)
        needed = np.maximum(counts, least).sum(axis=1)
        return ((counts <= most).all(axis=1) & (needed <= budget))[groups]

    return may_take


def quotas_of(groups, least, most):
    n, count = len(groups), len(least)
    matrix = csr_matrix((np.ones(n), (np.arange(n), groups)), (n, count))
    return Quotas.of(matrix, tuple("abcde"[:count]), least, most)


@st.composite
def rules_for(draw, vectors):
    """Rules that can be satisfied, where to start, and the arguments of the oracle for both."""
    n = len(vectors)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = random.permutation(n)
    excluded = None
    if n > 2 and draw(st.booleans()):
        excluded = np.zeros(n, bool)
        excluded[order[: n // 3]] = True
        order = order[n // 3 :]
    first = order[: draw(st.integers(1, max(1, min(3, len(order)))))]
    budget = draw(st.integers(len(first), len(order)))
    arguments = {"excluded": excluded}
    if draw(st.booleans()):
        arguments["away"] = make_pool(
            draw(st.sampled_from(KINDS[:8])), 4, vectors.shape[1], np.float32, random
        ).astype(vectors.dtype)
    starts = ["include", "row"] + (["farthest"] if "away" in arguments else [])
    begin = draw(st.sampled_from(starts))
    first = first if begin == "include" else first[:1] if begin == "row" else first[:0]
    start = int(first[0]) if begin == "row" else "farthest-from-mean"
    include = first if begin == "include" else first[:0]
    rules = Rules(include, budget, excluded)
    arguments |= {"include": include, "start": start if begin == "row" else None}
    if draw(st.booleans()):
        arguments["min_distance"] = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
        rules = replace(rules, min_distance=arguments["min_distance"])
    if draw(st.booleans()):
        arguments["weights"] = random.choice([0.25, 0.5, 1.0], n)
        rules = replace(rules, weights=arguments["weights"])
    if draw(st.booleans()):
        dearest = draw(st.sampled_from([5, 30]))
        costs = random.integers(0, dearest + 1, n)
        left = draw(st.integers(1, dearest * budget // 2 + 1))
        arguments |= {"costs": costs, "token_budget": int(costs[first].sum()) + left}
        rules = replace(rules, costs=costs, token_budget=arguments["token_budget"])
    elif draw(st.booleans()):
        groups = random.integers(0, 3, n)
        # Quotas near the counts of some rows that can be chosen: these rows meet them.
        some = np.concatenate([first, order[len(first) : budget]])
        counts = np.bincount(groups[some], minlength=3)
        least = np.maximum(0, counts - random.integers(0, 3, 3))
        most = counts + random.integers(0, 3, 3)
        arguments["may_take"] = allowed_by_quotas(groups, least, most, len(some))
        rules = replace(rules, budget=len(some), quotas=quotas_of(groups, least, most))
    return rules, Beginning(start=start), arguments


@dataclass(frozen=True, eq=False)
class ProblemOnEngine(Problem):
    """A problem for an engine that the test makes."""

    make: Callable = None

    def new_engine(self, picks):
        engine = self.make(self.points, self.capacity(picks))
        self.keep_away(engine)
        return engine


def problem_of(make, vectors, rules, away, normalize):
    everyone = np.ones(len(vectors), bool)
    points = Points.of(vectors, row_lengths(vectors), rules.usable(everyone), normalize=normalize)
    if away is not None:
        lengths = row_lengths(away)
        away = Points.of(away, lengths, np.ones(len(lengths), bool), normalize=normalize)
        rules = replace(rules, away=away)
        points = replace(points, longest=max(points.longest, away.longest))
    return ProblemOnEngine(points, rules, make=make)


def assert_follows(problem, beginning, expected, **sizes):
    """Assert that a run gives these rows, radii and radius, or says that they miss the quotas."""
    rows, radii, coverage_radius = expected
    if len(rows) == 0:
        with pytest.raises(BudgetError, match="is as far as min_distance="):
            run_greedy(problem, beginning, progress=False, **sizes)
        return
    quotas = problem.rules.quotas
    if quotas is not None and not quotas.allows(quotas.count(rows)):
        with pytest.raises(QuotaError, match="ended the selection"):
            run_greedy(problem, beginning, progress=False, **sizes)
        return
    answer = run_greedy(problem, beginning, progress=False, **sizes)
    np.testing.assert_array_equal(answer.picks.rows, rows)
    np.testing.assert_allclose(answer.picks.radii, radii, rtol=1e-6, atol=1e-13)
    assert answer.coverage_radius == pytest.approx(coverage_radius, rel=1e-6, abs=1e-13)


# Every pool is tried on all engines at once, so that the oracle is computed once.
@given(
    vectors=pools(max_rows=60),
    normalize=st.booleans(),
    frontier=st.sampled_from([2, 8, 1024]),
    few=st.sampled_from([0, 1, 32]),
    data=st.data(),
)
def test_every_engine_follows_the_rules_as_the_oracle_does(vectors, normalize, frontier, few, data):
    rules, beginning, arguments = data.draw(rules_for(vectors))
    expected = oracle.with_rules(vectors, rules.budget, normalize, **arguments)
    frontier_sizes = FrontierSizes(min(frontier, 128), frontier, few)
    engine_sizes = replace(SMALL, single_round=2 if frontier < 1024 else 2048)
    for name, make in ENGINES.items():
        note(name)
        small = partial(make, sizes=engine_sizes)
        problem = problem_of(small, vectors, rules, arguments.get("away"), normalize)
        assert_follows(problem, beginning, expected, sizes=frontier_sizes)


@given(vectors=pools(max_rows=40), data=st.data())
def test_the_engine_of_distances_follows_the_rules_as_the_oracle_does(vectors, data):
    rules, beginning, arguments = data.draw(rules_for(vectors))
    rows = vectors.astype(np.float64)
    matrix = np.sqrt([oracle.squared_distances(rows, row, normalize=False) for row in rows])
    arguments.pop("away", None)
    if rules.excluded is not None:
        away_rows = np.flatnonzero(rules.excluded)[:3]
        rules = replace(rules, away_rows=away_rows)
        arguments["away"] = rows[away_rows]
    elif not len(rules.include) and beginning.start == "farthest-from-mean":
        assume(rules.token_budget is None or rules.costs[0] <= rules.token_budget)
        beginning, arguments["start"] = Beginning(start=0), 0
        rules = replace(rules, quotas=None)
        arguments.pop("may_take", None)
    everyone = np.ones(len(rows), bool)
    metric = DistanceMatrix(matrix, rules.usable(everyone))
    make = lambda points, _: DistancesEngine(points)  # noqa: E731
    expected = oracle.with_rules(rows, rules.budget, False, **arguments)
    assert_follows(ProblemOnEngine(metric, rules, make=make), beginning, expected)


LARGE = make_pool("clustered", 3000, 24, np.float32, np.random.default_rng(3))


@cache
def large_problem(rule):
    """Rules for the large pool, what to keep away from, and the answer of the oracle."""
    random = np.random.default_rng(4)
    rules, arguments = Rules(np.array([5]), 700), {}
    if rule == "away":
        arguments["away"] = LARGE[::7] + np.float32(0.01)
        rules = replace(rules, budget=600)
    elif rule == "weights":
        arguments["weights"] = random.uniform(0.2, 1.0, 3000)
        rules = replace(rules, weights=arguments["weights"])
    elif rule == "costs":
        arguments |= {"costs": random.integers(1, 40, 3000), "token_budget": 4000}
        rules = replace(rules, costs=arguments["costs"], token_budget=4000)
    elif rule == "min_distance":
        arguments["min_distance"] = 0.2
        rules = replace(rules, min_distance=0.2)
    else:
        groups = np.minimum(random.geometric(0.4, 3000) - 1, 4)
        least, most = np.array([100, 300, 50, 0, 60]), np.array([150, 400, 50, 40, 100])
        arguments["may_take"] = allowed_by_quotas(groups, least, most, 700)
        rules = replace(rules, quotas=quotas_of(groups, least, most))
    expected = oracle.with_rules(LARGE, rules.budget, True, rules.include, **arguments)
    return rules, arguments.get("away"), expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", ["away", "weights", "costs", "groups", "min_distance"])
def test_a_rule_over_many_rounds(engine, rule):
    rules, away, expected = large_problem(rule)

    assert_follows(problem_of(ENGINES[engine], LARGE, rules, away, True), Beginning(), expected)


@pytest.mark.parametrize("dearest", [40, 400])
def test_a_token_budget_ends_at_the_same_row_after_any_number_of_earlier_picks(dearest):
    random = np.random.default_rng(8)
    vectors = make_pool("clustered", 400, 8, np.float32, random)
    costs = random.integers(1, dearest, 400)
    rules = Rules(np.array([5]), 400, costs=costs, token_budget=5000)
    rows, radii, radius = oracle.with_rules(
        vectors, 400, True, rules.include, costs=costs, token_budget=5000
    )
    assert 4950 <= costs[rows].sum() <= 5000
    problem = problem_of(MemoryEngine, vectors, rules, None, True)
    for count in range(1, len(rows) + 1):
        beginning = Beginning(picks=Picks(rows[:count], radii[:count]))
        assert_follows(problem, beginning, (rows, radii, radius))
