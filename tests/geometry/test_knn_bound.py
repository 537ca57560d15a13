"""The proof that rows are near their neighbours, rows as their own proxies, even slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import (
    Points,
    ProxyTransform,
    ProxyVectors,
    are_near_enough,
    mean_distances_to_nearest,
    median_distance_at_least,
    pair_distances,
    row_lengths,
)
from evenly.geometry.threads import even_slices
from evenly.selection.rules import outliers
from tests.support import oracle
from tests.support.pools import pools


def points_of(vectors, normalize):
    return Points.of(
        vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=normalize
    )


@given(vectors=pools(), normalize=st.booleans(), data=st.data())
def test_a_proof_is_never_wrong(vectors, normalize, data):
    points = points_of(vectors, normalize)
    rows = np.arange(len(vectors))
    some = np.array(data.draw(st.lists(st.sampled_from(rows.tolist()), min_size=1, unique=True)))
    k = data.draw(st.integers(1, 3))

    means = mean_distances_to_nearest(points, some, k, rows)
    median = np.median(pair_distances(points, rows)) if len(rows) > 1 else 0.0
    for reach in (0.0, float(means.min()), float(np.median(means)), float(means.max())):
        if are_near_enough(points, some, k, rows, reach):
            assert (means <= reach).all()
    if len(rows) > 1:
        assert median_distance_at_least(points, rows) <= median


def test_rows_with_near_neighbours_are_proven_to_have_them():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(20, 64)) / 8)[rng.integers(0, 20, 3000)]
    vectors = (vectors + 0.01 * rng.normal(size=vectors.shape)).astype(np.float32)
    points, rows = points_of(vectors, normalize=True), np.arange(3000)

    assert are_near_enough(points, rows[:20], 5, rows, 0.5)
    assert not are_near_enough(points, rows[:20], 5, rows, 0.001)
    median = np.median(pair_distances(points, rows[:64]))
    assert 0.999 * median < median_distance_at_least(points, rows[:64]) <= median


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 3.0), unit=st.booleans())
def test_the_proof_changes_no_warning(seed, scale, unit):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(8, 6))[rng.integers(0, 8, 150)]
    vectors = vectors + rng.normal(size=vectors.shape) / 10
    vectors[rng.integers(0, 150, 3)] *= [[-scale], [scale], [4 * scale]]
    points, picks = points_of(vectors, unit), rng.permutation(150)[:20]

    found = outliers.isolated_among(points, picks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outliers, "are_near_enough", lambda *_: False)
        searched = outliers.isolated_among(points, picks)

    assert found.tolist() == searched.tolist()


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("d", [4, 64, 384])
def test_rows_as_their_own_proxies_rule_out_no_nearer_pair(normalize, d):
    rng = np.random.default_rng(d)
    vectors = rng.normal(size=(60, d))
    vectors[20:40] = vectors[:20] + 1e-4 * rng.normal(size=(20, d))
    vectors[40:] = vectors[:20] + 1e-7 * rng.normal(size=(20, d))
    vectors = oracle.unit_rows(vectors).astype(np.float32)
    vectors[::7] *= np.float32(1 - 2.0**-21)
    points = points_of(vectors, normalize)
    transform = ProxyTransform.as_they_are(points)
    assert transform is not None
    proxies = ProxyVectors(points, transform)
    proxies.keep(1)

    rows = proxies[np.arange(len(vectors))]
    lengths = np.einsum("ij,ij->i", rows, rows)
    products = lengths[:, None] + lengths - 2 * (rows @ rows.T)
    exact = vectors.astype(np.longdouble)
    exact = oracle.unit_rows(exact) if normalize else exact
    truth = ((exact[:, None] - exact[None]) ** 2).sum(axis=2).astype(float)

    assert np.shares_memory(rows, vectors)
    limits = transform.error_bound().limits((truth * (1 + 1e-12)).ravel()).reshape(truth.shape)
    assert (products < limits).all()
    assert limits[0, 1] - truth[0, 1] < 0.01


def test_rows_that_cannot_be_their_own_proxies_are_copied():
    vectors = oracle.unit_rows(np.random.default_rng(0).normal(size=(50, 64))).astype(np.float32)

    def transform(vectors, normalize=False):
        return ProxyTransform.as_they_are(points_of(vectors, normalize))

    assert transform(vectors) is not None
    assert transform(vectors.astype(np.float64)) is None
    assert transform(vectors[:, ::2]) is None
    assert transform(3 * vectors) is None
    assert transform(1.9 * vectors) is not None
    assert transform(1.001 * vectors, normalize=True) is None
    assert transform(np.ascontiguousarray(vectors[:, :63])) is None
    assert transform(oracle.unit_rows(vectors / 8 + 1).astype(np.float32)) is None  # far from zero
    read_only = vectors.copy()
    read_only.flags.writeable = False
    assert transform(read_only) is None


@given(
    count=st.integers(0, 3000),
    size=st.integers(1, 300),
    threads=st.integers(1, 5),
    least=st.integers(1, 60),
)
def test_even_slices_are_even_and_as_many_for_each_thread(count, size, threads, least):
    parts = list(even_slices(count, size, threads, least=least))
    lengths = [part.stop - part.start for part in parts]

    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(count))
    assert all(0 < length <= size for length in lengths)
    assert not parts or max(lengths) - min(lengths) <= 1
    if count >= least * threads * -(-count // (size * threads)):
        assert len(parts) % threads == 0
