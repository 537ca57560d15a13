"""What a stream guarantees: the bounds by brute force, on every kind of pool, in any order."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import select_stream
from evenly.geometry import Points, row_lengths
from evenly.selection.streaming.cover import REACH_FACTOR, StreamingCover
from tests.support.oracle import gaps_by_definition
from tests.support.oracle import h_min as h_min_by_definition
from tests.support.pools import pools
from tests.support.streams import cut, quiet


def smallest_radius_on_a_line(values, k):
    """The radius of the best k centres, rows or not: half the longest of k intervals."""
    values = np.sort(values)
    best = math.inf
    for ends in combinations(range(1, len(values)), min(k, len(values)) - 1):
        bounds = [0, *ends, len(values)]
        widths = [values[b - 1] - values[a] for a, b in pairwise(bounds)]
        best = min(best, max(widths) / 2)
    return best


streams_on_a_line = st.lists(
    st.one_of(
        st.integers(0, 60), st.floats(0, 60, width=16), st.sampled_from([2.0**n for n in range(12)])
    ),
    min_size=3,
    max_size=13,
)


@quiet
@given(values=streams_on_a_line, k=st.integers(1, 3), data=st.data())
@settings(max_examples=400)
def test_within_eight_times_the_best_radius_in_any_order(values, k, data):
    order = data.draw(st.permutations(values))
    rows = np.array(order, float)[:, None]

    found = select_stream([rows], k, normalize=False, keep=2)

    gaps = np.abs(rows - rows[:, 0])[:, found.indices]
    covered = gaps.min(axis=1).max()
    best = smallest_radius_on_a_line(rows[:, 0], k)
    assert covered <= 8 * best * (1 + 1e-9)
    assert covered <= found.coverage_bound * (1 + 1e-12)
    assert found.coverage_bound <= 8 * best * (1 + 1e-9) or len(set(order)) <= 2 * k
    widest = max(h_min_by_definition(rows[list(c)]) for c in combinations(range(len(rows)), k))
    assert widest <= found.h_min_bound * (1 + 1e-12)


def test_a_stream_that_grows_outwards_stays_within_its_bounds():
    """Each row far beyond those before, the worst order for a threshold that must keep up."""
    for ratio in (1.1, 1.5, 2.0, 3.0):
        rows = ratio ** np.arange(40.0)[:, None]
        for k in (1, 2, 3):
            found = select_stream([rows], k, normalize=False, keep=2)
            covered = np.abs(rows - rows[:, 0])[:, found.indices].min(axis=1).max()
            best = smallest_radius_on_a_line(rows[:, 0], k)
            assert covered <= found.coverage_bound * (1 + 1e-12)
            assert found.coverage_bound <= 8 * best * (1 + 1e-9)


def test_the_candidates_keep_their_promises_all_along():
    """What the proof rests on: reach and threshold, after every row."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = rng.standard_normal((120, 2)) * rng.uniform(0.1, 3, (120, 1)) ** 3
        candidates, k = StreamingCover(3, 6), 3
        for row in range(len(rows)):
            one = rows[row : row + 1]
            candidates.add(
                Points.of(one, row_lengths(one), np.ones(1, bool), normalize=False), np.array([row])
            )
            assert k <= len(candidates) <= 6 or row < k
            assert (candidates.reach <= REACH_FACTOR * candidates.threshold * (1 + 1e-9)).all()
            gaps = gaps_by_definition(rows[: row + 1], False)[:, candidates.numbers]
            assert (gaps.min(axis=1) <= candidates.reach.max() * (1 + 1e-9)).all()


@quiet
@given(vectors=pools(max_rows=80), normalize=st.booleans(), data=st.data())
def test_what_is_told_is_true_on_every_kind_of_pool(vectors, normalize, data):
    n = len(vectors)
    k = data.draw(st.integers(1, max(1, n // 4)))
    sizes = data.draw(st.lists(st.integers(1, 30), max_size=6))
    keep = data.draw(st.integers(2, 4))

    found = select_stream(
        list(cut(vectors, sizes)), k, normalize=normalize, keep=keep, second_pass=True
    )

    assert len(found) == k == len(set(found.indices.tolist()))
    gaps = gaps_by_definition(vectors, normalize)
    inside = gaps[np.ix_(found.indices, found.indices)] + np.diag(np.full(k, np.inf))
    assert found.h_min == pytest.approx(inside.min(), rel=1e-9, abs=1e-13)
    for place in range(1, k):
        before = gaps[found.indices[place], found.indices[:place]].min()
        assert found.radii[place] == pytest.approx(before, rel=1e-9, abs=1e-13)
    covered = gaps[:, found.indices].min(axis=1).max()
    assert found.coverage_radius == pytest.approx(covered, rel=1e-9, abs=1e-13)
    assert covered <= found.coverage_bound * (1 + 1e-9) + 1e-13
    np.testing.assert_array_equal(found.records, vectors[found.indices])
