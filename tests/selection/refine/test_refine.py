"""Refined selections: never worse, under the same rules, and the best where that is proven."""

import itertools
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from evenly import Refine, Selection, errors, select_uniform
from evenly.geometry import reach_of
from evenly.geometry.search.neighbour_graph import neighbour_graph
from evenly.selection.refine import apply as refined
from evenly.selection.refine import climb, proof, search
from evenly.selection.refine import subproblem as subproblem
from evenly.selection.refine.branch_and_bound import PackingSearch
from evenly.selection.refine.proof import look_for
from evenly.selection.refine.search import refine
from tests.support.best_possible import best_h_min, gaps_of, most_rows_at, points_of
from tests.support.pools import pools

RNG = np.random.default_rng(5)
CUBE = RNG.uniform(size=(600, 3))
SPHERE = RNG.normal(size=(900, 12))


@pytest.fixture(autouse=True)
def short_walks(monkeypatch):
    """What takes a second takes a hundredth of it: pools of tests are small."""
    monkeypatch.setattr(climb, "_LEAST_WORK", 20_000)
    monkeypatch.setattr(climb, "_STEPS_WITHOUT", 120_000)


@pytest.fixture(autouse=True)
def no_warnings_of_duplicates():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.DuplicateRowsWarning)
        warnings.simplefilter("ignore", errors.IsolatedRowsWarning)
        yield


def exact(vectors, budget, **options):
    return select_uniform(vectors, budget, refine=Refine(method="exact"), **options)


def assert_farthest_first_among_themselves(selection, gaps, included=0):
    """Radii are distances to earlier rows, and no later row was farther than the one picked."""
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
    told = found.provenance["refined"]
    assert told["proven"]
    assert len(set(found.indices.tolist())) == len(found) == budget
    assert_farthest_first_among_themselves(found, gaps)
    if budget > 1:
        assert found.h_min == pytest.approx(best_h_min(gaps, budget), rel=1e-9, abs=1e-200)
        assert told["upper_bound"] == pytest.approx(found.h_min, rel=1e-9, abs=1e-200)
    left = np.delete(gaps, found.indices, axis=0)[:, found.indices]
    assert found.coverage_radius == pytest.approx(
        left.min(axis=1).max(initial=0.0), rel=1e-9, abs=1e-12
    )
    assert found.h_min >= greedy.h_min


