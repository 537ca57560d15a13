"""`method="coreset"`: two rounds, their guarantees, and what they are refused with."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evenly import Selection, select_uniform
from evenly.errors import BudgetError, OptionError
from evenly.selection.greedy import coreset
from tests.support import oracle
from tests.support.pools import make_pool, pools


def distances(rows):
    gaps = rows[:, None].astype(np.float64) - rows[None].astype(np.float64)
    return np.sqrt((gaps**2).sum(axis=2))


def select(rows, budget, **options):
    return select_uniform(rows, budget, normalize=False, method="coreset", **options)


def by_definition(rows, budget, first):
    """Two rounds of the oracle: among each part and the first pick, then among what they chose."""
    among = {first}
    for part in map(np.arange(len(rows)).__getitem__, coreset.parts_of(len(rows), budget)):
        # The first pick is put before the rows of the part, and is no candidate of it.
        own = np.array([first, *(row for row in part if row != first)])
        most = min(budget, len(own) - 1)
        among |= set(own[oracle.farthest_first(rows[own], most + 1, False, 0)[0]].tolist())
    kept = np.array(sorted(among))
    found = oracle.farthest_first(rows[kept], budget, False, int(np.searchsorted(kept, first)))
    return kept[found[0]]


@pytest.mark.parametrize("engine", ["memory", "sharded"])
@pytest.mark.parametrize("kind", ["clustered", "random", "lattice"])
def test_rows_are_those_of_two_rounds_of_the_oracle(kind, engine):
    rows = make_pool(kind, 400, 6, np.float32, np.random.default_rng(1))
    chosen = select(rows, 30, start=17, engine=engine)
    np.testing.assert_array_equal(chosen.indices, by_definition(rows, 30, 17))


@given(vectors=pools(max_rows=30), data=st.data())
@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_the_guarantees_hold(vectors, data):
    budget = data.draw(st.integers(1, min(5, len(vectors))))
    assume(comb(len(vectors), budget) <= 3000)
    apart = distances(vectors)
    sets = [list(rows) for rows in combinations(range(len(vectors)), budget)]
    chosen = select(vectors, budget)

    covered = apart[:, chosen.indices].min(axis=1).max()
    assert chosen.coverage_radius == pytest.approx(covered, rel=1e-6, abs=1e-9)
    least = min(apart[:, rows].min(axis=1).max() for rows in sets)
    assert covered <= 4 * least * (1 + 1e-6) + 1e-9
    assert len(set(chosen.indices.tolist())) == budget
    if budget > 1:
        np.fill_diagonal(apart, np.inf)
        largest = max(apart[np.ix_(rows, rows)].min() for rows in sets)
        reached = apart[np.ix_(chosen.indices, chosen.indices)].min()
        assert chosen.h_min == pytest.approx(reached, rel=1e-6, abs=1e-9)
        assert reached >= largest / 6 * (1 - 1e-6) - 1e-9
        bound = chosen.provenance.details["coreset"]["upper_bound"]
        assert largest <= bound * (1 + 1e-6) + 1e-9


def test_texts_matrices_and_excluded_rows():
    rows = make_pool("random", 90, 5, np.float64, np.random.default_rng(3))
    chosen = select(rows, 8, start=2, exclude=[0, 1])
    assert not {0, 1} & set(chosen.indices.tolist())
    matrix = distances(rows)
    of_matrix = select_uniform(
        matrix, 8, engine="distances", method="coreset", start=2, exclude=[0, 1]
    )
    np.testing.assert_array_equal(of_matrix.indices, chosen.indices)
    assert of_matrix.coverage_radius == pytest.approx(chosen.coverage_radius)


def test_every_row_can_be_chosen():
    rows = make_pool("random", 11, 3, np.float64, np.random.default_rng(3))
    chosen = select(rows, 11)
    assert sorted(chosen.indices.tolist()) == list(range(11))
    assert chosen.coverage_radius == 0.0


def test_what_was_done_is_saved(tmp_path):
    rows = make_pool("clustered", 300, 5, np.float32, np.random.default_rng(3))
    chosen = select(rows, 10)
    chosen.save(tmp_path / "chosen.json")
    loaded = Selection.load(tmp_path / "chosen.json")

    assert loaded.provenance.options["method"] == "coreset"
    assert loaded.provenance.details["coreset"]["parts"] == 8
    assert 10 < loaded.provenance.details["coreset"]["candidates"] <= 81
    for continued in (lambda: loaded.extend(20, data=rows), lambda: loaded.fill(data=rows)):
        with pytest.raises(BudgetError, match="coreset"):
            continued()
    with pytest.raises(BudgetError, match="coreset"):
        loaded.prefix(5)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"include": [0]}, "include"),
        ({"away_from": [0]}, "away_from"),
        ({"min_distance": 0.1}, "min_distance"),
        ({"groups": [0, 1] * 20, "balance": "equal"}, "groups"),
        ({"token_budget": 5, "costs": [1] * 40}, "token_budget"),
        ({"quality": [1.0] * 40}, "quality"),
        ({"density_weight": 1.0}, "density_weight"),
        ({"refine": True}, "refine"),
        ({"checkpoint": "picks"}, "checkpoint"),
        ({"max_outliers": 1}, "max_outliers"),
    ],
)
def test_rules_that_cannot_be_honoured_are_refused_by_name(options, name):
    rows = make_pool("random", 40, 3, np.float64, np.random.default_rng(3))
    with pytest.raises(OptionError, match=f'method="coreset" and {name}= cannot be combined'):
        select(rows, 4, **options)


def test_parts_depend_on_rows_and_budget_only():
    def sizes(rows, budget):
        parts = coreset.parts_of(rows, budget)
        assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
        assert (parts[0].start, parts[-1].stop) == (0, rows)
        return [part.stop - part.start for part in parts]

    assert sizes(11, 11) == [1, 1, 2, 1, 1, 2, 1, 2]
    assert sizes(3, 2) == [1, 1, 1]
    assert len(sizes(100_000, 1000)) == 8
    assert len(sizes(1_100_000, 1000)) == 32
    assert len(sizes(10**9, 1000)) == 64


def test_rows_on_disk_are_read_as_they_are_in_memory(tmp_path):
    rows = make_pool("clustered", 900, 6, np.float32, np.random.default_rng(1))
    np.save(tmp_path / "rows.npy", rows)
    chosen = select(str(tmp_path / "rows.npy"), 30, engine="mapped", exclude=[0, 500])
    alone = select(rows, 30, exclude=[0, 500])
    np.testing.assert_array_equal(chosen.indices, alone.indices)
    assert chosen.coverage_radius == alone.coverage_radius
