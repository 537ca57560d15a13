"""Refined selections are never worse, keep the rules, and are optimal if that is proven."""

import contextlib
import itertools
import json
import warnings
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from evenly import Refine, Selection, errors, select_uniform
from evenly.geometry import reach_of
from evenly.geometry.search.close_pairs import close_counts
from evenly.geometry.search.neighbour_graph import neighbour_graph
from evenly.selection.greedy.picks import Picks
from evenly.selection.refine import apply as refined
from evenly.selection.refine import subproblem as subproblems
from evenly.selection.refine.branch_and_bound import PackingSearch
from evenly.selection.refine.effort import SearchEffort
from evenly.selection.refine.incumbent import Incumbent
from evenly.selection.refine.proof import find_packing
from evenly.selection.refine.search import refine
from evenly.selection.refine.subproblem import SearchSpace
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.rules import Rules
from tests.support.best_possible import best_h_min, gaps_of, most_rows_at, points_of
from tests.support.pools import pools

RNG = np.random.default_rng(5)
CUBE = RNG.uniform(size=(600, 3))
SPHERE = RNG.normal(size=(900, 12))

QUICK = SearchEffort(least_work=20_000, idle_work=120_000)


class Quick(Refine):
    """Refines with a hundredth of the work, which is enough for the small pools of tests."""

    effort = QUICK


class QuickAtFirstGain(Refine):
    """Like `Quick`, but finds neighbours only slightly beyond h_min at first."""

    effort = replace(QUICK, all_pairs_rows=0)


@pytest.fixture(autouse=True)
def no_expected_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.DuplicateRowsWarning)
        warnings.simplefilter("ignore", errors.IsolatedRowsWarning)
        yield


def exact(vectors, budget, **options):
    return select_uniform(vectors, budget, refine=Quick(method="exact"), **options)


def assert_farthest_first_among_themselves(selection, gaps, included=0):
    """Check that radii are distances to earlier rows, and that each pick was the farthest."""
    order = np.array(selection.indices)
    for place in range(1, len(order)):
        near = gaps[np.ix_(order[place:], order[:place])].min(axis=1)
        assert selection.radii[place] == pytest.approx(near[0], rel=1e-9, abs=1e-12)
        if place >= included:
            assert near[0] >= near.max() * (1 - 1e-9)