@settings(max_examples=100)
@given(vectors=pools(max_rows=30), normalize=st.booleans(), data=st.data())
def test_a_search_is_never_worse_and_never_better_than_the_best(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    greedy = select_uniform(vectors, budget, normalize=normalize)

    found = select_uniform(vectors, budget, normalize=normalize, refine=True)

    best = exact(vectors, budget, normalize=normalize)
    assert len(set(found.indices.tolist())) == budget
    assert greedy.h_min <= found.h_min <= best.h_min * (1 + 1e-9)
    assert_farthest_first_among_themselves(found, gaps_of(points_of(vectors, normalize)))
    assert found.provenance["refined"]["greedy_h_min"] == (greedy.h_min if budget > 1 else None)


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

    def spread(rows):
        rows = [*include, *rows]
        apart = gaps[np.ix_(rows, [*rows, *away])].copy()
        apart[np.arange(len(rows)), np.arange(len(rows))] = np.inf
        return apart.min(initial=np.inf)

    best = max(map(spread, itertools.combinations(free, budget - len(include))))
    assert found.h_min == pytest.approx(best, rel=1e-9, abs=1e-200)
    assert list(found.indices[: len(include)]) == list(include)
    assert set(found.indices.tolist()) <= set(usable)
    assert spread(found.indices[len(include) :].tolist()) == pytest.approx(
        found.h_min, rel=1e-9, abs=1e-200
    )
    assert found.provenance["refined"]["proven"]


def test_rows_of_a_larger_pool_are_farther_apart_under_rules():
    exclude, away = list(range(100, 200)), np.random.default_rng(8).normal(size=(30, 12))
    include = select_uniform(SPHERE, 5, away_from=away, exclude=exclude).indices[2:].tolist()
    rules = {"include": include, "exclude": exclude, "away_from": away}
    greedy = select_uniform(SPHERE, 100, **rules)

    found = select_uniform(SPHERE, 100, refine=True, **rules)

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

    found = select_uniform(CUBE, 45, normalize=False, refine=True, **rules)

    def counts(rows):
        listed = [names[row] if overlapping else [names[row]] for row in rows]
        return np.unique(list(itertools.chain(*listed)), return_counts=True)

    np.testing.assert_array_equal(counts(found.indices), counts(greedy.indices))
    assert found.h_min > 1.02 * greedy.h_min


def test_a_copy_that_quotas_made_greedy_take_is_exchanged():
    # Greedy takes 0 and 9, and then of the group "b" only a copy of 9 is left.
    rows = np.array([[0.0], [9.0], [9.0], [5.0], [6.0]])
    rules = {"groups": ["a", "a", "b", "a", "a"], "quotas": {"b": 1}, "start": 0}
    greedy = select_uniform(rows, 3, normalize=False, **rules)

    found = select_uniform(rows, 3, normalize=False, refine=True, **rules)

    assert greedy.h_min == 0
    assert sorted(found.indices) == [0, 2, 3]
    assert found.h_min == 4.0


def test_refined_rows_are_farther_apart_and_the_same_each_time():
    greedy = select_uniform(SPHERE, 100)
    found = [select_uniform(SPHERE, 100, refine=True) for _ in range(2)]
    with threadpool_limits(1):
        found.append(select_uniform(SPHERE, 100, refine=True))
    others = select_uniform(SPHERE, 100, refine=Refine(seed=1))

    assert found[0].h_min > 1.03 * greedy.h_min
    for again in found[1:]:
        np.testing.assert_array_equal(again.indices, found[0].indices)
    assert set(others.indices) != set(found[0].indices)
    assert found[0].coverage_radius == pytest.approx(
        gaps_of(points_of(SPHERE))[:, found[0].indices].min(axis=1).max(), rel=1e-9
    )


def test_min_distance_is_kept_and_its_number_of_rows():
    greedy = select_uniform(SPHERE, min_distance=0.9)
    found = select_uniform(SPHERE, min_distance=0.9, refine=True)
    assert len(found) == len(greedy)
    assert found.h_min > greedy.h_min >= 0.9


def test_distances_of_another_metric():
    gaps = np.abs(CUBE[:, None] - CUBE).sum(axis=2)[:150, :150]
    gaps = np.triu(gaps) + np.triu(gaps).T
    rules = {"include": [7], "away_from": [1, 2]}
    greedy = select_uniform(gaps, 12, engine="distances", **rules)

    found = exact(gaps, 12, engine="distances", **rules)

    assert found.provenance["refined"]["proven"]
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
    there = select_uniform(str(tmp_path / "vectors.npy"), 80, engine="mapped", refine=True)
    here = select_uniform(SPHERE.astype(np.float32), 80, refine=True)
    np.testing.assert_array_equal(there.indices, here.indices)


def test_of_a_large_pool_the_rows_that_matter_are_looked_at(monkeypatch):
    monkeypatch.setattr(search, "_FEW", 0)
    monkeypatch.setattr(subproblem, "_PAIRS", 4000)
    greedy = select_uniform(SPHERE, 60)
    found = exact(SPHERE, 60)
    told = found.provenance["refined"]
    assert 60 < told["rows_looked_at"] < 600
    assert not told["proven"]
    assert told["upper_bound"] is None
    assert found.h_min > greedy.h_min

    monkeypatch.setattr(subproblem, "_ROWS", 130)
    monkeypatch.setattr(subproblem, "_BLOCK", 64)
    told = exact(SPHERE, 60).provenance["refined"]
    assert told["rows_looked_at"] == 130
    assert not told["proven"]
    assert told["upper_bound"] is None


def test_more_pairs_than_were_expected_are_done_without(monkeypatch):
    monkeypatch.setattr(search, "_FEW", 0)
    monkeypatch.setattr(subproblem, "_PAIRS", 4000)
    everything = {}

    def that_matter(points, rows, begun, distance, pairs, *_):
        everything[pairs] = len(rows)
        return np.arange(len(rows)) if pairs > 100 else np.flatnonzero(begun)

    monkeypatch.setattr(subproblem, "_relevant_rows", that_matter)
    found = select_uniform(SPHERE, 60, refine=True)
    assert sorted(everything) == [62.5, 250, 1000, 4000]
    assert found.provenance["refined"]["rows_looked_at"] == 60


def test_rows_much_farther_apart_than_was_hoped_are_found(monkeypatch):
    # Greedy begins in the middle, and the best rows are the corners.
    monkeypatch.setattr(search, "_FEW", 0)
    rows = np.array([[0.0, 0], [1, 1], [-1, 1], [1, -1], [-1, -1]])
    assert select_uniform(rows, 4, normalize=False, start=0).h_min == pytest.approx(2**0.5)
    found = select_uniform(rows, 4, normalize=False, start=0, refine=True)
    assert sorted(found.indices) == [1, 2, 3, 4]
    assert found.h_min == 2.0


def test_hope_grows_with_what_is_found(monkeypatch):
    monkeypatch.setattr(search, "_FEW", 0)
    line = np.linspace(0, 1, 301)[:, None]
    greedy = select_uniform(line, 12, normalize=False, start=150)
    found = select_uniform(line, 12, normalize=False, start=150, refine=True)
    assert greedy.h_min < 0.065  # it halves gaps
    assert found.h_min >= 27 / 300 * (1 - 1e-9)


def test_time_ends_a_search():
    greedy = select_uniform(SPHERE, 100)
    found = select_uniform(SPHERE, 100, refine=Refine(seconds=1e-9))
    assert found.provenance["refined"]["ended_by"] == "time"
    np.testing.assert_array_equal(found.indices, greedy.indices)


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_an_interrupt_ends_it_with_the_best_so_far(after):
    greedy = select_uniform(SPHERE, 100)
    seen = []

    def told(_, distance):
        if len(seen) == after:
            raise KeyboardInterrupt
        seen.append(distance)

    points = points_of(SPHERE)
    picks = search_picks(greedy)
    found = refine(points, no_rules(100), picks, Refine(), told=told)

    assert found.ended == "interrupt"
    gaps = gaps_of(points)
    rows = greedy.indices if found.rows is None else found.rows
    apart = gaps[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)].min()
    assert apart >= max([greedy.h_min, *seen]) * (1 - 1e-9)


