"""All options of `select_uniform` together, on every engine: the rows and radii of the oracle."""

import numpy as np
import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from evenly import select_uniform
from evenly.errors import BudgetError, EmptyPoolError, OptionError, QuotaError, RowError
from tests.support import options_oracle, oracle
from tests.support.pools import KINDS, make_pool, pools

ENGINES = ("memory", "mapped", "faiss", "sharded", "cuda", "distances")
INFEASIBLE = (BudgetError, EmptyPoolError, OptionError, QuotaError, RowError)


@st.composite
def options_for(draw, vectors, engine):
    """Options of select_uniform for these rows, any of them together, as the oracle takes them."""
    n = len(vectors)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = random.permutation(n).tolist()
    some = lambda most: order[: draw(st.integers(0, most))]  # noqa: E731
    chance = lambda: draw(st.integers(0, 2)) == 0  # noqa: E731
    options = {"normalize": draw(st.booleans())}
    # Three disjoint sets of rows, in random order.
    for name, most in (("include", 4), ("exclude", n // 3), ("away_from", n // 4)):
        if chance():
            options[name] = some(most)
            order = order[len(options[name]) :]
    if "away_from" in options and engine != "distances" and draw(st.booleans()):
        kind = draw(st.sampled_from(KINDS[:8]))
        away = make_pool(kind, 3, vectors.shape[1], np.float32, random).astype(vectors.dtype)
        options["away_from"] = away
    named = ["farthest-from-mean", "medoid"]
    options["start"] = draw(st.sampled_from([*named, order[0] if order else 0]))
    if chance():
        options["drop_outliers"] = draw(st.sampled_from([0.05, 0.2]))
    if chance():
        options["quality"] = random.choice([0.0, 0.25, 0.5, 1.0, 3.0], n)
        options["quality_weight"] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    if chance() and engine != "distances":  # in a matrix, other rows may count as equal
        options["density_weight"] = draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0]))
        options["density_neighbours"] = draw(st.sampled_from([1, 3, 10]))
    if chance():
        options["token_budget"] = draw(st.sampled_from([1, 30, 200]))
        options["costs"] = random.integers(0, draw(st.sampled_from([5, 30])) + 1, n)
    if chance():
        options["min_distance"] = draw(st.sampled_from([0.0, 0.3, 1.0, 2.0]))
    if draw(st.booleans()) or not {"token_budget", "min_distance"} & set(options):
        options["budget"] = draw(st.integers(1, n) | st.sampled_from([0.1, 0.5, 1.0]))
    if chance():
        options["groups"] = random.integers(0, 3, n)
        counted = "budget" in options and "token_budget" not in options
        if counted and draw(st.booleans()):
            options["balance"] = draw(st.sampled_from(["equal", "proportional"]))
        else:
            quota = st.tuples(
                st.integers(0, 3 if counted else 0), st.sampled_from([0, 3, 4, 6, 15])
            )
            present = sorted(set(options["groups"].tolist()))
            options["quotas"] = draw(
                st.dictionaries(st.sampled_from(present), quota.map(sorted), min_size=1)
            )
    if chance():
        for name in ("include", "away_from", "token_budget", "costs", "drop_outliers"):
            options.pop(name, None)  # cannot be combined with max_outliers
        options.setdefault("budget", draw(st.integers(1, n)))
        options["max_outliers"] = draw(st.integers(1, 6))
    return options


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
@given(vectors=pools(max_rows=50), engine=st.sampled_from(ENGINES), data=st.data())
@settings(max_examples=150)
def test_any_options_together_give_the_rows_of_the_oracle(vectors, engine, data):
    options = data.draw(options_for(vectors, engine))
    note(f"{options} {len(vectors)} rows")
    pool, normalize = vectors, options["normalize"]
    if engine == "distances":
        pool = oracle.gaps_by_definition(vectors, normalize)
    choose = lambda: select_uniform(  # noqa: E731
        pool, engine=engine, device="cpu" if engine == "cuda" else "auto", **options
    )
    try:
        rows, radii, coverage_radius = options_oracle.select(vectors, **options)
    except options_oracle.Infeasible:
        event("infeasible")
        with pytest.raises(INFEASIBLE):
            choose()
        return
    except options_oracle.Undecided:
        event("undecided")
        return
    event("feasible with max_outliers" if "max_outliers" in options else "feasible")

    found = choose()

    np.testing.assert_array_equal(found.indices, rows)
    np.testing.assert_allclose(found.radii, radii, rtol=1e-6, atol=1e-13)
    assert found.coverage_radius == pytest.approx(coverage_radius, rel=1e-6, abs=1e-13)
    assert found.h_min == pytest.approx(radii.min(), rel=1e-6, abs=1e-13)


GROUPS = np.repeat(["a", "b"], 5)
LINE = np.arange(1.0, 11.0)[:, None]


@pytest.mark.parametrize("start", ["farthest-from-mean", "medoid", "random"])
@pytest.mark.parametrize(
    ("quotas", "rest", "message"),
    [
        ({"a": (0, 0), "b": (0, 0)}, {"min_distance": 1.0}, "every usable row is in a group"),
        ({"b": (0, 0)}, {"token_budget": 5, "costs": [9] * 5 + [1] * 5}, "can pay for is in a g"),
    ],
)
def test_quotas_of_0_that_leave_no_row_are_an_error(quotas, rest, message, start):
    with pytest.raises(QuotaError, match=message):
        select_uniform(LINE, groups=GROUPS, quotas=quotas, start=start, **rest)


def test_a_distance_that_no_row_keeps_from_what_is_there_is_an_error():
    message = (
        "no row is as far as min_distance=6 from what away_from= names; "
        "the farthest of all rows is at 5"
    )
    with pytest.raises(BudgetError, match=message):
        select_uniform(LINE, min_distance=6, away_from=[4], normalize=False)


def test_outliers_are_kept_away_from_if_away_from_names_them():
    rows = np.vstack([LINE, [[30.0]]])

    found = select_uniform(rows, 1, away_from=[10], drop_outliers=0.1, normalize=False)

    assert found.indices.tolist() == [0]
    assert found.radii.tolist() == [29.0]


def test_a_start_that_is_not_used_may_be_an_outlier():
    rows = np.vstack([LINE, [[30.0]]])

    found = select_uniform(rows, 2, include=[0], start=10, drop_outliers=0.1, normalize=False)

    assert found.indices.tolist() == [0, 9]