@settings(max_examples=150)
@given(vectors=pools(max_rows=14), normalize=st.booleans(), data=st.data())
def test_exact_is_the_best_of_all_subsets(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    start = data.draw(st.integers(0, len(vectors) - 1))
    greedy = select_uniform(vectors, budget, normalize=normalize, start=start)

    found = exact(vectors, budget, normalize=normalize, start=start)

    gaps = gaps_of(points_of(vectors, normalize))
    details = found.provenance.refined
    assert details["proven"]
    assert len(set(found.indices.tolist())) == len(found) == budget
    assert_farthest_first_among_themselves(found, gaps)
    if budget > 1:
        assert found.h_min == pytest.approx(best_h_min(gaps, budget), rel=1e-9, abs=1e-200)
        assert details["upper_bound"] == pytest.approx(found.h_min, rel=1e-9, abs=1e-200)
    left = np.delete(gaps, found.indices, axis=0)[:, found.indices]
    assert found.coverage_radius == pytest.approx(
        left.min(axis=1).max(initial=0.0), rel=1e-9, abs=1e-12
    )
    assert found.h_min >= greedy.h_min


@settings(max_examples=100)
@given(vectors=pools(max_rows=30), normalize=st.booleans(), data=st.data())
def test_a_search_is_between_greedy_and_the_optimum(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    greedy = select_uniform(vectors, budget, normalize=normalize)

    found = select_uniform(vectors, budget, normalize=normalize, refine=Quick())

    best = exact(vectors, budget, normalize=normalize)
    assert len(set(found.indices.tolist())) == budget
    assert greedy.h_min <= found.h_min <= best.h_min * (1 + 1e-9)
    assert_farthest_first_among_themselves(found, gaps_of(points_of(vectors, normalize)))
    assert found.provenance.refined["greedy_h_min"] == (greedy.h_min if budget > 1 else None)


@settings(max_examples=100)
@given(vectors=pools(max_rows=12), normalize=st.booleans(), data=st.data())
def test_exact_is_the_best_under_rules(vectors, normalize, data):
    order = data.draw(st.permutations(range(len(vectors))))
    cuts = sorted(data.draw(st.lists(st.integers(0, 3), min_size=3, max_size=3)))
    include, exclude, away = (
        order[: cuts[0]],
        order[cuts[0] : cuts[1]],
        order[cuts[1] : cuts[2]],
    )
    usable = sorted(set(order) - set(exclude) - set(away))
    if not usable:
        return
    budget = data.draw(st.integers(max(1, len(include)), len(usable)))

    found = exact(
        vectors,
        budget,
        normalize=normalize,
        **{name: rows for name, rows in (("include", include), ("exclude", exclude)) if rows},
        **({"away_from": away} if away else {}),
    )

    gaps = gaps_of(points_of(vectors, normalize))
    free = [row for row in usable if row not in include]

    def h_min_with(rows):
        rows = [*include, *rows]
        apart = gaps[np.ix_(rows, [*rows, *away])].copy()
        apart[np.arange(len(rows)), np.arange(len(rows))] = np.inf
        return apart.min(initial=np.inf)

    best = max(map(h_min_with, itertools.combinations(free, budget - len(include))))
    assert found.h_min == pytest.approx(best, rel=1e-9, abs=1e-200)
    assert list(found.indices[: len(include)]) == list(include)
    assert set(found.indices.tolist()) <= set(usable)
    assert h_min_with(found.indices[len(include) :].tolist()) == pytest.approx(
        found.h_min, rel=1e-9, abs=1e-200
    )
    assert found.provenance.refined["proven"]


def test_rows_of_a_larger_pool_are_farther_apart_under_rules():
    exclude, away = list(range(100, 200)), np.random.default_rng(8).normal(size=(30, 12))
    include = select_uniform(SPHERE, 5, away_from=away, exclude=exclude).indices[2:].tolist()
    rules = {"include": include, "exclude": exclude, "away_from": away}
    greedy = select_uniform(SPHERE, 100, **rules)

    found = select_uniform(SPHERE, 100, refine=Quick(), **rules)

    assert found.h_min > 1.02 * greedy.h_min
    assert list(found.indices[:3]) == include
    assert not set(found.indices) & set(exclude)
    gaps = gaps_of(points_of(np.concatenate([SPHERE, away])))
    others = [*found.indices, *range(900, 930)]
    near = gaps[np.ix_(found.indices, others)].copy()
    near[np.arange(100), np.arange(100)] = np.inf
    assert near.min() == pytest.approx(found.h_min)
    left = np.setdiff1d(np.arange(900), [*found.indices, *exclude])
    assert found.coverage_radius == pytest.approx(gaps[np.ix_(left, others)].min(axis=1).max())
    for place in range(1, 100):
        earlier = [*found.indices[:place], *range(900, 930)]
        assert found.radii[place] == pytest.approx(gaps[found.indices[place], earlier].min())


@pytest.mark.parametrize("overlapping", [False, True])
def test_quotas_are_still_met(overlapping):
    names = [str(row % 3) for row in range(600)]
    if overlapping:
        names = [[str(row % 3), "even" if row % 2 == 0 else "odd"] for row in range(600)]
    rules = {"groups": names, "quotas": {"0": 20, "1": (5, 10), "2": (0, 25)}}
    if overlapping:
        rules["quotas"] = {**rules["quotas"], "even": (12, 20)}
    greedy = select_uniform(CUBE, 45, normalize=False, **rules)

    found = select_uniform(CUBE, 45, normalize=False, refine=Quick(), **rules)

    def counts(rows):
        listed = [names[row] if overlapping else [names[row]] for row in rows]
        return np.unique(list(itertools.chain(*listed)), return_counts=True)

    np.testing.assert_array_equal(counts(found.indices), counts(greedy.indices))
    assert found.h_min > 1.02 * greedy.h_min


def test_a_duplicate_that_quotas_forced_is_replaced():
    # Farthest-first takes 0 and 9; then the only row left of the group "b" is a copy of 9.
    rows = np.array([[0.0], [9.0], [9.0], [5.0], [6.0]])
    rules = {"groups": ["a", "a", "b", "a", "a"], "quotas": {"b": 1}, "start": 0}
    greedy = select_uniform(rows, 3, normalize=False, **rules)

    found = select_uniform(rows, 3, normalize=False, refine=Quick(), **rules)

    assert greedy.h_min == 0
    assert sorted(found.indices) == [0, 2, 3]
    assert found.h_min == 4.0


def test_refined_rows_are_farther_apart_and_the_same_each_time():
    greedy = select_uniform(SPHERE, 100)
    found = [select_uniform(SPHERE, 100, refine=Quick()) for _ in range(2)]
    with threadpool_limits(1):
        found.append(select_uniform(SPHERE, 100, refine=Quick()))
    others = select_uniform(SPHERE, 100, refine=Quick(seed=1))

    assert found[0].h_min > 1.03 * greedy.h_min
    for again in found[1:]:
        np.testing.assert_array_equal(again.indices, found[0].indices)
    assert set(others.indices) != set(found[0].indices)
    assert found[0].coverage_radius == pytest.approx(
        gaps_of(points_of(SPHERE))[:, found[0].indices].min(axis=1).max(), rel=1e-9
    )


def test_the_neighbours_at_hand_show_how_far_rows_are_from_the_refined_ones():
    class Limited(QuickAtFirstGain):
        effort = replace(QuickAtFirstGain.effort, max_pairs=4000)

    # Farthest-first and the order of the refined rows need an engine each.
    for how, engines in ((Quick(), 2), (Limited(), 3)):
        with mock.patch.object(
            Problem, "new_engine", autospec=True, side_effect=Problem.new_engine
        ) as made:
            found = select_uniform(SPHERE, 100, refine=how)
        looked_at = found.provenance.refined["rows_looked_at"]
        assert (looked_at == len(SPHERE)) == (engines == 2)
        assert len(made.mock_calls) == engines
        assert found.coverage_radius == pytest.approx(
            gaps_of(points_of(SPHERE))[:, found.indices].min(axis=1).max(), rel=1e-9
        )


def test_rows_that_quotas_leave_out_may_be_farther_than_h_min():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.2], [10.0, 0.0], [20.0, 0.0]])
    rules = {"groups": [0, 0, 0, 1, 1], "quotas": {0: 2, 1: 1}, "start": 0, "normalize": False}
    for how in (None, Quick()):
        found = select_uniform(rows, 3, refine=how, **rules)
        assert found.coverage_radius == 10.0
    assert found.h_min == pytest.approx(np.hypot(1.0, 1.2))


