"""Curves of budgets: each point is what measuring those picks gives; knees of known curves."""

import numpy as np
import pytest

from evenly import measure, select_uniform
from evenly.inputs.prepare import prepare
from evenly.metrics.budget_curve import Run, curve_of_budgets, knee_of, rows_at_coverage_radius
from evenly.options import InputOptions, RuleOptions
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.resolve import resolve_rules
from evenly.selection.rules.rules import Rules
from tests.support.best_possible import best_h_min


def curve_of(vectors, budget, *, random_subsets=1, engine="auto", **rules):
    """Return a selection, its problem and its curve."""
    options = InputOptions(normalize=False, engine=engine)
    prepared = prepare(vectors, options)
    problem = Problem.of(prepared, resolve_rules(prepared, RuleOptions(budget=budget, **rules)))
    chosen = select_uniform(vectors, budget, normalize=False, engine=engine, **rules)
    run = Run.of(problem.rules, chosen.indices, chosen.radii, chosen.coverage_radius)
    return chosen, curve_of_budgets(problem, run, random_subsets=random_subsets)


@pytest.mark.parametrize("rules", [{}, {"include": [7, 3, 9]}, {"density_weight": 1.0}])
def test_every_point_is_what_measuring_that_many_picks_gives(rules):
    vectors = np.random.default_rng(1).standard_normal((400, 5))

    chosen, curve = curve_of(vectors, 200, **rules)

    assert curve.budgets[0] == (3 if "include" in rules else 2)
    assert curve.budgets[-1] == 200
    for record in curve.rows[::5]:
        rows = chosen.indices[: record["budgets"]]
        measured = measure(vectors, rows, normalize=False, random_subsets=0, certificate=False)
        assert record["h_min"] == pytest.approx(measured.h_min, rel=1e-9)
        assert record["coverage_radius"] == pytest.approx(measured.coverage_radius, rel=1e-9)
        assert record["mean_distance"] == pytest.approx(measured.mean_distance, rel=1e-9)
        assert record["standard_error"] == 0.0


def test_rules_that_leave_rows_out_apply_to_random_rows_too():
    vectors = np.random.default_rng(2).standard_normal((300, 3))
    vectors[250:] += 100.0
    away = np.arange(240, 250)

    _, curve = curve_of(vectors, 100, exclude=np.arange(250, 300), away_from=away)

    # Excluded rows need not be covered, by random rows neither.
    assert curve.coverage_radius.max() < 10.0
    assert curve.random.coverage_radius.max() < 10.0
    assert (curve.random.h_min < curve.h_min).all()


def test_the_certified_fraction_is_at_most_that_of_the_best_possible_rows():
    vectors = np.random.default_rng(3).standard_normal((12, 2))
    gaps = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(axis=2))

    for rules in ({}, {"include": [0, 1, 2]}):
        _, curve = curve_of(vectors, 12, **rules)
        for record in curve.rows:
            best = best_h_min(gaps, record["budgets"])
            assert 0 < record["certified_fraction"] <= record["h_min"] / best * (1 + 1e-9)
        assert curve.certified_fraction[-1] == 1.0


def test_random_rows_are_averages_over_random_orders():
    vectors = np.random.default_rng(4).standard_normal((200, 4))

    _, one = curve_of(vectors, 50)
    _, none = curve_of(vectors, 50, random_subsets=0)
    _, three = curve_of(vectors, 50, random_subsets=3)

    assert none.random is None
    assert "random_h_min" not in none.rows[0]
    assert (one.random.subsets, three.random.subsets) == (1, 3)
    assert three.random.h_min.tolist() != one.random.h_min.tolist()
    assert (np.diff(one.random.h_min) <= 0).all()


def test_the_curve_of_a_single_row_and_of_all_rows():
    vectors = np.array([[0.0], [1.0], [3.0]])

    _, single = curve_of(vectors, 1)
    _, every = curve_of(vectors, 3)

    assert single.budgets.tolist() == [1]
    assert single.rows[0]["h_min"] == np.inf
    assert single.rows[0]["certified_fraction"] == 1.0
    assert every.coverage_radius[-1] == every.mean_distance[-1] == 0.0


def test_a_run_gives_the_rows_at_a_distance():
    radii = np.array([np.inf, 9.0, 7.0, 7.0, 2.0])
    run = Run.of(Rules.none(), np.arange(5), radii, 1.0)
    budgets = np.arange(1, 6)

    assert [run.rows_at_h_min(wanted) for wanted in (10.0, 9.0, 8.0, 7.0, 0.0)] == [1, 2, 2, 4, 5]
    covered = {9.0: 1, 8.0: 2, 7.0: 2, 6.9: 4, 1.0: 5, 0.9: None}
    for wanted, budget in covered.items():
        assert rows_at_coverage_radius(budgets, run.coverage_radius, wanted) == budget


def test_a_budget_holds_all_rows_to_include():
    rules = Rules(np.array([4, 2, 0]))
    run = Run.of(rules, np.array([4, 2, 0, 1]), np.array([np.inf, 1.0, 5.0, 3.0]), 0.5)

    assert run.rows_at_h_min(0.9) == 4
    assert run.rows_at_h_min(2.0) == 0
    assert rows_at_coverage_radius(np.arange(1, 5), run.coverage_radius, 5.0) == 3
    assert (
        Run.of(Rules(np.array([1]), weights=np.ones(4)), run.rows, run.radii, 1.0).coverage_radius
        is None
    )


def test_the_knee_is_where_the_curve_bends():
    budgets = np.arange(1, 1001)
    bent = np.interp(budgets, [1, 200, 1000], [1.0, 0.2, 0.1])

    assert knee_of(budgets, bent) == 200
    # Isolated rows, which come first, are no knee.
    bent[:5] = 50.0
    assert knee_of(budgets, bent) == 200


def test_there_is_no_knee_in_a_straight_line_or_in_few_budgets():
    budgets = np.arange(1, 101)

    assert knee_of(budgets, 100.0 - budgets) is None
    assert knee_of(budgets, np.sqrt(101.0 - budgets)) is None
    assert knee_of(budgets, np.ones(100)) is None
    assert knee_of(np.array([1, 2]), np.array([3.0, 1.0])) is None


def test_the_knee_of_a_power_law_is_known():
    budgets = np.arange(1, 10_001)
    falling = budgets**-0.5

    # Of x**-½ between a and b, the line between the ends has this slope where it is parallel.
    a, b = 100.0, 10_000.0
    slope = (a**-0.5 - b**-0.5) / (b - a)
    assert knee_of(budgets, falling) == pytest.approx((2 * slope) ** (-2 / 3), rel=1e-3)
