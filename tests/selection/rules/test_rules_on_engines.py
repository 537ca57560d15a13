"""Rules, one by one and together, on every engine: the rows of the oracle."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from evenly.engines.distances import DistancesEngine
from evenly.engines.memory import MemoryEngine
from evenly.geometry import DistanceMatrix, Points, row_lengths
from evenly.geometry.search.in_order import distances_to_earlier
from evenly.selection.greedy import driver as driver
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.rules.problem import keep_away
from evenly.selection.rules.quotas import Quotas
from evenly.selection.rules.remaining import Limits
from evenly.selection.rules.rules import Rules
from tests.support import oracle
from tests.support.engines import ENGINES, SMALL
from tests.support.pools import KINDS, make_pool, pools


def quotas_met(groups, least, most, budget, usable):
    """Whether disjoint quotas can still be met after some rows: counted, not planned."""
    sizes = np.bincount(groups[usable], minlength=len(least))

    def may_take(rows):
        counts = np.bincount(groups[rows], minlength=len(least))
        needed = np.maximum(counts, least).sum()
        reach = np.minimum(sizes, most).sum()
        return bool((counts <= most).all() and needed <= budget <= reach)

    return may_take


@st.composite
def rules_for(draw, vectors):
    """Rules that can be kept, the arguments of the oracle for the same, and rows to begin with."""
    n = len(vectors)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = random.permutation(n)
    excluded = None
    if n > 2 and draw(st.booleans()):
        excluded = np.zeros(n, bool)
        excluded[order[: n // 3]] = True
        order = order[n // 3 :]
    include = order[: draw(st.integers(1, max(1, min(3, len(order)))))]
    budget = draw(st.integers(len(include), len(order)))
    rules, told = Rules(include, budget, excluded), {"excluded": excluded}
    if draw(st.booleans()):
        told["away"] = make_pool(
            draw(st.sampled_from(KINDS[:8])), 4, vectors.shape[1], np.float32, random
        ).astype(vectors.dtype)
    if draw(st.booleans()):
        told["min_distance"] = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
        rules = replace(rules, min_distance=told["min_distance"])
    if draw(st.booleans()):
        told["weights"] = random.choice([0.25, 0.5, 1.0], n)
        rules = replace(rules, weights=told["weights"])
    if draw(st.booleans()):
        dearest = draw(st.sampled_from([5, 30]))
        told["costs"] = random.integers(0, dearest + 1, n)
        left = draw(st.integers(1, dearest * budget // 2 + 1))
        told["purse"] = int(told["costs"][include].sum()) + left
        rules = replace(rules, costs=told["costs"], token_budget=told["purse"])
    elif draw(st.booleans()):
        groups = random.integers(0, 3, n)
        usable = np.ones(n, bool) if excluded is None else ~excluded
        # Quotas around what some rows that could be chosen have: these meet them.
        some = np.concatenate([include, order[len(include) : budget]])
        counts = np.bincount(groups[some], minlength=3)
        least = np.maximum(0, counts - random.integers(0, 3, 3))
        most = counts + random.integers(0, 3, 3)
        told["may_take"] = quotas_met(groups, least, most, budget, usable)
        matrix = csr_matrix((np.ones(n), (np.arange(n), groups)), (n, 3))
        rules = replace(rules, quotas=Quotas.of(matrix, ("a", "b", "c"), least, most))
    return rules, told


def run(engine, vectors, rules, told, normalize, sizes=None):
    everyone = np.ones(len(vectors), bool)
    points = Points.of(vectors, row_lengths(vectors), rules.usable(everyone), normalize=normalize)
    if "away" in told:
        lengths = row_lengths(told["away"])
        away = Points.of(told["away"], lengths, np.ones(len(lengths), bool), normalize=normalize)
        rules = replace(rules, away=away)
        points = replace(points, longest=max(points.longest, away.longest))
    pool = ENGINES[engine](points, rules.budget + 4, sizes)
    keep_away(pool, rules)
    begun = Picks(rules.include, distances_to_earlier(points, rules.include, away=rules.away))
    return farthest_first(pool, rules.budget, begun, limits=Limits(rules, everyone))


def assert_same(found, expected):
    picks, coverage_radius = found
    np.testing.assert_array_equal(picks.rows, expected[0])
    np.testing.assert_allclose(picks.radii, expected[1], rtol=1e-6, atol=1e-13)
    assert coverage_radius == pytest.approx(expected[2], rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
@given(
    vectors=pools(max_rows=60),
    normalize=st.booleans(),
    frontier=st.sampled_from([2, 8, 1024]),
    few=st.sampled_from([0, 1, 32]),
    data=st.data(),
)
def test_rules_are_kept_as_the_oracle_keeps_them(engine, vectors, normalize, frontier, few, data):
    rules, told = data.draw(rules_for(vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "SMALLEST_FRONTIER", min(frontier, 128))
        patch.setattr(driver, "FRONTIER", frontier)
        patch.setattr(driver, "FEW", few)
        sizes = replace(SMALL, single_round=2 if frontier < 1024 else 2048)
        found = run(engine, vectors, rules, told, normalize, sizes)
    expected = oracle.with_rules(vectors, rules.budget, normalize, rules.include, **told)
    assert_same(found, expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", ["away", "weights", "costs", "groups", "min_distance"])
def test_a_rule_over_many_rounds(engine, rule):
    random = np.random.default_rng(3)
    vectors = make_pool("clustered", 3000, 24, np.float32, random)
    rules, told = Rules(np.array([5]), 700), {}
    if rule == "away":
        told["away"] = vectors[::7] + np.float32(0.01)
    elif rule == "weights":
        told["weights"] = random.uniform(0.2, 1.0, 3000)
        rules = replace(rules, weights=told["weights"])
    elif rule == "costs":
        told.update(costs=random.integers(1, 40, 3000), tokens_left=4000)
        rules = replace(rules, costs=told["costs"], token_budget=4000)
    elif rule == "min_distance":
        told["min_distance"] = 0.2
        rules = replace(rules, min_distance=0.2)
    else:
        groups = np.minimum(random.geometric(0.4, 3000) - 1, 4)
        least, most = np.array([100, 300, 50, 0, 60]), np.array([150, 400, 50, 40, 100])
        told["may_take"] = quotas_met(groups, least, most, 700, np.ones(3000, bool))
        matrix = csr_matrix((np.ones(3000), (np.arange(3000), groups)), (3000, 5))
        rules = replace(rules, quotas=Quotas.of(matrix, tuple("abcde"), least, most))
    if rule == "away":
        rules = replace(rules, budget=600)
    if rule == "groups":  # the oracle asks for every row at every pick
        table = {}
        may_take = told["may_take"]

        def by_counts(rows):
            key = tuple(np.bincount(groups[rows], minlength=5))
            if key not in table:
                table[key] = may_take(rows)
            return table[key]

        told["may_take"] = by_counts
        rules, vectors = replace(rules, budget=700), vectors
    found = run(engine, vectors, rules, told, normalize=True)
    expected = oracle.with_rules(vectors, rules.budget, True, rules.include, **told)
    assert_same(found, expected)


@pytest.mark.parametrize("dearest", [40, 400])
def test_a_token_budget_ends_at_the_same_row_wherever_it_was_begun(dearest):
    random = np.random.default_rng(8)
    vectors = make_pool("clustered", 400, 8, np.float32, random)
    costs = random.integers(1, dearest, 400)
    rules = Rules(np.array([5]), 400, costs=costs, token_budget=5000)
    everyone = np.ones(400, bool)
    points = Points.of(vectors, row_lengths(vectors), everyone, normalize=True)
    expected = oracle.with_rules(vectors, 400, True, rules.include, costs=costs, tokens_left=5000)
    assert 4950 <= costs[expected[0]].sum() <= 5000
    for count in range(1, len(expected[0]) + 1):
        begun = Picks(expected[0][:count], expected[1][:count])
        pool = MemoryEngine(points, 400)
        assert_same(farthest_first(pool, 400, begun, limits=Limits(rules, everyone)), expected)


@given(vectors=pools(max_rows=40), data=st.data())
def test_rules_on_distances(vectors, data):
    rules, told = data.draw(rules_for(vectors))
    told.pop("away", None)
    rows = vectors.astype(np.float64)
    matrix = np.sqrt([oracle.squared_distances(rows, row, normalize=False) for row in rows])
    away_rows = np.empty(0, np.int64)
    if rules.excluded is not None:
        away_rows = np.flatnonzero(rules.excluded)[:3]
        rules = replace(rules, away_rows=away_rows)
        told["away"] = rows[away_rows]
    everyone = np.ones(len(rows), bool)
    metric = DistanceMatrix(matrix, rules.usable(everyone))
    pool = DistancesEngine(metric)
    keep_away(pool, rules)
    begun = Picks(rules.include, distances_to_earlier(metric, rules.include, before=away_rows))
    found = farthest_first(pool, rules.budget, begun, limits=Limits(rules, everyone))
    assert_same(found, oracle.with_rules(rows, rules.budget, False, rules.include, **told))


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_with_nothing_included_the_farthest_from_what_is_kept_away_comes_first(
    vectors, normalize, data
):
    away = vectors[: data.draw(st.integers(1, min(4, len(vectors))))]
    budget = data.draw(st.integers(1, len(vectors)))
    everyone = np.ones(len(vectors), bool)
    points = Points.of(vectors, row_lengths(vectors), everyone, normalize=normalize)
    rules = Rules(np.empty(0, np.int64), budget, away=points.take(np.arange(len(away))))
    pool = MemoryEngine(points, budget + len(away))
    keep_away(pool, rules)
    found = farthest_first(pool, budget, Picks.none(), limits=Limits(rules, everyone))
    assert_same(found, oracle.with_rules(vectors, budget, normalize, [], away=away))
