"""Rules from what users pass: which rows they mean, and every way to be wrong about them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from evenly import select_uniform
from evenly.errors import (
    BudgetError,
    ColumnError,
    DataError,
    EmptyPoolError,
    OptionError,
    QuotaError,
    RowError,
    VectorError,
)
from evenly.inputs.prepare import prepare
from evenly.options import InputOptions, NotKept, RuleOptions
from evenly.options.values import decode, encode
from evenly.selection.rules.resolve import check_rules, describe_rule_options
from evenly.selection.rules.rules import Rules
from tests.support.rules import OPTIONS, RECORDS, WORDS, mask, rules


def test_no_rule_is_plain(words):
    assert Rules.none(4).is_plain
    assert rules(words).is_plain
    assert rules(words).describe() == {}
    assert rules(words).budget == 4
    assert rules(words, budget=0.5).budget == 5


@pytest.mark.parametrize(
    "rule",
    [
        {"include": [1]},
        {"exclude": [1]},
        {"away_from": [1]},
        {"away_from": ["bad"]},
        {"min_distance": 0.5},
        {"groups": "kind", "balance": "equal"},
        {"token_budget": 20, "costs": "tokens"},
        {"quality": "quality"},
    ],
    ids=lambda rule: next(iter(rule)),
)
def test_one_rule_is_not_plain_and_is_described(words, rule):
    found = rules(words, **rule)

    assert not found.is_plain
    # A distance ends a selection and does not decide which rows come before.
    assert bool(found.describe()) == ("min_distance" not in rule)
    assert json.loads(json.dumps(found.describe())) == found.describe()


ROWS = [
    ([3, 1], None),
    ((3, 1), None),
    (np.array([3, 1], np.uint8), None),
    (pd.Series([3, 1]), None),
    (pl.Series([3, 1]), None),
    ([np.int64(3), 1], None),
    (["w3", "w1"], "id"),
    (np.array(["w3", "w1"]), "id"),
    (pd.Series(["w3", "w1"]), "id"),
    ([103, 101], "number"),
    (["103", "101"], "number"),
    ([7, 5], [4, 5, 6, 7, *range(10, 16)]),
]


@pytest.mark.parametrize(("given", "ids"), ROWS)
def test_rows_by_number_and_by_id_stay_in_their_order(words, given, ids):
    found = rules(words, include=given, id_column=ids)

    assert found.include.tolist() == [3, 1]
    assert found.include.dtype == np.int64


@pytest.mark.parametrize("ids", [None, "id"])
@pytest.mark.parametrize("kind", [np.array, list, pd.Series, pl.Series])
def test_a_mask_is_a_mask(words, kind, ids):
    given = kind(mask(1, 3).tolist())

    assert rules(words, include=given, id_column=ids).include.tolist() == [1, 3]
    assert rules(words, exclude=given, id_column=ids).excluded.tolist() == mask(1, 3).tolist()
    assert rules(words, away_from=given, id_column=ids).away_rows.tolist() == [1, 3]


@pytest.mark.parametrize(("given", "ids"), ROWS)
def test_rows_of_the_pool_to_keep_away_from_are_never_chosen(words, given, ids):
    found = rules(words, away_from=given, id_column=ids)

    assert found.away_rows.tolist() == [1, 3]
    assert found.excluded.tolist() == mask(1, 3).tolist()
    np.testing.assert_array_equal(
        found.away.exact(np.arange(2)), words.points.exact(np.array([1, 3]))
    )


def test_nothing_named_is_no_rule(words):
    for nothing in ([], np.array([], int), np.zeros(10, bool)):
        assert rules(words, include=nothing, exclude=nothing, away_from=nothing).is_plain


def test_exclude_takes_sets_and_rows_named_twice(words):
    assert rules(words, exclude={3, 1}).excluded.tolist() == mask(1, 3).tolist()
    assert rules(words, exclude=[3, 1, 3]).excluded.tolist() == mask(1, 3).tolist()


@pytest.mark.parametrize(
    ("options", "error", "words_of_it"),
    [
        ({"include": [-1]}, RowError, "include names row -1.*10 rows, numbered from 0 to 9"),
        ({"exclude": [10]}, RowError, "exclude names row 10"),
        ({"away_from": [10**30]}, RowError, "away_from names row 10{30}"),
        ({"include": [1, 2, 1]}, RowError, "row 1 twice"),
        ({"include": [1.0]}, OptionError, "1.0"),
        ({"include": ["w1"]}, OptionError, "id_column="),
        ({"include": "w1"}, OptionError, "'w1', which does not exist"),
        ({"include": (row for row in [1])}, OptionError, "include must be a list"),
        ({"include": {1: 2}}, OptionError, "include must be a list"),
        ({"include": 3}, OptionError, "include must be a list"),
        ({"include": [True, 1]}, OptionError, "True"),
        ({"exclude": [True, False]}, OptionError, "mask of 2 values.*10 rows"),
        ({"away_from": [True] * 11}, OptionError, "mask of 11 values"),
        ({"include": ["w1", "x"], "id_column": "id"}, RowError, "not in the column 'id': 'x'"),
        ({"exclude": ["x"] * 7, "id_column": "id"}, RowError, "'x' and 2 more"),
        ({"exclude": [2], "id_column": "twice"}, RowError, "'2', which is not unique.*4 and row 5"),
        ({"include": [1], "id_column": "nowhere"}, ColumnError, "no column 'nowhere'"),
        ({"include": [1], "id_column": [1, 2]}, OptionError, "id_column has 2 values"),
        ({"include": [1, 2], "exclude": [5, 2]}, OptionError, "row 2 cannot be in include="),
        ({"include": [1, 2], "away_from": [2, 1]}, OptionError, "row 1 and 1 more.*away_from="),
        ({"exclude": range(10)}, EmptyPoolError, "none of the 10 rows"),
        ({"include": [0, 1, 2, 3, 4]}, BudgetError, "5 rows, more than the budget of 4"),
        ({"exclude": range(7)}, BudgetError, "3, got 4"),
        ({"away_from": 7}, OptionError, "got 7"),
        ({"away_from": [1.5, 2.5]}, DataError, "float"),
        ({"away_from": "nowhere.jsonl"}, DataError, "nowhere.jsonl"),
        ({"away_from": np.ones((2, 3))}, VectorError, "3 dimensions.* 11"),
        ({"min_distance": -0.1}, OptionError, "min_distance.*-0.1"),
        ({"min_distance": float("nan")}, OptionError, "min_distance.*nan"),
        ({"min_distance": float("inf")}, OptionError, "min_distance"),
        ({"min_distance": "1"}, OptionError, "min_distance"),
        ({"min_distance": True}, OptionError, "min_distance"),
        ({"budget": None}, BudgetError, "budget=.*min_distance=.*token_budget="),
        ({"budget": 0}, BudgetError, "at least 1"),
        ({"token_budget": 0}, OptionError, "token_budget.*0"),
        ({"token_budget": 2.5}, OptionError, "token_budget"),
        ({"costs": "tokens"}, OptionError, "costs= needs token_budget="),
        ({"tokenizer": len}, OptionError, "tokenizer= needs token_budget="),
        ({"token_budget": 9, "costs": "tokens", "tokenizer": len}, OptionError, "give one"),
        (
            {"token_budget": 9, "costs": "id"},
            DataError,
            "column 'id' at row 0 is 'w0' .9 mo",
        ),
        ({"token_budget": 9, "costs": [1] * 9 + [-1]}, DataError, "value at row 9 is -1.*whole"),
        ({"token_budget": 9, "costs": [1] * 9 + [None]}, DataError, "row 9 is None"),
        ({"token_budget": 9, "costs": np.full(10, 1.5)}, DataError, "row 0 is 1.5"),
        ({"token_budget": 9, "costs": [1] * 9 + [True]}, DataError, "row 9 is True"),
        ({"token_budget": 9, "costs": [1] * 9}, OptionError, "costs has 9 values.*10 rows"),
        ({"token_budget": 9, "costs": [2**60] * 10}, DataError, "row 0"),
        ({"token_budget": 9, "costs": [10] * 10}, BudgetError, "cheapest usable row costs 10"),
        ({"token_budget": 9, "costs": "tokens", "include": [9]}, BudgetError, "costs 10 tokens"),
        ({"token_budget": 9}, OptionError, "TopicEncoder has no tokenizer.*costs=.*tokenizer="),
        ({"token_budget": 9, "tokenizer": 5}, OptionError, "tokenizer must be"),
        ({"quality_weight": 1}, OptionError, "quality_weight= needs quality="),
        ({"quality": "quality", "quality_weight": -1}, OptionError, "quality_weight.*-1"),
        ({"quality": "quality", "quality_weight": float("nan")}, OptionError, "nan"),
        ({"quality": [0.5] * 9 + [float("nan")]}, DataError, "quality: the value at row 9 is nan"),
        ({"quality": [0.5] * 9 + [float("inf")]}, DataError, "row 9 is inf"),
        ({"quality": [0.5] * 9 + [-0.5]}, DataError, "row 9 is -0.5"),
        ({"quality": [0] * 10}, OptionError, "quality is 0 for every"),
        ({"quality": "nowhere"}, ColumnError, "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_and_named(words, options, error, words_of_it):
    with pytest.raises(error, match=words_of_it) as raised:
        rules(words, **{"budget": 4, **options})

    assert isinstance(raised.value, OptionError) != isinstance(raised.value, DataError)


def test_rows_without_a_text_cannot_be_included_and_need_neither_cost_nor_quality():
    records = [*RECORDS[:4], {"text": None, "tokens": None, "quality": -1.0}]
    prepared = prepare(records, InputOptions(**OPTIONS, on_invalid="drop"))

    found = rules(prepared, budget=3, exclude=[4], away_from=[4, 2], token_budget=9, costs="tokens")
    assert found.away_rows.tolist() == [2]
    assert found.costs.tolist() == [1, 2, 0, 4, 0]
    assert rules(prepared, quality="quality").weights is not None
    with pytest.raises(RowError, match="include= names a row that cannot be chosen: row 4 col"):
        rules(prepared, include=[4])


def test_what_is_excluded_leaves_fewer_usable_rows(words):
    assert rules(words, budget=1.0, exclude=[0, 1], away_from=[2]).budget == 7


def test_a_distance_or_tokens_alone_are_enough(words):
    assert rules(words, budget=None, min_distance=0.5).budget is None
    assert rules(words, budget=None, min_distance=0.5).min_distance == 0.5
    assert rules(words, budget=None, token_budget=9, costs="tokens").token_budget == 9


def test_costs_are_columns_arrays_or_tokens_counted(words):
    tokens = np.arange(10) + 1

    for costs in ("tokens", tokens, tokens.tolist(), tokens.astype(float), pd.Series(tokens)):
        assert rules(words, token_budget=20, costs=costs).costs.tolist() == tokens.tolist()
    assert rules(words, token_budget=20, costs=[str(cost) for cost in tokens]).costs[9] == 10
    counted = rules(words, token_budget=20, tokenizer=list, exclude=[0]).costs
    assert counted.tolist() == [0, *(len(word) for word in WORDS[1:])]


def test_tokens_are_counted_in_the_text_that_is_embedded(vectors):
    records = [{"a": "x" * row, "b": "yy"} for row in range(1, 4)]
    prepared = prepare(records, InputOptions(**OPTIONS, text=["a", "b"]))

    found = rules(prepared, budget=None, token_budget=9, tokenizer=len)

    assert found.costs.tolist() == [4, 5, 6]
    with pytest.raises(OptionError, match=r"holds vectors.*costs="):
        rules(vectors, budget=None, token_budget=9)


def test_the_best_row_counts_in_full_and_none_for_nothing(words):
    found = rules(words, quality="quality", quality_weight=2).weights

    assert found[9] == 1
    assert found[3] == pytest.approx((3 / 9) ** 2)
    assert found[0] == 1e-6
    assert rules(words, quality="quality").weights[3] == pytest.approx(3 / 9)
    # The best of those that can be chosen.
    assert rules(words, quality="quality", exclude=[9]).weights[8] == 1
    assert rules(words, quality="quality", quality_weight=0).is_plain
    assert rules(words, quality=[7] * 10).is_plain


def test_rules_that_differ_are_described_differently(words):
    several = [
        {},
        {"include": [1]},
        {"include": [2]},
        {"include": [1, 2]},
        {"include": [2, 1]},
        {"exclude": [1]},
        {"exclude": [2]},
        {"away_from": [1]},
        {"away_from": ["bead"]},
        {"away_from": ["jig"]},
        {"groups": "kind", "balance": "equal"},
        {"groups": "kind", "balance": "equal", "budget": 6},
        {"groups": "kind", "quotas": {"odd": 1}},
        {"groups": "kind", "quotas": {"odd": (0, 1)}},
        {"groups": "kind", "quotas": {"even": 1}},
        {"token_budget": 20, "costs": "tokens"},
        {"token_budget": 21, "costs": "tokens"},
        {"token_budget": 21, "costs": [1] * 10},
        {"quality": "quality"},
        {"quality": "quality", "quality_weight": 2},
    ]
    told = [json.dumps(rules(words, **one).describe(), sort_keys=True) for one in several]

    assert len(set(told)) == len(told)


def test_options_are_written_down_as_json_and_many_values_as_a_hash():
    given = {
        "include": [1, 2],
        "exclude": np.arange(1000),
        "away_from": list(range(101)),
        "id_column": "id",
        "groups": [["a", "b"], None],
        "quotas": {"a": (1, 2), "b": 0.5},
        "min_distance": np.float64(0.5),
        "quality": np.arange(3),
    }

    described = describe_rule_options(given)

    assert decode(json.loads(json.dumps(encode(described)))) == described
    assert described["include"] == [1, 2]
    for name, description in (
        ("exclude", "1000 values, sha256:"),
        ("away_from", "101 values, sha256:"),
        ("groups", "2 values"),
    ):
        assert isinstance(described[name], NotKept)
        assert not described[name].is_object
        assert described[name].description.startswith(description)
    assert described["quotas"] == {"a": [1, 2], "b": 0.5}
    assert described["quality"] == [0, 1, 2]
    assert described["min_distance"] == 0.5
    assert describe_rule_options({"exclude": np.arange(1000)[::-1]}) != describe_rule_options(
        {"exclude": np.arange(1000)}
    )


def test_what_no_data_could_have_is_refused_before_any_are_read():
    with pytest.raises(QuotaError):
        check_rules(RuleOptions(budget=3, groups="kind", quotas={"a": "many"}))
    check_rules(RuleOptions(budget=3, include=[object()], away_from=[object()]))


def test_a_distance_that_ends_before_the_quotas_are_met_is_refused():
    rows = np.arange(20.0)[:, None]
    groups = ["low"] * 15 + ["high"] * 5
    options = {"groups": groups, "quotas": {"high": 2}, "normalize": False}

    assert len(select_uniform(rows, 4, min_distance=2, **options)) == 4
    with pytest.raises(QuotaError, match=r"min_distance=6 ended .* 'high' has 1 row, not 2"):
        select_uniform(rows, 6, min_distance=6, **options)
    # A most holds whatever ends the selection.
    at_most = {**options, "quotas": {"high": (0, 2)}}
    assert len(select_uniform(rows, 6, min_distance=6, **at_most)) == 3