def test_min_distance_and_the_number_of_rows_are_kept():
    greedy = select_uniform(SPHERE, min_distance=0.9)
    found = select_uniform(SPHERE, min_distance=0.9, refine=Quick())
    assert len(found) == len(greedy)
    assert found.h_min > greedy.h_min >= 0.9


def test_a_precomputed_distance_matrix():
    gaps = np.abs(CUBE[:, None] - CUBE).sum(axis=2)[:150, :150]
    gaps = np.triu(gaps) + np.triu(gaps).T
    rules = {"include": [7], "away_from": [1, 2]}
    greedy = select_uniform(gaps, 12, engine="distances", **rules)

    found = exact(gaps, 12, engine="distances", **rules)

    assert found.provenance.refined["proven"]
    assert found.h_min > greedy.h_min
    rows = found.indices
    near = gaps[np.ix_(rows, [*rows, 1, 2])]
    near[np.arange(12), np.arange(12)] = np.inf
    assert near.min() == pytest.approx(found.h_min)
    assert rows[0] == 7
    left = np.setdiff1d(np.arange(150), [*rows, 1, 2])
    assert found.coverage_radius == pytest.approx(
        gaps[np.ix_(left, [*rows, 1, 2])].min(axis=1).max()
    )


def test_a_pool_on_disk_gives_the_same_rows(tmp_path):
    np.save(tmp_path / "vectors.npy", SPHERE.astype(np.float32))
    there = select_uniform(str(tmp_path / "vectors.npy"), 80, engine="mapped", refine=Quick())
    here = select_uniform(SPHERE.astype(np.float32), 80, refine=Quick())
    np.testing.assert_array_equal(there.indices, here.indices)


