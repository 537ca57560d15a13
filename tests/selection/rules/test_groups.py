"""Groups and quotas, as users pass them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.errors import OptionError, QuotaError
from evenly.inputs.prepare import prepare
from evenly.options import InputOptions, RuleOptions
from evenly.selection.rules.groups import apportion
from evenly.selection.rules.resolve import check_rules, resolve_rules

GROUPS = ["code"] * 6 + ["math"] * 3 + ["talk"]
VECTORS = np.random.default_rng(0).normal(size=(10, 4))


@pytest.fixture(scope="module")
def prepared():
    return prepare(VECTORS, InputOptions())


def rules_of(prepared, **options):
    rules = RuleOptions(**options)
    check_rules(rules)
    return resolve_rules(prepared, rules)


def limits(prepared, quotas=None, *, budget=6, groups=GROUPS, **options):
    """Group -> (least, most)."""
    found = rules_of(prepared, budget=budget, groups=groups, quotas=quotas, **options).quotas
    return {
        name: (int(low), int(high))
        for name, low, high in zip(found.names, found.least, found.most, strict=True)
    }


@pytest.mark.parametrize(
    ("quota", "found"),
    [
        (2, (2, 2)),
        (np.int64(2), (2, 2)),
        ((1, 3), (1, 3)),
        ([1, 3], (1, 3)),
        ((1, None), (1, 6)),
        ((None, 3), (0, 3)),
        ((0, 100), (0, 6)),
        (0.5, (3, 3)),
        (0.25, (2, 2)),
        ((0.25, 0.5), (1, 3)),
        ((0.2, 0.4), (1, 3)),
        ((1, 0.5), (1, 3)),
        ((0, 0), (0, 0)),
        (1.0, (6, 6)),
    ],
)
def test_a_quota_is_a_number_a_fraction_or_a_pair_of_limits(quota, found):
    more = prepare(np.random.default_rng(0).normal(size=(20, 4)), InputOptions())
    groups = [*GROUPS, *["more"] * 10]
    assert limits(more, {"code": quota}, groups=groups) == {"code": found}


def test_fractions_that_add_up_to_one_add_up_to_the_budget(prepared):
    third = 1 / 3
    found = limits(prepared, {"code": third, "math": third, "talk": third}, budget=3)
    assert found == {"code": (1, 1), "math": (1, 1), "talk": (1, 1)}
    found = limits(prepared, {"code": 0.45, "math": 0.35, "talk": 0.2}, budget=5)
    assert [low for low, _ in found.values()] == [2, 2, 1]
    # 0.1 · 30 is 3.0000000000000004.
    many = prepare(np.random.default_rng(0).normal(size=(60, 3)), InputOptions())
    groups = ["a"] * 30 + ["b"] * 30
    assert limits(many, {"a": (0.1, 0.1)}, budget=30, groups=groups) == {"a": (3, 3)}
    # 0.58 · 50 is 28.999999999999996.
    assert limits(many, {"a": (0.58, 0.58)}, budget=50, groups=groups) == {"a": (29, 29)}


def test_groups_are_identified_by_their_names(prepared):
    numbers = np.array([1] * 6 + [2] * 4)
    for groups in (numbers, numbers.astype(float), numbers.tolist(), pd.Series(numbers)):
        for name in (1, "1", 1.0):
            assert limits(prepared, {name: 2}, groups=groups) == {"1": (2, 2)}


def test_rows_may_be_in_several_groups_or_in_none(prepared):
    groups = [["a", "b"], ["b"], [], None, float("nan"), "a", ("a",), {"b"}, ["a", "a"], "c"]

    quotas = rules_of(prepared, budget=6, groups=groups, quotas={"a": (1, 3), "b": 2}).quotas

    assert quotas.names == ("a", "b")
    per_row = quotas.members.toarray()[quotas.strata]
    assert per_row.tolist() == [
        *([1, 1], [0, 1], [0, 0], [0, 0], [0, 0]),
        *([1, 0], [1, 0], [0, 1], [1, 0], [0, 0]),
    ]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"quotas": {"cod": 2}}, QuotaError, "no row is in the group 'cod'.*mean 'code'.*6 rows"),
        ({"quotas": {"code": 7}}, QuotaError, "'code' is 7 rows, more than the budget 6"),
        ({"quotas": {"math": 4}}, QuotaError, "'math' has 3 usable rows, but its quota requires 4"),
        ({"quotas": {"math": 3}, "exclude": [6]}, QuotaError, "'math' has 2 usable rows"),
        ({"quotas": {"code": 5, "math": 2}}, QuotaError, "at least 7 rows"),
        ({"quotas": {"code": 1, "math": (0, 2), "talk": 1}}, QuotaError, "at most 4 rows"),
        ({"quotas": {"code": (3, 2)}}, QuotaError, "minimum above its maximum"),
        ({"quotas": {"code": "many"}}, QuotaError, "'code' must be a whole number of rows"),
        ({"quotas": {"code": -1}}, QuotaError, "-1"),
        ({"quotas": {"code": 1.5}}, QuotaError, "fraction.*1.5"),
        ({"quotas": {"code": float("nan")}}, QuotaError, "nan"),
        ({"quotas": {"code": True}}, QuotaError, "True"),
        ({"quotas": {"code": (1, 2, 3)}}, QuotaError, r"\(1, 2, 3\)"),
        ({"quotas": {"code": 1, " code".strip(): 2, 1: 3}}, QuotaError, "group '1'"),
        ({"quotas": {}}, OptionError, "quotas must be"),
        ({"quotas": [1]}, OptionError, "quotas must be"),
        ({"quotas": {"code": 2}, "groups": None}, OptionError, "quotas= needs groups="),
        ({"balance": "equal", "groups": None}, OptionError, "balance= needs groups="),
        ({}, OptionError, "groups= needs quotas="),
        ({"balance": "even"}, OptionError, 'balance must be "equal" or "proportional"'),
        ({"balance": "equal", "quotas": {"code": 1}}, OptionError, "give only one"),
        ({"quotas": {"code": 1}, "groups": ["a"]}, OptionError, "groups has 1 value,.*10 rows"),
        ({"quotas": {"code": 1}, "groups": [None] * 10}, QuotaError, "no group"),
        ({"balance": "equal", "groups": [["a", "b"]] * 10}, OptionError, "share no row"),
        (
            {"quotas": {"code": 1}, "include": [0, 1], "budget": 4},
            QuotaError,
            "2 of 'code', at most 1",
        ),
        ({"quotas": {"math": 3, "talk": 1}, "include": [0, 1, 2]}, QuotaError, "include="),
        ({"quotas": {"code": 2}, "budget": None, "min_distance": 1}, QuotaError, "needs a budget"),
        ({"quotas": {"code": 0.5}, "budget": None, "min_distance": 1}, QuotaError, "fraction"),
        ({"quotas": {"code": 2}, "token_budget": 9, "costs": [1] * 10}, QuotaError, "tokens may"),
        ({"balance": "equal", "budget": None, "min_distance": 1}, QuotaError, "needs a budget"),
    ],
)
def test_invalid_options_are_rejected_with_a_message(prepared, options, error, words):
    with pytest.raises(error, match=words):
        rules_of(prepared, **{"budget": 6, "groups": GROUPS, **options})


def test_upper_limits_apply_without_a_budget(prepared):
    quotas = {"code": (0, 2)}
    eligible = prepared.points.eligible

    near = rules_of(prepared, min_distance=0.5, groups=GROUPS, quotas=quotas)
    dear = rules_of(
        prepared, budget=9, token_budget=9, costs=[1] * 10, groups=GROUPS, quotas=quotas
    )

    for rules in (near, dear):
        assert rules.plan(eligible).room.tolist() == [4, 2]


def test_an_equal_balance_is_as_equal_as_the_rows_allow(prepared):
    assert limits(prepared, balance="equal", budget=3) == dict.fromkeys(set(GROUPS), (1, 1))
    found = limits(prepared, balance="equal", budget=6)
    assert found == {"code": (3, 3), "math": (2, 2), "talk": (1, 1)}
    assert limits(prepared, balance="equal", budget=10)["code"] == (6, 6)
    found = limits(prepared, balance="equal", budget=6, include=[0, 1, 2, 3, 4])
    assert [low for low, _ in found.values()] == [5, 1, 0]
    found = limits(prepared, balance="equal", budget=6, exclude=[7, 8])
    assert [low for low, _ in found.values()] == [4, 1, 1]


def test_a_balance_is_proportional_to_the_usable_rows(prepared):
    found = limits(prepared, balance="proportional", budget=5)
    # 3, 1.5 and 0.5: the larger group wins between equal remainders.
    assert [low for low, _ in found.values()] == [3, 2, 0]
    found = limits(prepared, balance="proportional", budget=5, exclude=[6, 7, 8])
    assert [low for low, _ in found.values()] == [4, 0, 1]
    found = limits(prepared, balance="proportional", budget=5, groups=[*GROUPS[:5], *[None] * 5])
    assert found == {"code": (3, 3), "(no group)": (2, 2)}


@given(data=st.data())
def test_shares_add_up_within_their_limits_and_are_as_close_as_possible(data):
    groups = data.draw(st.integers(1, 6))
    most = np.array(data.draw(st.lists(st.integers(0, 30), min_size=groups, max_size=groups)))
    least = np.array([data.draw(st.integers(0, int(m))) for m in most])
    total = data.draw(st.integers(int(least.sum()), int(most.sum())))
    equal = data.draw(st.booleans())
    weights = np.ones(groups) if equal else most.astype(float)

    counts = apportion(total, weights, least, most)

    assert counts.sum() == total
    assert ((counts >= least) & (counts <= most)).all()
    # No row can move to another group and bring the two shares closer together.
    for giver in np.flatnonzero(counts > least):
        for taker in np.flatnonzero(counts < most):
            if equal:
                assert counts[giver] <= counts[taker] + 1
            else:
                assert (
                    counts[giver] / most[giver]
                    <= (counts[taker] + 1) / most[taker] + 1 / most[giver] + 1e-9
                )
