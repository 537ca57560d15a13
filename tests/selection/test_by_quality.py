"""The best rows that are far enough apart: by definition, and as good as is promised."""

import json
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import Selection, select_by_quality
from evenly.errors import (
    BudgetError,
    ColumnError,
    DataError,
    DuplicateRowsWarning,
    OptionError,
)
from evenly.selection.packing.gist import STEP
from evenly.selection.packing.max_radius import PRECISION, diameter_bound
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.packings import gaps_of, packing_by_definition, points_of
from tests.support.pools import pools

WHOLE = {"normalize": False}


@st.composite
def rated_pools(draw, max_rows=30):
    """Vectors, and qualities among which there are many that tie."""
    vectors = draw(pools(max_rows=max_rows))
    qualities = st.integers(0, 4) | st.floats(0, 1e3)
    quality = draw(st.lists(qualities, min_size=len(vectors), max_size=len(vectors)))
    return vectors, np.array(quality, float)


def by_falling(quality):
    return sorted(range(len(quality)), key=lambda row: (-quality[row], row))


def h_min(gaps, rows):
    return min((gaps[one][other] for one, other in combinations(rows, 2)), default=np.inf)


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateRowsWarning)
        return select_by_quality(*args, **options)


def check_numbers(chosen, gaps):
    """Radii and coverage radius are what their definitions say."""
    rows = chosen.indices.tolist()
    for position, row in enumerate(rows):
        expected = gaps[row][rows[:position]].min(initial=np.inf)
        assert chosen.radii[position] == pytest.approx(expected, rel=1e-12, abs=0)
    covered = gaps[:, rows].min(axis=1).max()
    assert chosen.coverage_radius == pytest.approx(covered, rel=1e-12, abs=0)


@given(data=st.data(), rated=rated_pools(), normalize=st.booleans())
def test_with_a_distance_it_is_the_packing_by_falling_quality(data, rated, normalize):
    vectors, quality = rated
    gaps = gaps_of(vectors, normalize)
    distance = float(data.draw(st.sampled_from(gaps.ravel())))
    budget = data.draw(st.none() | st.integers(1, len(vectors)))

    chosen = quietly(vectors, budget, quality=quality, min_distance=distance, normalize=normalize)

    expected = packing_by_definition(vectors, by_falling(quality), distance, normalize=normalize)
    assert chosen.indices.tolist() == expected[:budget]
    check_numbers(chosen, gaps)


@given(data=st.data(), rated=rated_pools(), normalize=st.booleans())
def test_for_a_budget_it_is_the_packing_at_its_own_h_min(data, rated, normalize):
    vectors, quality = rated
    gaps = gaps_of(vectors, normalize)
    budget = data.draw(st.integers(1, len(vectors)))
    order = by_falling(quality)

    chosen = quietly(vectors, budget, quality=quality, normalize=normalize)

    assert len(chosen) == budget
    check_numbers(chosen, gaps)
    separation = float(chosen.radii.min())
    told = chosen.provenance.by_quality
    if separation > 0:
        whole = packing_by_definition(vectors, order, separation, normalize=normalize)
        assert chosen.indices.tolist() == whole[:budget]
        if told["fails_at"] is None:
            assert separation * (1 + PRECISION) >= gaps.max()
        else:
            assert told["fails_at"] <= separation * (1 + PRECISION)
            fewer = packing_by_definition(vectors, order, told["fails_at"], normalize=normalize)
            assert len(fewer) < budget
    else:
        distinct = packing_by_definition(vectors, order, 0.0, normalize=normalize)
        assert len(distinct) < budget
        others = [row for row in order if row not in distinct][: budget - len(distinct)]
        assert chosen.indices.tolist() == [row for row in order if row in {*distinct, *others}]


@settings(max_examples=150)
@given(data=st.data(), rated=rated_pools(max_rows=9))
def test_h_min_is_half_of_the_best_and_no_rows_twice_as_far_apart_are_better(data, rated):
    vectors, quality = rated
    gaps = gaps_of(vectors)
    budget = data.draw(st.integers(2, max(2, len(vectors)))) if len(vectors) > 1 else 1

    chosen = quietly(vectors, budget, quality=quality, **WHOLE)

    separation = h_min(gaps, chosen.indices)
    best = max(h_min(gaps, rows) for rows in combinations(range(len(vectors)), budget))
    if budget > 1:
        assert separation >= best / 2 / (1 + PRECISION) * (1 - 1e-9)
    for count in range(1, budget + 1):
        first = quality[chosen.indices[:count]].sum()
        for rows in combinations(range(len(vectors)), count):
            if separation > 0 and h_min(gaps, rows) >= 2 * separation:
                assert first >= quality[list(rows)].sum() * (1 - 1e-9)


