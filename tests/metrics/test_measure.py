"""Every measure against its definition, on every kind of pool."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import errors, measure, select_uniform
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.oracle import gaps_by_definition
from tests.support.pools import KINDS, make_pool, pools

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def near(expected):
    return pytest.approx(expected, rel=1e-6, abs=1e-13)


def assert_measures_follow_their_definitions(vectors, chosen, normalize):
    gaps = gaps_by_definition(vectors, normalize)
    inside = gaps[np.ix_(chosen, chosen)] + np.diag(np.full(len(chosen), np.inf))
    reached = gaps[:, chosen].min(axis=1)
    neighbours = inside.min(axis=1)

    found = measure(vectors, chosen, normalize=normalize, random_subsets=0, certificate=False)

    assert (found.pool_size, found.size, found.random) == (len(gaps), len(chosen), None)
    assert found.h_min == near(neighbours.min())
    assert found.coverage_radius == near(reached.max())
    assert reached[found.farthest_row] == near(reached.max())
    assert found.mean_distance == near(reached.mean())
    assert list(found.distance_quantiles) == list(QUANTILES)
    assert list(found.distance_quantiles.values()) == near(np.quantile(reached, QUANTILES))
    assert found.duplicates == np.count_nonzero(neighbours == 0)
    if len(chosen) == 1:
        assert found.closest_pair is None
        assert set(found.neighbour_quantiles.values()) == {math.inf}
    else:
        first, second = found.closest_pair
        assert first != second
        assert {first, second} <= set(chosen)
        assert gaps[first, second] == near(found.h_min)
        assert list(found.neighbour_quantiles.values()) == near(np.quantile(neighbours, QUANTILES))
    assert found.mean_neighbour_distance == near(neighbours.mean())
    if found.h_min == 0:
        assert found.mesh_ratio == math.inf
    else:
        assert found.mesh_ratio == near(found.coverage_radius / found.h_min)


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_every_measure_follows_its_definition(vectors, normalize, data):
    n = len(vectors)
    chosen = data.draw(st.permutations(range(n)))[: data.draw(st.integers(1, n))]

    assert_measures_follow_their_definitions(vectors, chosen, normalize)


@pytest.mark.parametrize("kind", KINDS)
def test_every_measure_follows_its_definition_across_blocks(kind):
    rng = np.random.default_rng(5)
    vectors = make_pool(kind, 2100, 3, np.float32, rng)  # rows are compared in blocks of 1024

    assert_measures_follow_their_definitions(vectors, rng.permutation(2100)[:1200], True)


def test_distances_are_not_squared():
    found = measure(np.array([[0.0], [3.0], [10.0]]), [0, 1], normalize=False, random_subsets=0)

    assert (found.h_min, found.closest_pair) == (3.0, (0, 1))
    assert (found.coverage_radius, found.farthest_row) == (7.0, 2)
    assert found.mean_distance == pytest.approx(7 / 3)


def test_normalised_rows_are_compared_by_direction():
    vectors = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0]])

    assert measure(vectors, [0, 2], random_subsets=0).h_min == pytest.approx(math.sqrt(2))
    assert measure(vectors, [0, 1], random_subsets=0).duplicates == 2


def test_all_rows_leave_nothing_uncovered():
    found = measure(np.eye(4), range(4), random_subsets=2)

    assert found.coverage_radius == 0.0
    assert found.mesh_ratio == 0.0
    assert found.random.h_min.std == 0.0


def test_a_single_row_has_an_infinite_h_min():
    found = measure(np.eye(4), [2])

    assert found.h_min == math.inf
    assert found.closest_pair is None
    assert found.random.h_min.mean == math.inf
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["h_min"] is None


def test_random_subsets_are_measured_like_any_other():
    vectors = np.random.default_rng(1).normal(size=(50, 6))
    drawn = [
        measure(vectors, np.random.default_rng(seed).choice(50, 7, replace=False), random_subsets=0)
        for seed in (4, 5, 6)
    ]

    random = measure(vectors, np.arange(7), random_subsets=3, seed=4).random

    assert random.subsets == 3
    for name in ("h_min", "coverage_radius", "mean_distance"):
        values = [getattr(one, name) for one in drawn]
        assert getattr(random, name).mean == pytest.approx(np.mean(values))
        assert getattr(random, name).std == pytest.approx(np.std(values, ddof=1))


def test_random_subsets_are_reproducible_by_seed():
    vectors = np.random.default_rng(2).normal(size=(30, 3))

    once = measure(vectors, [1, 2, 3], seed=7)

    assert once == measure(vectors, [1, 2, 3], seed=7)
    assert once.random != measure(vectors, [1, 2, 3], seed=8).random
    assert once.random_h_min == once.random.h_min.mean
    assert measure(vectors, [1, 2], random_subsets=0).random_h_min is None


def test_a_selection_is_accepted_and_agrees_with_its_own_numbers():
    vectors = np.random.default_rng(3).normal(size=(200, 8))
    selection = select_uniform(vectors, 20)

    found = measure(vectors, selection, random_subsets=0)

    assert found == measure(vectors, selection.indices, random_subsets=0)
    assert found.h_min == pytest.approx(selection.h_min)
    assert found.coverage_radius == pytest.approx(selection.coverage_radius)


def test_any_sequence_of_row_numbers_is_accepted():
    torch = pytest.importorskip("torch")
    expected = measure(np.eye(5), np.array([3, 1]), random_subsets=0)

    for indices in ([3, 1], (3, 1), range(1, 4, 2), np.uint8([3, 1]), torch.tensor([3, 1])):
        assert measure(np.eye(5), indices, random_subsets=0) == expected


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "non-empty sequence"),
        ([0.5], "dtype float64"),
        ([True, False], "dtype bool"),
        ([[0], [1]], "shape (2, 1)"),
        ([[0], [1, 2]], "sequence of row numbers"),
        ("01", "there is no file 01. A subset is row numbers"),
        ([0, 5], "from 0 to 4, got 5"),
        ([-1], "got -1"),
        ([2, 1, 2], "row 2 is named 2 times"),
    ],
)
def test_invalid_row_numbers_are_rejected(indices, message):
    with pytest.raises(errors.RowError) as raised:
        measure(np.eye(5), indices)
    assert message in str(raised.value)


@pytest.mark.parametrize("option", ["random_subsets", "seed"])
@pytest.mark.parametrize("value", [-1, 1.5, True, "3", None])
def test_invalid_counts_are_rejected(option, value):
    with pytest.raises(errors.OptionError, match=option):
        measure(np.eye(5), [0, 1], **{option: value})


def test_dropped_rows_are_not_part_of_the_pool():
    vectors = np.random.default_rng(4).normal(size=(20, 3))
    vectors[[3, 8]] = [[np.nan] * 3, [0] * 3]
    kept = np.delete(np.arange(20), [3, 8])
    chosen = kept[[0, 5, 9]]

    found = measure(vectors, chosen, on_invalid="drop", random_subsets=0)

    without = measure(vectors[kept], [0, 5, 9], random_subsets=0)
    assert found.pool_size == 18
    assert found.farthest_row == kept[without.farthest_row]
    assert found.mean_distance == pytest.approx(without.mean_distance)
    assert found.closest_pair == tuple(kept[list(without.closest_pair)])
    assert measure(vectors, chosen, on_invalid="drop").random.h_min.mean > 0
    with pytest.raises(errors.RowError, match="row 8 cannot be used: row 8 is a zero vector"):
        measure(vectors, [0, 8], on_invalid="drop")
    with pytest.raises(errors.VectorError, match="row 3 coordinate 0 is nan"):
        measure(vectors, chosen)


def test_texts_are_embedded():
    texts, encoder = texts_of(30), TopicEncoder()

    found = measure(texts, [1, 4], encoder=encoder, random_subsets=0)

    assert found == measure(encoder.encode(texts), [1, 4], random_subsets=0)


def test_ties_go_to_the_first_pair_and_the_first_row():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [9.0, 0.5], [-8.0, 0.5]])

    found = measure(square, [3, 2, 1, 0], normalize=False, random_subsets=0)

    assert found.closest_pair == (0, 1)
    assert found.farthest_row == 4


def test_each_stage_has_a_bar_with_units(capsys):
    texts, options = texts_of(30), {"encoder": TopicEncoder(), "cache_dir": False}

    subset = select_uniform(texts, 5, progress=True, **options)
    written = capsys.readouterr().err
    assert [stage for stage, _ in bars(written)] == ["reading", "embedding", "selecting"]
    measure(texts, subset, progress=True, **options)

    stages = bars(capsys.readouterr().err)
    assert stages[:3] == [("reading", "row"), ("embedding", "text"), ("measuring", "row")]
    assert sorted(stages[3:]) == [  # at the same time
        ("certificate", "row"),
        ("random subsets", "row"),
        ("selecting", ""),  # shows the radius and the time left
    ]
    measure(texts, subset, **options)
    assert capsys.readouterr().err == ""


def bars(written):
    """Return the stages that were finished, in order, and the units of what they count."""
    finished = re.findall(r"([a-z][a-z ]*): 100%[^\r\n]*?(?:(row|text)(?:/s)?\]|\])", written)
    return list(dict.fromkeys(finished))