@pytest.mark.parametrize(
    "effort",
    [
        {"max_pairs": 4000},
        {"max_pairs": 4000, "max_rows": 130, "block_rows": 64},
    ],
)
def test_only_the_relevant_rows_of_a_large_pool_are_searched(effort):
    class Limited(Refine):
        pass

    Limited.effort = replace(QuickAtFirstGain.effort, **effort)
    greedy = select_uniform(SPHERE, 60)
    found = select_uniform(SPHERE, 60, refine=Limited(method="exact"))
    details = found.provenance.refined
    assert 60 < details["rows_looked_at"] < 600
    if "max_rows" in effort:
        assert details["rows_looked_at"] == effort["max_rows"]
    else:
        assert found.h_min > greedy.h_min
    assert not details["proven"]
    assert details["upper_bound"] is None


def test_fewer_pairs_are_searched_if_few_rows_are_chosen():
    # In many dimensions, 1.02 times a distance has less than half the neighbours of 1.06 times.
    rows = np.random.default_rng(0).normal(size=(900, 60))
    looked_at = []
    for few_rows in (40, 39):

        class Limited(Refine):
            effort = replace(
                QuickAtFirstGain.effort, max_pairs=20_000, few_pairs=4000, few_rows=few_rows
            )

        found = select_uniform(rows, 40, refine=Limited())
        looked_at.append(found.provenance.refined["rows_looked_at"])
    assert looked_at[0] < looked_at[1] < 900


@pytest.mark.parametrize(("most", "gain"), [(0.05, 1.02), (1.0, 1.06)])
def test_the_first_search_looks_less_far_if_there_are_many_pairs(most, gain):
    class Looking(Refine):
        effort = replace(QuickAtFirstGain.effort, max_pairs=most * 600 * 599 / 2, few_rows=1)

    tops, graph_around = [], SearchSpace.graph_around

    def looked(self, chosen, distance, top, *more):
        tops.append(top)
        return graph_around(self, chosen, distance, top, *more)

    greedy = select_uniform(SPHERE, 60)
    with mock.patch.object(SearchSpace, "graph_around", looked):
        found = select_uniform(SPHERE, 60, refine=Looking())
    assert tops[0] == pytest.approx(greedy.h_min * gain)
    assert found.h_min > greedy.h_min


def test_pairs_are_estimated_from_a_sample():
    points = points_of(SPHERE)
    space = SearchSpace(points, no_rules(1), None, SearchEffort(), lambda: None, np.arange(1))
    graph = neighbour_graph(points, np.arange(len(SPHERE)), 0.5)
    assert space.pairs_within(0.5) == graph.pairs

    dense = points_of(np.random.default_rng(0).normal(size=(5000, 3)))
    space = replace(space, points=dense)
    pairs = neighbour_graph(dense, np.arange(5000), 0.2).pairs
    assert space.pairs_within(0.2) == pytest.approx(pairs, rel=0.05)


