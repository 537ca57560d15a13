"""Rules through the front door, and what a selection with rules can do afterwards."""

import json

import numpy as np
import pytest

from evenly import Selection, deduplicate, select_by_quality, select_uniform
from evenly.errors import (
    BudgetError,
    CheckpointError,
    ColumnError,
    DataError,
    DuplicateRowsWarning,
    ManifestError,
    OptionError,
    QuotaError,
    RowError,
    VectorError,
)
from tests.support import oracle
from tests.support.encoders import TopicEncoder, texts_of

RANDOM = np.random.default_rng(5)
VECTORS = RANDOM.standard_normal((200, 6)).astype(np.float32)
GROUPS = RANDOM.choice(["code", "maths", "chat"], 200, p=[0.2, 0.3, 0.5])
COSTS = RANDOM.integers(1, 50, 200)
QUALITY = RANDOM.uniform(0.1, 9.0, 200)


def chosen(*args, **options):
    return select_uniform(VECTORS, *args, cache_dir=False, **options)


def test_included_rows_come_first_and_are_counted():
    subset = chosen(20, include=[7, 3, 9])
    assert subset.indices[:3].tolist() == [7, 3, 9]
    expected = oracle.with_rules(VECTORS, 20, True, [7, 3, 9])
    np.testing.assert_array_equal(subset.indices, expected[0])
    np.testing.assert_allclose(subset.radii, expected[1], rtol=1e-6)
    assert subset.coverage_radius == pytest.approx(expected[2], rel=1e-6)
    assert subset.h_min == pytest.approx(oracle.h_min(oracle.unit_rows(VECTORS[subset.indices])))


def test_excluded_rows_are_never_chosen_nor_covered():
    plain = chosen(20)
    subset = chosen(20, exclude=plain.indices)
    assert not set(subset.indices) & set(plain.indices)
    kept = np.setdiff1d(np.arange(200), plain.indices)
    single_threaded_blas = select_uniform(VECTORS[kept], 20)
    np.testing.assert_array_equal(subset.indices, kept[single_threaded_blas.indices])
    assert subset.coverage_radius == single_threaded_blas.coverage_radius


@pytest.mark.parametrize("by", ["rows", "selection", "vectors"])
def test_what_is_kept_away_from_is_neither_counted_nor_returned(by):
    seen = chosen(15)
    away = {"rows": seen.indices, "selection": seen, "vectors": VECTORS[seen.indices]}[by]
    subset = chosen(10, away_from=away)
    assert len(subset) == 10
    gaps = np.linalg.norm(
        oracle.unit_rows(VECTORS.astype(float))[subset.indices, None]
        - oracle.unit_rows(VECTORS.astype(float))[seen.indices],
        axis=2,
    )
    assert gaps.min() == pytest.approx(subset.h_min, rel=1e-6) or gaps.min() > subset.h_min
    # One run that goes on: the farthest from what is there already.
    np.testing.assert_array_equal(subset.indices, chosen(25).indices[15:])


def test_a_distance_ends_the_selection():
    whole = chosen(200)
    subset = chosen(min_distance=0.5)
    assert len(subset) == np.count_nonzero(whole.radii >= 0.5)
    np.testing.assert_array_equal(subset.indices, whole.indices[: len(subset)])
    assert subset.h_min >= 0.5 > subset.coverage_radius
    assert len(chosen(10, min_distance=0.5)) == 10
    assert chosen(min_distance=subset.h_min).h_min == subset.h_min


def test_quotas_are_met_exactly():
    subset = chosen(60, groups=GROUPS, quotas={"code": 25, "maths": (5, 10)})
    found = {name: int(np.sum(GROUPS[subset.indices] == name)) for name in set(GROUPS)}
    assert found["code"] == 25
    assert 5 <= found["maths"] <= 10
    assert len(subset) == 60
    equal = chosen(60, groups=GROUPS, balance="equal")
    assert [int(np.sum(GROUPS[equal.indices] == name)) for name in set(GROUPS)] == [20, 20, 20]
    with pytest.raises(QuotaError, match=r"'code' has \d+ usable rows"):
        chosen(190, groups=GROUPS, quotas={"code": 150})


