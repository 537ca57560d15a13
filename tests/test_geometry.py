import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import (
    Points,
    Proposals,
    exact_squared_distances,
    first_of_the_farthest,
    lower_to_nearest,
    squared_lengths,
)
from tests import oracle
from tests.pool_strategies import KINDS, make_pool, pools


def points_of(vectors, normalize):
    lengths = np.sqrt(squared_lengths(vectors)) if normalize else None
    return Points(vectors, lengths, np.ones(len(vectors), bool))


def bounds_and_truth(vectors, normalize):
    """Every pair's lower bound, and its squared distance in extended precision."""
    proposals = Proposals(points_of(vectors, normalize))
    proposed = proposals.of(np.arange(len(vectors)))
    bounds = proposals.lower_bounds(proposed, proposals.columns(proposed)).astype(np.longdouble)
    bounds = (bounds + proposed.offsets[:, None]) / np.longdouble(proposals.scale) ** 2
    rows = vectors.astype(np.longdouble)
    if normalize:
        rows = oracle.unit_rows(rows)
    return bounds, ((rows[:, None] - rows[None]) ** 2).sum(axis=2), proposals


@given(vectors=pools(max_rows=60), normalize=st.booleans())
def test_a_proposal_is_never_above_the_squared_distance(vectors, normalize):
    bounds, truth, proposals = bounds_and_truth(vectors, normalize)
    # Relative to the truth, the float64 reference itself may err by its own rounding.
    assert (bounds <= truth * (1 + 1e-15)).all()
    assert proposals.slack < 1e-4


@pytest.mark.parametrize("d", [1, 7, 384, 4096])
def test_the_bound_holds_for_rows_chosen_to_round_badly(d):
    # All coordinates just above a power of two and of one sign: roundings add up, not cancel.
    rng = np.random.default_rng(d)
    ugly = 1 + 2.0**-24 + 2.0**-23 * rng.integers(0, 3, (40, d))
    vectors = (ugly * rng.choice([1, 1, 1, -1], (40, 1))).astype(np.float32)
    vectors[:20] = vectors[0] * (1 + 2.0**-20 * np.arange(20)[:, None])
    bounds, truth, _ = bounds_and_truth(vectors, normalize=False)
    assert (bounds <= truth).all()


def test_the_bound_is_close_enough_to_be_useful():
    vectors = np.random.default_rng(0).standard_normal((200, 384)).astype(np.float32)
    bounds, truth, _ = bounds_and_truth(vectors, normalize=True)
    assert np.abs(bounds - truth).max() < 2e-3


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_lowering_gives_the_exact_distance_to_the_nearest(vectors, normalize, data):
    points = points_of(vectors, normalize)
    proposals = Proposals(points)
    n = len(vectors)
    chosen = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True)))
    rows = np.arange(n)
    squared = np.full(n, np.inf)
    nearest = np.full(n, -1)
    for part in np.array_split(chosen, min(3, len(chosen))):
        columns = proposals.columns(proposals.of(part))
        lower_to_nearest(proposals, rows, proposals.of(rows), squared, part, columns, nearest)

    truth = np.array(
        [
            exact_squared_distances(points.exact(rows), points.exact(rows[[c] * n]), unit=normalize)
            for c in chosen
        ]
    )
    np.testing.assert_array_equal(squared, truth.min(axis=0))
    np.testing.assert_array_equal(squared, truth[[list(chosen).index(c) for c in nearest], rows])


@given(vectors=pools(max_rows=40), normalize=st.booleans())
def test_exact_distances_are_the_definition(vectors, normalize):
    points = points_of(vectors, normalize)
    rows = vectors.astype(np.float64)
    rows = oracle.unit_rows(rows) if normalize else rows
    left, right = (part.ravel() for part in np.indices((len(rows), len(rows))))
    truth = np.concatenate([oracle.squared_distances(rows, row, normalize) for row in rows])
    # Unit rows are rounded once each, by about 1e-16 in length.
    allowed = 1e-12 * truth + normalize * 3e-15 * np.sqrt(truth)
    assert (np.abs(points.exact_squared_distances(left, right) - truth) <= allowed).all()


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
    assert (points.exact_squared_distances(np.arange(50), np.arange(50, 100)) == 0).all()