def test_a_sample_shows_that_a_large_pool_has_few_pairs(monkeypatch):
    points, first = points_of(SPHERE), np.arange(60)
    space = SearchSpace(points, no_rules(60), None, SearchEffort(), lambda: None, first)
    monkeypatch.setattr(subproblems, "_SAMPLE", 50)
    assert 0.75 * 3000 < space.pairs_within(0.8) < 0.75 * 4000
    for most, counted in ((4000, []), (3000, [900])):
        with mock.patch.object(subproblems, "close_counts", wraps=close_counts) as counts:
            found = space.subproblem(first, 0.5, 0.8, most)
        assert [len(call.args[1]) for call in counts.mock_calls] == [50, *counted]
        assert len(found) == 900


def test_fewer_rows_are_searched_if_there_are_more_pairs_than_estimated():
    # All pairs of a dense cluster are near, though few rows of the pool are near each of its rows.
    rng = np.random.default_rng(7)
    cluster, others = rng.normal(scale=1e-3, size=(80, 2)), rng.normal(size=(820, 2))
    points = points_of(np.concatenate([cluster, others + 10]), normalize=False)
    chosen = np.array([0, 80, 100])
    space = SearchSpace(points, no_rules(3), None, SearchEffort(), lambda: None, np.arange(3))

    subproblem, graph = space.graph_around(chosen, 0.5, 3.0, 300)

    assert len(space.subproblem(chosen, 0.5, 3.0, 300)) > len(subproblem) >= 3
    assert subproblem.initial.sum() == 3
    assert graph.pairs <= 300


def test_a_gain_far_above_the_first_graph_is_found():
    # Farthest-first starts in the middle, and the best rows are the corners.
    rows = np.array([[0.0, 0], [1, 1], [-1, 1], [1, -1], [-1, -1]])
    assert select_uniform(rows, 4, normalize=False, start=0).h_min == pytest.approx(2**0.5)
    found = select_uniform(rows, 4, normalize=False, start=0, refine=QuickAtFirstGain())
    assert sorted(found.indices) == [1, 2, 3, 4]
    assert found.h_min == 2.0


def test_graphs_grow_with_the_gain():
    line = np.linspace(0, 1, 301)[:, None]
    greedy = select_uniform(line, 12, normalize=False, start=150)
    found = select_uniform(line, 12, normalize=False, start=150, refine=QuickAtFirstGain())
    assert greedy.h_min < 0.065  # farthest-first halves gaps
    assert found.h_min >= 27 / 300 * (1 - 1e-9)


def test_the_time_limit_ends_a_search():
    greedy = select_uniform(SPHERE, 100)
    found = select_uniform(SPHERE, 100, refine=Quick(seconds=1e-9))
    assert found.provenance.refined["ended_by"] == "time"
    np.testing.assert_array_equal(found.indices, greedy.indices)


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_an_interrupt_keeps_the_best_rows_so_far(after):
    greedy = select_uniform(SPHERE, 100)
    seen = []

    def report(_, distance, *__):
        if distance is not None:
            if len(seen) == after:
                raise KeyboardInterrupt
            seen.append(distance)

    points = points_of(SPHERE)
    picks = Picks(np.array(greedy.indices), np.array(greedy.radii))
    found = refine(points, no_rules(100), picks, Quick(), report=report)

    assert found.ended == "interrupt"
    gaps = gaps_of(points)
    rows = greedy.indices if found.rows is None else found.rows
    apart = gaps[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)].min()
    assert apart >= max([greedy.h_min, *seen]) * (1 - 1e-9)


def test_an_interrupted_refinement_is_a_selection(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Incumbent, "improve", interrupt)
    greedy = select_uniform(SPHERE, 100)
    found = select_uniform(SPHERE, 100, refine=Quick())
    assert found.provenance.refined["ended_by"] == "interrupt"
    assert found.h_min > greedy.h_min  # that of the first packing


def no_rules(budget):
    return Rules.none(budget)


