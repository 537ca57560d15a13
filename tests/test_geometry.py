import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import (
    Points,
    first_of_the_farthest,
    lower_to_nearest,
    row_lengths,
    squared_distances_between,
    squared_lengths,
)
from evenly.geometry.proposals import Float32Proposals
from evenly.geometry.torch_proposals import Bfloat16Proposals
from tests import oracle
from tests.pool_strategies import KINDS, make_pool, pools

PRECISIONS = {"float32": Float32Proposals, "bfloat16": Bfloat16Proposals}
precisions = pytest.mark.parametrize("precision", PRECISIONS)


def points_of(vectors, normalize):
    return Points.of(
        vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=normalize
    )


def squared_distances_in_extended_precision(vectors, normalize):
    rows = vectors.astype(np.longdouble)
    rows = oracle.unit_rows(rows) if normalize else rows
    return ((rows[:, None] - rows[None]) ** 2).sum(axis=2)


def ugly_rows(d):
    """Coordinates of one sign just above a power of two: roundings add up instead of cancelling."""
    rng = np.random.default_rng(d)
    ugly = 1 + 2.0**-9 + 2.0**-24 + 2.0**-23 * rng.integers(0, 3, (40, d))
    vectors = (ugly * rng.choice([1, 1, 1, -1], (40, 1))).astype(np.float32)
    vectors[:20] = vectors[0] * (1 + 2.0**-20 * np.arange(20)[:, None])
    return vectors


def assert_no_nearer_pair_is_missed(vectors, normalize, precision, known):
    """The nearest pair of each row is suspected whenever it is nearer than what is known."""
    proposals = PRECISIONS[precision](points_of(vectors, normalize))
    rows = np.arange(len(vectors))
    truth = squared_distances_in_extended_precision(vectors, normalize)
    columns = proposals.columns(proposals.points.take(rows))
    margins = proposals.margins(proposals.left(rows), known, columns)
    suspected = np.zeros(truth.shape, bool)
    suspected[margins.suspects()] = True
    nearest = truth <= truth.min(axis=1, keepdims=True) * (1 + 1e-15)
    nearer = truth < known[:, None] * (1 - 1e-15)
    assert not (nearer & nearest & ~suspected).any()
    return suspected, truth


@precisions
@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_no_nearer_pair_is_missed(precision, vectors, normalize, data):
    truth = squared_distances_in_extended_precision(vectors, normalize).astype(float)
    # Just above the distance to some other row: the hardest pair to see.
    known = truth[:, data.draw(st.integers(0, len(vectors) - 1))] * (1 + 1e-13)
    assert_no_nearer_pair_is_missed(vectors, normalize, precision, known)


@precisions
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("d", [1, 7, 384, 4096])
def test_no_nearer_pair_is_missed_where_roundings_add_up(precision, normalize, d):
    vectors = ugly_rows(d)
    truth = squared_distances_in_extended_precision(vectors, normalize).astype(float)
    for other in (0, 5, 30):
        known = truth[:, other] * (1 + 1e-13)
        assert_no_nearer_pair_is_missed(vectors, normalize, precision, known)


@given(vectors=pools(max_rows=60), normalize=st.booleans())
def test_pairwise_bounds_are_never_above_the_squared_distance(vectors, normalize):
    proposals = Float32Proposals(points_of(vectors, normalize))
    bounds = proposals.pairwise_lower_bounds(np.arange(len(vectors))).astype(np.longdouble)
    truth = squared_distances_in_extended_precision(vectors, normalize)
    assert (bounds * proposals.unit_of_bounds <= truth * (1 + 1e-15)).all()


@precisions
def test_margins_are_close_enough_to_be_useful(precision):
    vectors = np.random.default_rng(0).standard_normal((200, 384)).astype(np.float32)
    truth = squared_distances_in_extended_precision(vectors, True).astype(float)
    known = np.quantile(truth, 0.2, axis=1)
    suspected, _ = assert_no_nearer_pair_is_missed(vectors, True, precision, known)
    near = {"float32": 1e-3, "bfloat16": 3e-2}[precision]
    assert not (suspected & (truth > known[:, None] + near)).any()
    assert not (suspected & (truth > truth.min(axis=1, keepdims=True) + near)).any()


@precisions
@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_lowering_gives_the_exact_distance_to_the_nearest(precision, vectors, normalize, data):
    points = points_of(vectors, normalize)
    proposals = PRECISIONS[precision](points)
    n = len(vectors)
    chosen = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True)))
    skip_itself = data.draw(st.booleans())
    rows = np.arange(n)
    squared, nearest = np.full(n, np.inf), np.full(n, n)
    for part in np.array_split(chosen, min(3, len(chosen))):
        others = points.take(part)
        lower_to_nearest(
            proposals,
            rows,
            proposals.left(rows),
            squared,
            others,
            proposals.columns(others),
            nearest,
            numbers=part,
            skip_itself=skip_itself,
        )

    truth = np.array(
        [squared_distances_between(points, rows, points, np.full(n, c)) for c in chosen]
    )
    if skip_itself:
        truth[np.arange(len(chosen)), chosen] = np.inf
    np.testing.assert_array_equal(squared, truth.min(axis=0))
    for row in rows:
        met = chosen[truth[:, row] == squared[row]]
        assert nearest[row] == (met.min() if np.isfinite(squared[row]) else n)


@given(vectors=pools(max_rows=40), normalize=st.booleans())
def test_exact_distances_are_the_definition(vectors, normalize):
    points = points_of(vectors, normalize)
    rows = vectors.astype(np.float64)
    rows = oracle.unit_rows(rows) if normalize else rows
    left, right = (part.ravel() for part in np.indices((len(rows), len(rows))))
    truth = np.concatenate([oracle.squared_distances(rows, row, normalize) for row in rows])
    # Unit rows are rounded once each, by about 1e-16 in length.
    allowed = 1e-12 * truth + normalize * 3e-15 * np.sqrt(truth)
    assert (np.abs(squared_distances_between(points, left, points, right) - truth) <= allowed).all()


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_do_not_depend_on_layout_or_block(kind):
    vectors = make_pool(kind, 50, 33, np.float64, np.random.default_rng(1))
    whole = squared_lengths(vectors)
    np.testing.assert_array_equal(whole, squared_lengths(np.asfortranarray(vectors)))
    np.testing.assert_array_equal(whole[7:9], squared_lengths(vectors[7:9]))
    np.testing.assert_allclose(whole, (vectors**2).sum(axis=1), rtol=1e-13)


def test_ties_within_rounding_go_to_the_first():
    assert first_of_the_farthest(np.array([1.0, 2.0 - 1e-13, 2.0, 2.0])) == 1
    assert first_of_the_farthest(np.array([1.0, 2.0 - 1e-11, 2.0, 2.0])) == 2
    assert first_of_the_farthest(np.array([-np.inf, 0.0, 0.0])) == 1


def test_scaled_copies_of_a_direction_are_one_unit_row():
    directions = np.random.default_rng(0).standard_normal((50, 33))
    points = points_of(np.concatenate([directions, directions * 3]), normalize=True)
    between = squared_distances_between(points, np.arange(50), points, np.arange(50, 100))
    assert (between == 0).all()
