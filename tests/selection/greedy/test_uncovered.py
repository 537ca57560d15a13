"""`max_outliers`: which rows need not be near a chosen one, by definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import Selection, select_uniform
from evenly.errors import BudgetError, OptionError
from tests.support import options_oracle, oracle

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 40),
    engine=st.sampled_from(["memory", "mapped", "faiss", "sharded"]),
    data=st.data(),
)
@settings(max_examples=40)
def test_the_picks_farthest_from_all_others_are_left_out(seed, n, engine, data):
    vectors = np.random.default_rng(seed).standard_normal((n, 2)) ** 3
    most = data.draw(st.integers(1, n // 2))
    excluded = np.zeros(n, bool)
    excluded[1 : data.draw(st.integers(1, 2))] = True
    budget = data.draw(st.integers(1, n - most - 1))
    gaps = oracle.gaps_by_definition(vectors, False)
    expected = options_oracle.uncovered(vectors, gaps, False, budget, most, 0, excluded)
    if 0 in expected:
        return

    found = select_uniform(
        vectors,
        budget,
        normalize=False,
        start=0,
        exclude=excluded,
        max_outliers=most,
        engine=engine,
    )

    assert list(found.provenance.dropped) == expected
    gone = excluded.copy()
    gone[expected] = True
    rows, radii, coverage = oracle.with_rules(vectors, budget, False, [], start=0, excluded=gone)
    np.testing.assert_array_equal(found.indices, rows)
    np.testing.assert_allclose(found.radii, radii, rtol=1e-6, atol=1e-13)
    assert found.coverage_radius == pytest.approx(coverage, rel=1e-6, abs=1e-13)


def with_strangers():
    """200 rows in a square, a row far away, and a pair of rows farther away."""
    vectors = np.random.default_rng(0).random((200, 2))
    vectors[7], vectors[8], vectors[150] = (90, 50), (90, 50.1), (-50, 0)
    return vectors


@pytest.mark.parametrize(
    ("most", "dropped"), [(1, [150]), (2, [7, 8]), (3, [7, 8, 150]), (None, [])]
)
def test_groups_are_outliers_if_all_of_their_rows_fit(most, dropped):
    found = select_uniform(with_strangers(), 10, normalize=False, max_outliers=most)

    assert list(found.provenance.dropped) == dropped
    assert not set(dropped) & set(found.indices.tolist())


def test_an_extended_selection_leaves_out_the_same_rows(tmp_path):
    np.save(tmp_path / "pool.npy", with_strangers())
    ten = select_uniform(tmp_path / "pool.npy", 10, normalize=False, max_outliers=3)
    ten.save(tmp_path / "ten.json")

    more = Selection.load(tmp_path / "ten.json").extend(30)

    assert more.indices[:10].tolist() == ten.indices.tolist()
    assert list(more.provenance.dropped) == list(ten.provenance.dropped) == [7, 8, 150]
    assert not {7, 8, 150} & set(more.indices.tolist())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"budget": 5, "max_outliers": 0}, OptionError, "whole number, 1 or more"),
        ({"budget": 5, "max_outliers": 0.1}, OptionError, "whole number, 1 or more"),
        ({"min_distance": 1, "max_outliers": 2}, OptionError, "needs budget="),
        (
            {"budget": 5, "max_outliers": 2, "drop_outliers": 0.1},
            OptionError,
            "max_outliers= and drop_outliers= cannot be combined",
        ),
        (
            {"budget": 5, "max_outliers": 2, "include": [1]},
            OptionError,
            "max_outliers= and include= cannot be combined",
        ),
        ({"budget": 199, "max_outliers": 2}, BudgetError, "more than the 200 usable rows"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        select_uniform(with_strangers(), normalize=False, **options)