@settings(max_examples=150)
@given(vectors=pools(max_rows=13), data=st.data())
def test_proofs_are_correct(vectors, data):
    points = points_of(vectors, normalize=False)
    gaps = gaps_of(points)
    distance = data.draw(st.sampled_from([*np.unique(gaps), gaps.max() * 1.1]))
    target = data.draw(st.integers(1, len(vectors)))
    graph = neighbour_graph(points, np.arange(len(vectors)), 2 * gaps.max() + 1)
    initial = np.zeros(len(vectors), bool)
    initial[data.draw(st.integers(0, len(vectors) - 1))] = True

    outcome = find_packing(
        graph,
        reach_of(distance),
        target,
        limits=np.full(len(vectors), np.inf),
        initial=initial,
        work=1e9,
        check=lambda: None,
    )

    most = most_rows_at(gaps * (1 + 1e-11), distance or 5e-324)  # at 0 rows that coincide
    assert outcome.impossible == (most < target)
    if outcome.chosen is not None:
        rows = np.flatnonzero(outcome.chosen)
        assert len(rows) >= target
        near = gaps[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)]
        assert (near >= distance * (1 - 1e-9)).all()


def test_branch_and_bound_can_be_interrupted_and_continued():
    near = np.triu(np.random.default_rng(1).random((150, 150)) < 0.4, 1)
    near |= near.T
    for size in (12, 15):
        whole, pieces = PackingSearch(near, size), PackingSearch(near, size)
        pieces.advance(100)
        assert (pieces.over, pieces.rows) == (False, None)
        while not pieces.over:
            pieces.advance(1000)
        whole.advance(1 << 60)
        assert whole.over
        assert (whole.rows is None) == (pieces.rows is None) == (size == 15)
        if whole.rows is not None:
            np.testing.assert_array_equal(whole.rows, pieces.rows)
            assert len(whole.rows) == size
            assert not near[np.ix_(whole.rows, whole.rows)].any()


def test_an_upper_bound_may_be_proven_without_the_optimum():
    # With so little work, only distances at which plainly too few rows fit are ruled out.
    class Hasty(Refine):
        effort = replace(QUICK, optimum_work=2000, bound_work=200_000)

    found = select_uniform(CUBE[:200], 20, normalize=False, refine=Hasty(method="exact"))
    best = exact(CUBE[:200], 20, normalize=False)

    details = found.provenance.refined
    assert best.provenance.refined["proven"]
    assert not details["proven"]
    assert found.h_min <= best.h_min < details["upper_bound"] < 1.5 * best.h_min


def test_it_has_no_prefix_or_extension_and_its_options_are_saved(tmp_path):
    np.save(tmp_path / "v.npy", CUBE)
    found = select_uniform(str(tmp_path / "v.npy"), 30, normalize=False, refine=Quick(seed=3))
    with pytest.raises(errors.BudgetError, match="refined or filled"):
        found.prefix(10)
    assert len(found.prefix(30)) == 30
    with pytest.raises(errors.BudgetError, match=r"fill\(\)"):
        found.extend(40)
    found.save(tmp_path / "m.json")
    loaded = Selection.load(tmp_path / "m.json")
    assert loaded.provenance.options["refine"] == {
        "seconds": None,
        "method": "search",
        "seed": 3,
    }
    saved = json.loads((tmp_path / "m.json").read_text())["provenance"]
    assert saved["details"]["refined"]["proven"] is False


def test_a_checkpoint_keeps_the_picks_before_refinement(tmp_path):
    first = select_uniform(CUBE, 30, normalize=False, checkpoint=tmp_path / "c", refine=Quick())
    again = select_uniform(CUBE, 30, normalize=False, checkpoint=tmp_path / "c", refine=Quick())
    assert again.provenance.taken_over == 30
    np.testing.assert_array_equal(first.indices, again.indices)
    plain = select_uniform(CUBE, 30, normalize=False, checkpoint=tmp_path / "c")
    assert plain.h_min < first.h_min


