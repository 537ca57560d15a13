"""Filled selections: more rows that are as far apart, and none that could still be added."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import Refine, Selection, errors, select_uniform
from evenly.selection.refine.effort import SearchEffort
from evenly.selection.refine.portfolio import TabuPortfolio
from tests.support.best_possible import gaps_of, most_rows_at, points_of
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.pools import pools

RNG = np.random.default_rng(6)
SPHERE = RNG.normal(size=(900, 12))

QUICK = SearchEffort(least_work=20_000, idle_work=120_000)


@pytest.fixture(autouse=True)
def quick_searches(monkeypatch):
    """Search with a hundredth of the work, which is enough for the small pools of tests."""
    monkeypatch.setattr(Refine, "effort", QUICK)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100)
@given(vectors=pools(max_rows=14), normalize=st.booleans(), data=st.data())
def test_more_rows_and_none_that_could_be_added(vectors, normalize, data):
    order = data.draw(st.permutations(range(len(vectors))))
    include, away = order[: data.draw(st.integers(0, 2))], order[2 : data.draw(st.integers(2, 4))]
    rules = {"include": list(include), "away_from": list(away)}
    rules = {name: rows for name, rows in rules.items() if rows}
    usable = len(vectors) - len(away)
    budget = data.draw(st.integers(max(1, len(include)), max(1, usable)))
    greedy = select_uniform(vectors, budget, normalize=normalize, **rules)
    if not 0 < greedy.h_min < np.inf:
        with pytest.raises(errors.BudgetError, match="nothing to fill"):
            greedy.fill(**rules)
        return

    filled = greedy.fill(**rules)

    gaps = gaps_of(points_of(vectors, normalize))
    rows, least = filled.indices.tolist(), greedy.h_min * (1 - 1e-9)
    assert len(set(rows)) == len(rows) >= budget
    assert not set(rows) & set(away)
    assert rows[: len(include)] == list(include)
    assert filled.h_min >= least
    near = gaps[np.ix_(rows, [*rows, *away])].copy()
    near[np.arange(len(rows)), np.arange(len(rows))] = np.inf
    assert near.min(initial=np.inf) == pytest.approx(filled.h_min, rel=1e-9)
    for row in set(order) - set(rows) - set(away):
        assert gaps[row, [*rows, *away]].min() < greedy.h_min * (1 + 1e-9)
    if not rules:
        # On pools so small the walks find the most there is, within what rounding makes of ties.
        assert len(rows) <= most_rows_at(gaps, least)
        assert len(rows) >= most_rows_at(gaps, greedy.h_min * (1 + 1e-9))


def test_what_greedy_missed_is_found(tmp_path):
    greedy = select_uniform(SPHERE, 100)
    filled = greedy.fill()
    assert len(filled) > 115
    assert filled.h_min >= greedy.h_min * (1 - 1e-9)
    told = filled.provenance.filled
    assert (told["rows_before"], told["ended_by"]) == (100, "search")
    np.testing.assert_array_equal(filled.indices, greedy.fill().indices)
    assert (np.diff(filled.radii[1:]) <= 1e-12).all()
    with pytest.raises(errors.BudgetError, match="refined or filled"):
        filled.prefix(10)
    with pytest.raises(errors.BudgetError, match="no more rows fit"):
        filled.extend(200)
    filled.save(tmp_path / "f.json")
    assert len(Selection.load(tmp_path / "f.json")) == len(filled)


def test_a_refined_selection_is_filled_at_its_own_h_min():
    refined = select_uniform(SPHERE, 100, refine=Refine())
    filled = refined.fill()
    assert len(filled) >= 100
    assert filled.h_min >= refined.h_min * (1 - 1e-9)


def test_a_smaller_distance_may_be_named():
    selection = select_uniform(SPHERE, 50)
    wide = selection.fill()
    near = selection.fill(min_distance=selection.h_min * 0.9)
    assert len(near) > len(wide)
    assert selection.h_min * 0.9 * (1 - 1e-9) <= near.h_min < selection.h_min
    for distance, says in ((selection.h_min * 1.01, "is more than"), (0, "more than 0"), ("a", "")):
        with pytest.raises(errors.OptionError, match=f"min_distance.*{says}"):
            selection.fill(min_distance=distance)


def test_what_cannot_be_filled_is_refused():
    for rules in (
        {"groups": ["a", "b"] * 450, "balance": "equal"},
        {"quality": np.arange(900.0), "quality_weight": 1},
        {"costs": np.ones(900, int), "token_budget": 20},
    ):
        with pytest.raises(errors.BudgetError, match="cannot be filled"):
            select_uniform(SPHERE, 20, **rules).fill()


def test_rows_left_out_of_the_search_are_filled_in_at_last(monkeypatch):
    monkeypatch.setattr(Refine, "effort", replace(QUICK, max_rows=120, max_pairs=3000))
    greedy = select_uniform(SPHERE, 100)
    filled = greedy.fill()
    assert filled.provenance.filled["rows_looked_at"] < 900
    gaps = gaps_of(points_of(SPHERE))
    assert (gaps[:, filled.indices].min(axis=1) < greedy.h_min).all()


@pytest.mark.parametrize("ended", ["time", "interrupt"])
def test_it_ends_early_with_the_best_so_far(ended, monkeypatch):
    greedy = select_uniform(SPHERE, 100)
    if ended == "interrupt":

        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(TabuPortfolio, "run", interrupt)
        filled = greedy.fill()
        assert len(filled) > 105  # that of the first packing
    else:
        filled = greedy.fill(seconds=1e-9)
        assert len(filled) >= 100
    assert filled.provenance.filled["ended_by"] == ended
    assert filled.h_min >= greedy.h_min * (1 - 1e-9)


def test_texts_are_not_embedded_again(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))

    class Cached(TopicEncoder):
        fingerprint = "topics 1"

    texts = texts_of(60)
    selection = select_uniform(texts, 20, encoder=Cached(), normalize=False)
    filled = selection.fill(encoder=Cached())
    assert filled.provenance.encoder.reused == 60
    assert len(filled.take(texts)) == len(filled)


def test_distances_of_another_metric_are_filled_away_from_rows():
    gaps = np.abs(SPHERE[:200, None] - SPHERE[:200]).sum(axis=2)
    rules = {"include": [4], "away_from": [1, 2, 3]}
    selection = select_uniform(gaps, 8, engine="distances", **rules)

    filled = selection.fill(min_distance=selection.h_min * 0.8)

    rows = filled.indices
    near = gaps[np.ix_(rows, [*rows, 1, 2, 3])].copy()
    near[np.arange(len(rows)), np.arange(len(rows))] = np.inf
    assert near.min() >= selection.h_min * 0.8 * (1 - 1e-9)
    assert not {1, 2, 3} & set(rows.tolist())
