"""Packings in an order agree with the definition on every kind of pool, in memory and on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import TIE, DistanceMatrix, reach_of
from evenly.selection.packing.packer import Packer, packing_in_order
from tests.support.packings import TINY, gaps_of, packing_by_definition, points_of
from tests.support.pools import KINDS, make_pool, pools

FACTORS = st.sampled_from([0.5, 1 - 1e-6, 1.0, 1 + 1e-6, 1.5])


@st.composite
def distances(draw, gaps):
    """Draw the distance of a pair or one close to it, where ties are decided."""
    if draw(st.integers(0, 9)) == 0:
        return 0.0
    return float(draw(st.sampled_from(gaps.ravel()))) * draw(FACTORS)


@given(data=st.data(), vectors=pools(max_rows=50), normalize=st.booleans(), on_disk=st.booleans())
def test_a_packing_agrees_with_its_definition(data, vectors, normalize, on_disk):
    min_distance = data.draw(distances(gaps_of(vectors, normalize)))
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    points = points_of(vectors, normalize=normalize, on_disk=on_disk)

    found = Packer(points, settings=TINY).pack(order, min_distance)

    expected = packing_by_definition(vectors, order, min_distance, normalize=normalize)
    assert found.rows.tolist() == expected
    assert found.n_processed == len(vectors)


@given(data=st.data(), vectors=pools(max_rows=40))
def test_a_limit_keeps_the_first_rows_and_counts_those_processed(data, vectors):
    min_distance = data.draw(distances(gaps_of(vectors)))
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    whole = packing_by_definition(vectors, order, min_distance)
    limit = data.draw(st.integers(1, len(whole) + 1))
    reported = []

    packer = Packer(points_of(vectors), settings=TINY)
    found = packer.pack(order, min_distance, limit=limit, progress=reported.append)

    assert found.rows.tolist() == whole[:limit]
    filled = limit <= len(whole)
    assert found.n_processed == (
        order.tolist().index(whole[limit - 1]) + 1 if filled else len(order)
    )
    assert sum(reported) == found.n_processed


@given(data=st.data(), vectors=pools(max_rows=40), normalize=st.booleans(), on_disk=st.booleans())
def test_rows_to_keep_away_from_count_as_kept_first(data, vectors, normalize, on_disk):
    gaps = gaps_of(vectors, normalize)
    min_distance = data.draw(distances(gaps))
    seen = data.draw(st.integers(0, min(7, len(vectors) - 1)))
    away = data.draw(st.integers(0, seen))
    order = np.arange(seen, len(vectors))

    found = Packer(
        points_of(vectors, normalize=normalize, on_disk=on_disk),
        before=np.arange(away, seen),
        away=points_of(vectors[:away], normalize=normalize) if away else None,
        settings=TINY,
    ).pack(order, min_distance)

    expected = packing_by_definition(
        vectors, order, min_distance, normalize=normalize, away=vectors[:seen]
    )
    assert found.rows.tolist() == expected


@given(data=st.data(), vectors=pools(max_rows=40))
def test_a_matrix_of_distances_gives_the_same_rows(data, vectors):
    gaps = gaps_of(vectors)
    min_distance = data.draw(distances(gaps))
    order = np.array(data.draw(st.permutations(range(len(vectors)))))
    seen = data.draw(st.integers(0, min(3, len(vectors) - 1)))
    before, order = order[:seen], order[seen:]
    limit = data.draw(st.none() | st.integers(1, len(vectors)))

    packer = Packer(DistanceMatrix(gaps, np.ones(len(gaps), bool)), before=before)
    found = packer.pack(order, min_distance, limit=limit)

    expected = packing_by_definition(vectors, order, min_distance, away=vectors[before])[:limit]
    assert found.rows.tolist() == expected
    assert found.n_processed <= len(order)


@pytest.mark.parametrize("kind", KINDS)
def test_a_packer_can_pack_at_several_distances(kind):
    vectors = make_pool(kind, 300, 33, np.float32, np.random.default_rng(1))
    gaps = np.quantile(gaps_of(vectors, True), [0.3, 0.01, 0.9, 0.02])
    order = np.random.default_rng(2).permutation(300)
    packer = Packer(points_of(vectors, normalize=True), settings=TINY)

    found = [packer.pack(order, gap).rows.tolist() for gap in gaps]

    assert found == [packing_by_definition(vectors, order, gap, normalize=True) for gap in gaps]


def test_a_large_pool_in_blocks_of_the_default_size():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 96))[rng.integers(0, 30, 2600)]
    vectors = (vectors + 0.5 * rng.standard_normal((2600, 96))).astype(np.float32)
    order = rng.permutation(2600)
    rows = vectors.astype(float)
    packer = Packer(points_of(vectors))

    for min_distance in (6.0, 5.8):
        kept, excluded = [], np.zeros(2600, bool)
        for row in order:
            if not excluded[row]:
                kept.append(row)
                excluded |= ((rows - rows[row]) ** 2).sum(axis=1) < min_distance**2 * (1 - 1e-12)
        assert 1100 < len(kept) < 2400

        assert packer.pack(order, min_distance).rows.tolist() == kept


def test_a_row_at_exactly_the_distance_is_far_enough():
    line = points_of(np.arange(0.0, 1.0, 0.1)[:, None])  # gaps of 0.1, up to rounding

    kept = packing_in_order(line, np.arange(10), 0.3)

    assert kept.rows.tolist() == [0, 3, 6, 9]
    assert packing_in_order(line, np.arange(10), 0.3 * (1 + 1e-9)).rows.tolist() == [0, 4, 8]


def test_a_distance_of_zero_excludes_only_duplicates():
    vectors = np.array([[1.0, 0], [2, 0], [1, 1e-150], [1, 0], [3, 0]])

    assert packing_in_order(points_of(vectors), np.arange(5), 0.0).rows.tolist() == [0, 1, 2, 4]
    unit = points_of(vectors, normalize=True)
    assert packing_in_order(unit, np.arange(5), 0.0).rows.tolist() == [0]
    assert reach_of(2.0) == 4 * (1 - TIE)