@pytest.mark.parametrize(
    ("refine", "rules", "says"),
    [
        ("yes", {}, "refine must be True"),
        (3, {}, "refine must be True"),
        (True, {"token_budget": 9, "costs": [1] * 600}, "token_budget="),
        (True, {"quality": [1] * 600}, "quality="),
        (Refine(method="exact"), {"groups": ["a"] * 600, "balance": "equal"}, "not support groups"),
    ],
)
def test_what_cannot_be_refined_is_rejected(refine, rules, says):
    with pytest.raises(errors.OptionError, match=says):
        select_uniform(CUBE, 30, normalize=False, refine=refine, **rules)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seconds": 0}, "more than 0"),
        ({"seconds": float("nan")}, "more than 0"),
        ({"seconds": "1"}, "more than 0"),
        ({"method": "best"}, '"search" or "exact"'),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_invalid_options_of_refine_are_rejected(options, says):
    with pytest.raises(errors.OptionError, match=says):
        Refine(**options)


def test_an_obvious_optimum_needs_no_search():
    near = {"include": [0, int(np.argsort(((CUBE - CUBE[0]) ** 2).sum(axis=1))[1])]}
    for vectors, budget, rules in (
        (CUBE[:40], 40, {}),
        (CUBE, 1, {}),
        (np.ones((9, 2)), 3, {}),
        (CUBE, 9, near),
    ):
        found = select_uniform(vectors, budget, normalize=False, refine=Quick(), **rules)
        assert found.provenance.refined["proven"]
        assert found.provenance.refined["rows_looked_at"] == 0


def test_the_progress_bar_shows_the_steps_and_how_far_they_are(capsys):
    with refined.searching_bar("refining", "h_min", 2.0, True) as report:
        report("searching", 2.1)
        report("counting", None, "rows", 30, 120)
        with mock.patch.object(tqdm, "reset", autospec=True, side_effect=tqdm.reset) as resets:
            report("counting", None, "rows", 60, 120)
            report("finding", None, "tiles", 1, 7)
        assert [call.args[1] for call in resets.mock_calls] == [7]
        report("ordering", None)
        report("counting", None, "rows", 60, 120)
    lines = capsys.readouterr().err
    assert "refining: searching [" in lines
    assert "refining: ordering [" in lines
    assert "refining: counting:  50%" in lines
    assert "60/120 rows [00:00, h_min +5.00%]" in lines
    with refined.searching_bar("refining", "h_min", 0.0, False) as report:
        report("searching", 2.1, "rounds", 1, 2)
    assert capsys.readouterr().err == ""


def test_every_step_of_a_refinement_is_shown():
    shown = {}

    @contextlib.contextmanager
    def bar(*_):
        def report(step, now, unit="", done=0, total=None):
            shown.setdefault(step, []).append((now, unit, done, total))

        yield report

    with mock.patch.object(refined, "searching_bar", bar):
        found = select_uniform(SPHERE[:60], 12, refine=Quick(method="exact"))

    steps = {step: [*dict.fromkeys(unit for _, unit, _, _ in of)] for step, of in shown.items()}
    assert steps == {
        "counting neighbours": [""],
        "finding neighbours": ["tiles"],
        "packing": ["distances"],
        "searching": ["rounds without gain"],
        "proving": ["bounds"],
        "ordering": ["rows"],
        "coverage radius": [""],
    }
    for _, unit, done, total in itertools.chain(*shown.values()):
        assert not unit or 0 <= done <= total
    for step in ("finding neighbours", "searching", "ordering"):
        assert shown[step][-1][2] == shown[step][-1][3]
    gained = [now for now, *_ in shown["searching"]]
    assert gained == sorted(gained)
    assert gained[-1] == pytest.approx(found.h_min)


def test_the_rows_whose_neighbours_are_counted_are_shown():
    shown = []
    effort = replace(QUICK, max_pairs=4000, block_rows=256)
    first = np.arange(60)
    space = SearchSpace(points_of(SPHERE), no_rules(60), None, effort, lambda: None, first)
    space.graph_around(first, 0.5, 0.6, effort.max_pairs, lambda *step: shown.append(step))
    counted = [step[1:] for step in shown if step[0] == "counting neighbours"]
    assert counted == [("rows", begin, 900) for begin in range(0, 900, 256)]