def test_tokens_are_never_exceeded_and_are_used():
    subset = chosen(token_budget=1000, costs=COSTS)
    spent = COSTS[subset.indices].sum()
    assert 990 <= spent <= 1000
    assert len(chosen(5, token_budget=1000, costs=COSTS)) == 5
    assert subset.extend(200, costs=COSTS).indices.tolist() == subset.indices.tolist()


def test_duplicates_that_tokens_are_left_for_are_told_of_with_a_way_out():
    rows, costs = np.repeat(np.eye(3), 4, axis=0), np.ones(12, int)
    with pytest.warns(DuplicateRowsWarning, match="only 3 .* pass a min_distance= above 0"):
        assert len(select_uniform(rows, token_budget=9, costs=costs)) == 9
    distinct = select_uniform(rows, token_budget=9, costs=costs, min_distance=1e-6)
    assert len(distinct) == 3


def test_the_last_tokens_are_not_spent_on_short_rows_near_to_others():
    # Ten rows far apart, and ten near to them that cost nearly nothing.
    rows = np.concatenate([np.eye(10), np.eye(10) + 1e-3 * np.eye(10)[::-1]])
    costs = np.repeat([110, 1], 10)
    spread = select_uniform(rows, token_budget=996, costs=costs)
    assert costs[spread.indices].tolist() == [110] * 9
    assert spread.h_min > 1
    # Below 99 % the row that does not fit is passed over for those that do.
    filled = select_uniform(rows, token_budget=1004, costs=costs)
    assert sorted(costs[filled.indices]) == [1] * 10 + [110] * 9
    assert filled.h_min < 0.01
    # What is included counts.
    begun = select_uniform(rows, token_budget=996, costs=costs, include=spread.indices)
    np.testing.assert_array_equal(begun.indices, spread.indices)


def test_quality_weighs_distances():
    subset = chosen(20, quality=QUALITY, quality_weight=1.0)
    weights = QUALITY / QUALITY.max()
    offset = oracle.unit_rows(VECTORS.astype(float))
    first = np.argmax(((offset - offset.mean(axis=0)) ** 2).sum(axis=1) * weights**2)
    expected = oracle.with_rules(VECTORS, 20, True, [first], weights=weights)
    np.testing.assert_array_equal(subset.indices, expected[0])
    assert QUALITY[subset.indices].mean() > QUALITY[chosen(20).indices].mean()


def test_a_start_that_rules_leave_out_is_refused_and_a_named_one_passes_it_over():
    with pytest.raises(RowError, match="start is row 4"):
        chosen(5, start=4, exclude=[4])
    first = chosen(5).indices[0]
    subset = chosen(5, groups=GROUPS, quotas={GROUPS[first]: 0})
    assert GROUPS[subset.indices[0]] != GROUPS[first]
    assert chosen(5, start="medoid", exclude=[chosen(1, start="medoid").indices[0]]).indices.size
    costs = np.where(np.arange(200) == first, 99, 1)
    assert chosen(5, token_budget=50, costs=costs).indices[0] != first


RULES = {
    "include": {"include": [7, 3, 9]},
    "exclude": {"exclude": [1, 2, 3]},
    "away": {"away_from": [1, 2, 3]},
    "distance": {"min_distance": 0.9},
    "quotas": {"groups": GROUPS, "quotas": {"code": 20}},
    "tokens": {"token_budget": 1500, "costs": COSTS},
    "quality": {"quality": QUALITY, "quality_weight": 0.5},
    "several": {
        "include": [7],
        "exclude": [1],
        "away_from": [2],
        "quality": QUALITY,
        "quality_weight": 2.0,
        "costs": COSTS,
        "token_budget": 900,
        "min_distance": 0.2,
    },
}