@settings(max_examples=150)
@given(data=st.data(), rated=rated_pools(max_rows=8), weight=st.sampled_from([0, 0.1, 1, 30, 1e6]))
def test_gist_reaches_half_of_the_best_value(data, rated, weight):
    vectors, quality = rated
    gaps = gaps_of(vectors)
    budget = data.draw(st.integers(1, len(vectors)))
    weight = weight / gaps.max() if gaps.max() else weight

    chosen = quietly(
        vectors, budget, quality=quality, method="gist", diversity_weight=weight, **WHOLE
    )

    check_numbers(chosen, gaps)
    assert min(2, budget) <= len(chosen) <= budget
    order = [by_falling(quality).index(row) for row in chosen.indices]
    assert order == sorted(order)
    if budget == 1:
        assert chosen.indices[0] == by_falling(quality)[0]
        return

    def value(rows):
        return quality[list(rows)].sum() + weight * h_min(gaps, rows)

    sizes = range(2, budget + 1)
    best = max(value(r) for size in sizes for r in combinations(range(len(vectors)), size))
    found = value(chosen.indices) * (1 + 1e-9)
    assert chosen.provenance.by_quality["value"] == pytest.approx(value(chosen.indices))
    assert found >= best / 2 / (1 + STEP)
    upper = diameter_bound(points_of(vectors))
    for step in range(-70, 14):  # and nothing that it promises to look at is better
        kept = packing_by_definition(vectors, by_falling(quality), upper / 2 * (1 + STEP) ** step)
        assert len(kept) < 2 or found >= value(kept[:budget])


def test_gist_looks_at_small_distances_and_at_a_pair_far_apart():
    options = {"method": "gist", **WHOLE}
    line = np.array([[0.0], [0], *[[10 * row] for row in range(1, 40)]])
    even = select_by_quality(line, 40, quality=np.ones(41), diversity_weight=0.05, **options)
    middle = np.array([[0.0], [-10], [10], [9]])
    pair = select_by_quality(middle, 3, quality=[3, 1, 2, 2], diversity_weight=9, **options)

    assert even.indices.tolist() == [0, *range(2, 41)]
    assert pair.indices.tolist() == [2, 1]


def test_gist_takes_no_row_that_is_excluded():
    vectors = np.array([[0.0], [1], [2], [50], [100]])
    options = {"method": "gist", "diversity_weight": 1, **WHOLE}

    chosen = select_by_quality(vectors, 2, quality=[9, 8, 7, 1, 0], exclude=[4], **options)

    assert chosen.indices.tolist() == [0, 3]
    assert chosen.coverage_radius == 2


def test_gist_weighs_quality_against_distance():
    vectors = np.array([[0.0], [1], [2], [50], [100]])
    quality = [9, 8, 7, 1, 0]

    def rows(weight):
        chosen = select_by_quality(
            vectors, 3, quality=quality, method="gist", diversity_weight=weight, **WHOLE
        )
        return sorted(chosen.indices.tolist())

    assert rows(0) == [0, 1, 2]
    assert rows(0.1) == [0, 1, 2]
    assert rows(1) == [0, 4]