def test_an_interrupted_refinement_is_a_selection(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(search.Climb, "rise", interrupt)
    greedy = select_uniform(SPHERE, 100)
    found = select_uniform(SPHERE, 100, refine=True)
    assert found.provenance["refined"]["ended_by"] == "interrupt"
    assert found.h_min > greedy.h_min  # of the packing that it began with


def no_rules(budget):
    from evenly.selection.rules.rules import Rules

    return Rules.none(budget)


def search_picks(selection):
    from evenly.selection.greedy.picks import Picks

    return Picks(np.array(selection.indices), np.array(selection.radii))


@settings(max_examples=150)
@given(vectors=pools(max_rows=13), data=st.data())
def test_a_proof_is_right(vectors, data):
    points = points_of(vectors, normalize=False)
    gaps = gaps_of(points)
    distance = data.draw(st.sampled_from([*np.unique(gaps), gaps.max() * 1.1]))
    target = data.draw(st.integers(1, len(vectors)))
    graph = neighbour_graph(points, np.arange(len(vectors)), 2 * gaps.max() + 1)
    begun = np.zeros(len(vectors), bool)
    begun[data.draw(st.integers(0, len(vectors) - 1))] = True

    verdict = look_for(
        graph,
        reach_of(distance),
        target,
        limits=np.full(len(vectors), np.inf),
        begun=begun,
        work=1e9,
        check=lambda: None,
    )

    most = most_rows_at(gaps * (1 + 1e-11), distance or 5e-324)  # at 0 rows that coincide
    assert verdict.certain == (most < target)
    if verdict.chosen is not None:
        rows = np.flatnonzero(verdict.chosen)
        assert len(rows) >= target
        near = gaps[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)]
        assert (near >= distance * (1 - 1e-9)).all()


def test_a_search_that_is_cut_short_is_not_certain():
    near = np.triu(np.random.default_rng(1).random((150, 150)) < 0.4, 1)
    near |= near.T
    for size in (12, 15):
        whole, pieces = PackingSearch(near, size), PackingSearch(near, size)
        pieces.go_on(100)
        assert (pieces.over, pieces.rows) == (False, None)
        while not pieces.over:
            pieces.go_on(1000)
        whole.go_on(1 << 60)
        assert whole.over
        assert (whole.rows is None) == (pieces.rows is None) == (size == 15)
        if whole.rows is not None:
            np.testing.assert_array_equal(whole.rows, pieces.rows)
            assert len(whole.rows) == size
            assert not near[np.ix_(whole.rows, whole.rows)].any()