@pytest.mark.parametrize("rule", RULES)
def test_a_checkpoint_continues_to_the_same_answer(rule, tmp_path):
    path = tmp_path / "kept"
    whole = chosen(60, **RULES[rule])
    budget = 60 if rule == "quotas" else 30
    part = chosen(budget, **RULES[rule], checkpoint=path)
    for _ in range(2):
        again = chosen(60, **RULES[rule], checkpoint=path)
        np.testing.assert_array_equal(again.indices, whole.indices)
        np.testing.assert_allclose(again.radii, whole.radii, rtol=1e-12)
        assert again.coverage_radius == pytest.approx(whole.coverage_radius, rel=1e-12)
    smaller = chosen(budget, **RULES[rule], checkpoint=path)
    np.testing.assert_array_equal(smaller.indices, part.indices)
    assert smaller.coverage_radius == pytest.approx(part.coverage_radius, rel=1e-12)
    if rule != "distance":
        with pytest.raises(CheckpointError, match="rules"):
            chosen(60, checkpoint=path)


def test_a_checkpoint_serves_other_distances(tmp_path):
    path = tmp_path / "kept"
    near = chosen(min_distance=0.3, checkpoint=path)
    for distance in (0.8, 0.2, 0.3):
        again = chosen(min_distance=distance, checkpoint=path)
        fresh = chosen(min_distance=distance)
        np.testing.assert_array_equal(again.indices, fresh.indices)
        assert again.coverage_radius == pytest.approx(fresh.coverage_radius, rel=1e-12)
    assert len(near) < len(chosen(min_distance=0.2))


@pytest.mark.parametrize("rule", RULES)
def test_it_is_saved_and_extended_by_the_same_rules(rule, tmp_path):
    subset = chosen(30, **RULES[rule])
    json.dumps(subset.provenance.as_dict(), allow_nan=False)
    subset.save(tmp_path / "kept.json")
    loaded = Selection.load(tmp_path / "kept.json")
    np.testing.assert_array_equal(loaded.indices, subset.indices)
    assert loaded.h_min == subset.h_min
    numbers = ("token_budget", "quality_weight")  # these are kept
    again = {name: value for name, value in RULES[rule].items() if name not in numbers}
    if rule == "quotas":
        with pytest.raises(ManifestError):
            loaded.extend(60, VECTORS, **again)
        return
    longer = loaded.extend(60, VECTORS, **again)
    np.testing.assert_array_equal(longer.indices, chosen(60, **RULES[rule]).indices)


def test_arrays_of_rules_have_to_be_passed_again():
    subset = chosen(30, quality=QUALITY, quality_weight=1.0)
    with pytest.raises(ManifestError, match="quality"):
        subset.extend(60)
    with pytest.raises(ManifestError, match="rules"):
        subset.extend(60, quality=QUALITY[::-1])


def test_a_prefix_is_only_given_where_it_is_an_answer():
    included = chosen(30, include=[7, 3, 9])
    assert included.prefix(3).indices.tolist() == [7, 3, 9]
    with pytest.raises(
        BudgetError, match="include= named 3 rows; a prefix of 2 would leave some out"
    ):
        included.prefix(2)
    for rule in ("quotas", "tokens"):
        with pytest.raises(BudgetError, match="select again"):
            chosen(30, **RULES[rule]).prefix(10)
    weighted = chosen(30, **RULES["quality"]).prefix(10)
    np.testing.assert_array_equal(weighted.indices, chosen(10, **RULES["quality"]).indices)
    assert np.isnan(weighted.coverage_radius)
    assert weighted.as_dict()["coverage_radius"] is None


@pytest.mark.parametrize("engine", ["memory", "faiss", "sharded", "mapped"])
@pytest.mark.parametrize("rule", RULES)
def test_engines_agree_through_the_public_api(engine, rule, tmp_path):
    np.save(tmp_path / "pool.npy", VECTORS)
    data = tmp_path / "pool.npy" if engine == "mapped" else VECTORS
    found = select_uniform(data, 40, engine=engine, **RULES[rule])
    expected = chosen(40, **RULES[rule])
    np.testing.assert_array_equal(found.indices, expected.indices)
    assert found.coverage_radius == expected.coverage_radius