@settings(max_examples=200)
@given(data=st.data(), rated=rated_pools(max_rows=16), normalize=st.booleans())
def test_with_rules_it_is_still_the_packing(data, rated, normalize):
    vectors, quality = rated
    gaps = gaps_of(vectors, normalize)
    rows = st.lists(st.integers(0, len(vectors) - 1), unique=True, max_size=3)
    include, exclude, away = (data.draw(rows) for _ in range(3))
    exclude = [row for row in exclude if row not in include]
    away = [row for row in away if row not in include]
    out = {*exclude, *away}
    elsewhere = data.draw(st.booleans())  # then the same vectors are other data
    if elsewhere:
        out = {*exclude}
    usable = [row for row in range(len(vectors)) if row not in out]
    if not usable:
        return
    distance = data.draw(st.none() | st.sampled_from(gaps.ravel().tolist()))
    budget = data.draw(st.integers(max(1, len(include)), max(1, len(usable))))
    rules = {
        "include": include,
        "exclude": exclude,
        "away_from": vectors[away] if elsewhere else away,
    }

    chosen = quietly(
        vectors, budget, quality=quality, min_distance=distance, **rules, normalize=normalize
    )

    order = [row for row in by_falling(quality) if row in usable and row not in include]
    kept = chosen.indices.tolist()
    assert kept[: len(include)] == include
    for position, row in enumerate(kept):
        expected = gaps[row][away + kept[:position]].min(initial=np.inf)
        assert chosen.radii[position] == pytest.approx(expected, rel=1e-12, abs=0)
    covered = gaps[np.ix_(usable, kept + away)].min(axis=1).max()
    assert chosen.coverage_radius == pytest.approx(covered, rel=1e-12, abs=0)
    others = {"normalize": normalize, "away": vectors[away + include]}
    owed = budget - len(include)
    if distance is None:
        assert len(kept) == budget
        distance = float(chosen.radii[len(include) :].min(initial=np.inf))
        fails_at = chosen.provenance.by_quality.get("fails_at")
        if fails_at is not None:
            assert fails_at <= distance * (1 + PRECISION)
            assert len(packing_by_definition(vectors, order, fails_at, **others)) < owed
        if distance in (0.0, np.inf):
            assert distance > 0 or len(packing_by_definition(vectors, order, 0, **others)) < owed
            return
    expected = packing_by_definition(vectors, order, distance, **others)[:owed]
    assert kept[len(include) :] == expected


def test_rows_to_include_come_first_and_others_keep_away_from_them():
    vectors = np.arange(10.0)[:, None]
    quality = np.arange(10)

    chosen = select_by_quality(
        vectors,
        quality=quality,
        min_distance=2,
        include=[8, 7],
        exclude=[5],
        away_from=[2],
        **WHOLE,
    )

    assert chosen.indices.tolist() == [8, 7, 4, 0]
    assert chosen.radii.tolist() == [6, 1, 2, 2]
    assert chosen.coverage_radius == 1  # row 5 is none that could be chosen
    both = select_by_quality(vectors, 2, quality=quality, include=[8, 7], **WHOLE)
    assert both.indices.tolist() == [8, 7]


def test_for_a_budget_too_it_keeps_away_from_other_data():
    vectors = np.arange(21.0)[:, None]
    options = {"quality": np.ones(21), "include": [20], "away_from": np.array([[10.0]]), **WHOLE}

    chosen = select_by_quality(vectors, 4, **options)

    assert chosen.indices.tolist() == [20, 0, 5, 15]
    assert chosen.radii.tolist() == [10, 10, 5, 5]
    assert chosen.coverage_radius == 2


@pytest.mark.parametrize("options", [{"min_distance": 0.5}, {"budget": 12}])
def test_it_is_the_same_wherever_the_vectors_are(tmp_path, options):
    rng = np.random.default_rng(5)
    vectors, quality = rng.standard_normal((60, 3)), rng.integers(0, 5, 60)
    np.save(tmp_path / "pool.npy", vectors)
    options = {**options, "quality": quality, "include": [3], "away_from": [7, 8]}

    memory = select_by_quality(vectors, **options, **WHOLE)
    mapped = select_by_quality(
        tmp_path / "pool.npy", engine="mapped", memory="30KB", **options, **WHOLE
    )
    distances = select_by_quality(gaps_of(vectors), engine="distances", **options)

    assert memory.indices.tolist() == mapped.indices.tolist() == distances.indices.tolist()
    assert memory.radii.tolist() == mapped.radii.tolist()
    np.testing.assert_allclose(memory.radii, distances.radii, rtol=1e-12)
    assert memory.coverage_radius == mapped.coverage_radius
    assert memory.coverage_radius == pytest.approx(distances.coverage_radius)


