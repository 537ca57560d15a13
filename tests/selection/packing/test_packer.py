"""Packings in an order: by definition on every kind of pool, wherever the vectors are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import TIE, DistanceMatrix, reach_of
from evenly.geometry.search.in_order import distances_to_earlier
from evenly.selection.packing.packer import Packer, packing_in_order
from tests.support.packings import gaps_of, packing_by_definition, points_of, tiny_blocks
from tests.support.pools import KINDS, make_pool, pools

FACTORS = st.sampled_from([0.5, 1 - 1e-6, 1.0, 1 + 1e-6, 1.5])


@st.composite
def distances(draw, gaps):
    """A distance that some pair has, or one about it: where it is decided who ties."""
    if draw(st.integers(0, 9)) == 0:
        return 0.0
    return float(draw(st.sampled_from(gaps.ravel()))) * draw(FACTORS)


@given(data=st.data(), vectors=pools(max_rows=50), normalize=st.booleans(), on_disk=st.booleans())
def test_a_packing_is_what_its_definition_says(data, vectors, normalize, on_disk):
    min_distance = data.draw(distances(gaps_of(vectors, normalize)))
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    points = points_of(vectors, normalize=normalize, on_disk=on_disk)

    with tiny_blocks():
        found = packing_in_order(points, order, min_distance)

    expected = packing_by_definition(vectors, order, min_distance, normalize=normalize)
    assert found.rows.tolist() == expected
    assert found.looked == len(vectors)


@given(data=st.data(), vectors=pools(max_rows=40))
def test_a_limit_gives_the_first_of_them_and_how_far_it_looked(data, vectors):
    min_distance = data.draw(distances(gaps_of(vectors)))
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    whole = packing_by_definition(vectors, order, min_distance)
    limit = data.draw(st.integers(1, len(whole) + 1))
    told = []

    with tiny_blocks():
        found = packing_in_order(
            points_of(vectors), order, min_distance, limit=limit, progress=told.append
        )

    assert found.rows.tolist() == whole[:limit]
    filled = limit <= len(whole)
    assert found.looked == (order.tolist().index(whole[limit - 1]) + 1 if filled else len(order))
    assert sum(told) == found.looked


@given(data=st.data(), vectors=pools(max_rows=40), normalize=st.booleans(), on_disk=st.booleans())
def test_rows_keep_away_from_others_as_if_they_came_first(data, vectors, normalize, on_disk):
    gaps = gaps_of(vectors, normalize)
    min_distance = data.draw(distances(gaps))
    seen = data.draw(st.integers(0, min(7, len(vectors) - 1)))
    away = data.draw(st.integers(0, seen))
    order = np.arange(seen, len(vectors))

    with tiny_blocks():
        found = packing_in_order(
            points_of(vectors, normalize=normalize, on_disk=on_disk),
            order,
            min_distance,
            before=np.arange(away, seen),
            away=points_of(vectors[:away], normalize=normalize) if away else None,
        )

    expected = packing_by_definition(
        vectors, order, min_distance, normalize=normalize, away=vectors[:seen]
    )
    assert found.rows.tolist() == expected


@given(data=st.data(), vectors=pools(max_rows=40))
def test_distances_of_any_metric_give_the_same(data, vectors):
    gaps = gaps_of(vectors)
    min_distance = data.draw(distances(gaps))
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    seen = data.draw(st.integers(0, min(3, len(vectors) - 1)))
    before, order = order[:seen], order[seen:]
    limit = data.draw(st.none() | st.integers(1, len(vectors)))

    found = packing_in_order(
        DistanceMatrix(gaps, np.ones(len(gaps), bool)),
        order,
        min_distance,
        before=before,
        limit=limit,
    )

    expected = packing_by_definition(vectors, order, min_distance, away=vectors[before])[:limit]
    assert found.rows.tolist() == expected
    assert found.looked <= len(order)


@pytest.mark.parametrize("kind", KINDS)
def test_a_packer_packs_again_at_other_distances(kind):
    vectors = make_pool(kind, 300, 33, np.float32, np.random.default_rng(1))
    gaps = np.quantile(gaps_of(vectors, True), [0.3, 0.01, 0.9, 0.02])
    order = np.random.default_rng(2).permutation(300)
    packer = Packer(points_of(vectors, normalize=True))

    with tiny_blocks():
        found = [packer.pack(order, gap).rows.tolist() for gap in gaps]

    assert found == [packing_by_definition(vectors, order, gap, normalize=True) for gap in gaps]


def test_a_large_pool_in_blocks_of_the_real_size():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 96))[rng.integers(0, 30, 2600)]
    vectors = (vectors + 0.5 * rng.standard_normal((2600, 96))).astype(np.float32)
    order = rng.permutation(2600)
    rows = vectors.astype(float)
    packer = Packer(points_of(vectors))

    for min_distance in (6.0, 5.8):
        kept, left_out = [], np.zeros(2600, bool)
        for row in order:
            if not left_out[row]:
                kept.append(row)
                left_out |= ((rows - rows[row]) ** 2).sum(axis=1) < min_distance**2 * (1 - 1e-12)
        assert 1100 < len(kept) < 2400

        assert packer.pack(order, min_distance).rows.tolist() == kept


def test_a_row_at_exactly_the_distance_is_far_enough():
    line = points_of(np.arange(0.0, 1.0, 0.1)[:, None])  # gaps of 0.1, up to rounding

    kept = packing_in_order(line, np.arange(10), 0.3)

    assert kept.rows.tolist() == [0, 3, 6, 9]
    assert packing_in_order(line, np.arange(10), 0.3 * (1 + 1e-9)).rows.tolist() == [0, 4, 8]


def test_a_distance_of_zero_leaves_out_duplicates_only():
    vectors = np.array([[1.0, 0], [2, 0], [1, 1e-150], [1, 0], [3, 0]])

    assert packing_in_order(points_of(vectors), np.arange(5), 0.0).rows.tolist() == [0, 1, 2, 4]
    unit = points_of(vectors, normalize=True)
    assert packing_in_order(unit, np.arange(5), 0.0).rows.tolist() == [0]
    assert reach_of(2.0) == 4 * (1 - TIE)


@given(data=st.data(), vectors=pools(max_rows=30), normalize=st.booleans(), on_disk=st.booleans())
def test_distances_to_earlier_rows_are_what_they_say(data, vectors, normalize, on_disk):
    gaps = gaps_of(vectors, normalize)
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    seen = data.draw(st.integers(0, len(vectors) - 1))
    before, rows = order[:seen], order[seen:]
    points = points_of(vectors, normalize=normalize, on_disk=on_disk)

    away = data.draw(st.integers(0, seen))
    others = points.take(np.sort(before[:away])) if away else None

    with tiny_blocks():
        found = distances_to_earlier(points, rows, before=before[away:], away=others)
        of_a_metric = distances_to_earlier(
            DistanceMatrix(gaps, np.ones(len(gaps), bool)), rows, before=before
        )

    for position, row in enumerate(rows):
        expected = gaps[row][order[: seen + position]].min(initial=np.inf)
        assert of_a_metric[position] == expected
        assert found[position] == pytest.approx(expected, rel=1e-12, abs=0)


def test_distances_to_earlier_rows_of_a_large_pool():
    vectors = make_pool("clustered", 5000, 33, np.float32, np.random.default_rng(3))
    rows = np.random.default_rng(4).permutation(5000)[:4500]

    found = distances_to_earlier(points_of(vectors), rows)

    exact = vectors[rows].astype(float)
    for position in np.random.default_rng(5).integers(1, 4500, 300):
        squared = ((exact[:position] - exact[position]) ** 2).sum(axis=1)
        assert found[position] == pytest.approx(np.sqrt(squared.min()), rel=1e-12)