TEXTS = {"text": "text", "cache_dir": False, "encoder": TopicEncoder()}


class OtherTopicEncoder(TopicEncoder):
    name = "other topics"


@pytest.fixture
def rated(tmp_path, monkeypatch):
    """A file with columns that are good for rules, and columns with one value that is not."""
    monkeypatch.chdir(tmp_path)
    nan = float("nan")
    records = [
        {
            "text": text,
            "id": f"w{row}",
            "pair": row // 2,
            "kind": "odd" if row % 2 else "even",
            "below 0": -1 if row == 4 else 1,
            "no number": nan if row == 4 else 1,
        }
        for row, text in enumerate(texts_of(10))
    ]
    path = tmp_path / "rated.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    select_uniform(path, 3, **{**TEXTS, "encoder": OtherTopicEncoder()}).save("earlier.json")
    return path


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"groups": "kind", "quotas": {"evn": 2}}, QuotaError, "'evn'. Did you mean 'even'"),
        (
            {"groups": "sort", "quotas": {"even": 2}},
            ColumnError,
            "rated.jsonl has no column 'sort'",
        ),
        ({"groups": "kind", "quotas": {"odd": 5}}, QuotaError, "'odd' is 5 rows, more than .* 4"),
        ({"quality": "below 0"}, DataError, "quality: column 'below 0' at .*line 5 is -1"),
        ({"quality": "no number"}, DataError, "quality: column 'no number' at .*line 5 is nan"),
        (
            {"token_budget": 9, "costs": "below 0"},
            DataError,
            "costs: column 'below 0' .*line 5 is -1",
        ),
        ({"token_budget": 9, "costs": "no number"}, DataError, "'no number' at .*line 5 is nan"),
        (
            {"include": ["w0", "w1"], "exclude": ["w1"], "id_column": "id"},
            OptionError,
            "line 2 cannot be in include= and in exclude= at once",
        ),
        ({"exclude": ["w1", "x"], "id_column": "id"}, RowError, "not in the column 'id': 'x'"),
        (
            {"include": [3], "id_column": "pair"},
            RowError,
            "'3', which is not unique.*line 7 .*line 8",
        ),
        (
            {"away_from": np.ones((2, 3))},
            VectorError,
            "with vectors of 3 dimensions; those of .* have 11",
        ),
        (
            {"away_from": "earlier.json"},
            OptionError,
            "the encoder other topics .* is now TopicEncoder",
        ),
    ],
)
def test_what_cannot_be_kept_to_is_an_error_that_names_row_and_column(rated, options, error, words):
    with pytest.raises(error, match=words):
        select_uniform(rated, 4, **TEXTS, **options)


@pytest.mark.parametrize(("column", "value"), [("below 0", "-1"), ("no number", "nan")])
def test_so_it_is_wherever_there_is_a_quality(rated, column, value):
    words = f"quality: column '{column}' at .*line 5 is {value}"
    with pytest.raises(DataError, match=words):
        select_by_quality(rated, 4, quality=column, **TEXTS)
    with pytest.raises(DataError, match=words):
        deduplicate(rated, 0.1, keep="best", quality=column, **TEXTS)


def test_the_advice_for_duplicates_can_be_followed():
    rows = np.array([[0.0], [0.0], [1.0], [3.0]])
    with pytest.warns(DuplicateRowsWarning, match=r"only 3 .* choose 3 rows\.$"):
        select_uniform(rows, 4, normalize=False)
    assert select_uniform(rows, 3, normalize=False).h_min > 0
    # The first two of these are equal, so that fewer rows would not be distinct either.
    with pytest.warns(DuplicateRowsWarning, match="min_distance= above 0"):
        select_uniform(rows, 3, include=[0, 1], normalize=False)
    with pytest.warns(DuplicateRowsWarning, match="only 0 .* min_distance= above 0"):
        select_uniform(rows, 2, away_from=rows, normalize=False)