def test_where_the_best_is_not_proven_a_bound_may_be(monkeypatch):
    # So little work that only distances that plainly too few rows have are ruled out.
    monkeypatch.setattr(proof, "_LAST", 2000)
    monkeypatch.setattr(proof, "_WORK", 200_000)
    found = exact(CUBE[:200], 20, normalize=False)
    monkeypatch.setattr(proof, "_LAST", 1e10)
    best = exact(CUBE[:200], 20, normalize=False)

    told = found.provenance["refined"]
    assert best.provenance["refined"]["proven"]
    assert not told["proven"]
    assert found.h_min <= best.h_min < told["upper_bound"] < 1.5 * best.h_min


def test_it_is_neither_cut_nor_extended_and_reproduces(tmp_path):
    np.save(tmp_path / "v.npy", CUBE)
    found = select_uniform(str(tmp_path / "v.npy"), 30, normalize=False, refine=Refine(seed=3))
    with pytest.raises(errors.BudgetError, match="refined or filled"):
        found.prefix(10)
    assert len(found.prefix(30)) == 30
    with pytest.raises(errors.BudgetError, match=r"fill\(\)"):
        found.extend(40)
    found.save(tmp_path / "m.json")
    loaded = Selection.load(tmp_path / "m.json")
    assert loaded.provenance["options"]["refine"] == {
        "seconds": None,
        "method": "search",
        "seed": 3,
    }
    assert json.loads((tmp_path / "m.json").read_text())["provenance"]["refined"]["proven"] is False


def test_a_checkpoint_keeps_the_picks_before_refinement(tmp_path):
    first = select_uniform(CUBE, 30, normalize=False, checkpoint=tmp_path / "c", refine=True)
    again = select_uniform(CUBE, 30, normalize=False, checkpoint=tmp_path / "c", refine=True)
    assert again.provenance["taken_over"] == 30
    np.testing.assert_array_equal(first.indices, again.indices)
    plain = select_uniform(CUBE, 30, normalize=False, checkpoint=tmp_path / "c")
    assert plain.h_min < first.h_min


@pytest.mark.parametrize(
    ("refine", "rules", "says"),
    [
        ("yes", {}, "refine must be True"),
        (3, {}, "refine must be True"),
        (True, {"token_budget": 9, "costs": [1] * 600}, "token_budget="),
        (True, {"quality": [1] * 600, "quality_weight": 1}, "quality_weight="),
        (Refine(method="exact"), {"groups": ["a"] * 600, "balance": "equal"}, "knows no groups"),
    ],
)
def test_what_cannot_be_refined_is_refused(refine, rules, says):
    with pytest.raises(errors.OptionError, match=says):
        select_uniform(CUBE, 30, normalize=False, refine=refine, **rules)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seconds": 0}, "more than 0"),
        ({"seconds": float("nan")}, "more than 0"),
        ({"seconds": "1"}, "more than 0"),
        ({"method": "best"}, "search, exact"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_what_refine_cannot_be(options, says):
    with pytest.raises(errors.OptionError, match=says):
        Refine(**options)


def test_where_nothing_can_be_better_it_is_known_at_once():
    near = {"include": [0, int(np.argsort(((CUBE - CUBE[0]) ** 2).sum(axis=1))[1])]}
    for vectors, budget, rules in (
        (CUBE[:40], 40, {}),
        (CUBE, 1, {}),
        (np.ones((9, 2)), 3, {}),
        (CUBE, 9, near),
    ):
        found = select_uniform(vectors, budget, normalize=False, refine=True, **rules)
        assert found.provenance["refined"]["proven"]
        assert found.provenance["refined"]["rows_looked_at"] == 0


def test_the_line_on_the_screen_says_how_far_it_is(capsys):
    with refined.searching_bar("refining", "h_min", 2.0, True) as told:
        told("searching", 2.1)
    assert "refining: searching" in capsys.readouterr().err
    with refined.searching_bar("refining", "h_min", 0.0, False) as told:
        told("searching", 2.1)
    assert capsys.readouterr().err == ""