def test_texts_with_the_quality_in_a_column(tmp_path):
    texts = texts_of(30)
    path = tmp_path / "rated.jsonl"
    records = [{"text": text, "score": row % 7} for row, text in enumerate(texts)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    options = {"encoder": TopicEncoder(), "cache_dir": False}

    chosen = select_by_quality(path, 0.2, quality="score", **options)

    assert len(chosen) == 6
    scores = [row % 7 for row in chosen.indices]
    assert scores == sorted(scores, reverse=True)
    chosen.save(tmp_path / "manifest.json")
    loaded = Selection.load(tmp_path / "manifest.json")
    assert loaded.indices.tolist() == chosen.indices.tolist()
    assert loaded.provenance.options["quality"] == "score"
    chosen.write(tmp_path / "best.jsonl")
    lines = (tmp_path / "best.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [records[row] for row in chosen.indices]


def test_what_other_budgets_would_give_is_not_pretended():
    vectors, quality = np.arange(10.0)[:, None], np.arange(10)
    packing = select_by_quality(vectors, 4, quality=quality, **WHOLE)
    gist = select_by_quality(
        vectors, 3, quality=quality, method="gist", diversity_weight=1, **WHOLE
    )

    fewer = packing.prefix(2)

    assert fewer.indices.tolist() == packing.indices[:2].tolist()
    assert np.isnan(fewer.coverage_radius)
    with pytest.raises(BudgetError, match="select again"):
        gist.prefix(2)
    with pytest.raises(BudgetError, match="select_by_quality"):
        packing.extend(6, vectors)


def test_a_row_left_out_is_explained_and_assigned():
    vectors, quality = np.arange(10.0)[:, None], np.arange(10)
    chosen = select_by_quality(vectors, quality=quality, min_distance=3, **WHOLE)

    assert chosen.indices.tolist() == [9, 6, 3, 0]
    assert "row 8 was left out" in str(chosen.explain(8, vectors))
    assert chosen.assignments(vectors).nearest.tolist() == [0, 0, 3, 3, 3, 6, 6, 6, 9, 9]


def test_fewer_distinct_rows_than_the_budget_are_a_warning():
    vectors = np.array([[1.0], [2], [1], [2], [1]])

    with pytest.warns(DuplicateRowsWarning, match="only 2 of the 4 rows are distinct") as caught:
        chosen = select_by_quality(vectors, 4, quality=[1, 2, 5, 2, 3], **WHOLE)

    assert chosen.indices.tolist() == [2, 4, 1, 3]
    assert caught[0].filename == __file__


def test_included_rows_are_not_taken_twice_where_rows_are_not_distinct():
    vectors = np.ones((5, 2))

    with pytest.warns(DuplicateRowsWarning, match="only 1 of the 3 rows"):
        chosen = select_by_quality(vectors, 3, quality=[1, 2, 3, 4, 5], include=[1])

    assert chosen.indices.tolist() == [1, 4, 3]


def test_gist_may_find_a_distance_of_zero_worth_it():
    chosen = select_by_quality(
        np.ones((3, 2)), 2, quality=[1, 2, 3], method="gist", diversity_weight=1
    )

    assert chosen.indices.tolist() == [2, 1]
    assert chosen.radii.tolist() == [np.inf, 0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, BudgetError, "nothing says how many rows"),
        ({"budget": 5}, BudgetError, "between 1 and the pool size 4"),
        ({"min_distance": -1}, OptionError, "min_distance must be a finite distance"),
        ({"min_distance": float("nan")}, OptionError, "min_distance must be a finite distance"),
        ({"budget": 2, "quality": [1, 2, float("nan"), 3]}, DataError, "row 2 is nan"),
        ({"budget": 2, "quality": [1, -2, 0, 3]}, DataError, "row 1 is -2"),
        ({"budget": 2, "quality": [1, 2]}, OptionError, "2 values, but .* has 4 rows"),
        ({"budget": 2, "quality": "score"}, (ColumnError, DataError), "score"),
        ({"budget": 2, "method": "best"}, OptionError, 'must be "packing" or "gist"'),
        ({"budget": 2, "engine": "cuda"}, OptionError, "auto, memory, mapped, distances"),
        ({"budget": 2, "diversity_weight": 1}, OptionError, 'for method="gist"'),
        ({"method": "gist", "diversity_weight": 1}, BudgetError, "needs budget="),
        ({"method": "gist", "budget": 2}, OptionError, "needs diversity_weight="),
        (
            {"method": "gist", "budget": 2, "diversity_weight": -1},
            OptionError,
            "0 or more, got -1",
        ),
        (
            {"method": "gist", "budget": 2, "diversity_weight": 1, "include": [1]},
            OptionError,
            "does not support include=",
        ),
        (
            {"method": "gist", "budget": 2, "diversity_weight": 1, "min_distance": 1},
            OptionError,
            "does not support min_distance=",
        ),
    ],
)
def test_what_cannot_be_is_refused(options, error, message):
    options = {"quality": [1, 2, 3, 4], **options}

    with pytest.raises(error, match=message):
        select_by_quality(np.eye(4), **options)
