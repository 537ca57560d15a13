"""The row farthest from some chosen rows is the one that comparing all rows finds."""

import numpy as np
import pytest

from evenly.geometry import Points, farthest_row, nearest_chosen, row_lengths
from evenly.geometry.search import farthest
from tests.support import packings
from tests.support.pools import KINDS, make_pool


def points_of(vectors, eligible=None, *, normalize=False):
    usable = np.ones(len(vectors), bool) if eligible is None else eligible
    return Points.of(vectors, row_lengths(vectors), usable, normalize=normalize)


def by_definition(points, chosen):
    found = nearest_chosen(points, chosen)
    farthest = int(np.argmax(found.to_subset))
    return found.rows[farthest], found.to_subset[farthest]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 40, 299, 300])
@pytest.mark.parametrize("bounded", [False, True])
def test_it_is_the_first_of_the_farthest_rows(kind, size, bounded):
    points = points_of(make_pool(kind, 300, 5, np.float32, np.random.default_rng(1)))
    chosen = np.random.default_rng(2).permutation(300)[:size]
    row, distance = by_definition(points, chosen)
    bounds = None
    if bounded:  # not sharp for any row
        bounds = nearest_chosen(points, chosen[:1]).to_subset ** 2 * 1.5 + 1e-9

    found, squared = farthest_row(points, chosen, bounds=bounds)

    assert np.sqrt(squared) == distance
    assert found == row


def test_rows_that_cannot_be_used_do_not_count():
    random = np.random.default_rng(4)
    vectors = random.standard_normal((3000, 40)).astype(np.float32)
    eligible = random.random(3000) < 0.5
    vectors[~eligible] *= 100
    points = points_of(vectors, eligible)
    chosen = random.permutation(np.flatnonzero(eligible))[:400]
    done = []

    found, squared = farthest_row(points, chosen, progress=done.append)

    assert (found, np.sqrt(squared)) == by_definition(points, chosen)
    assert sum(done) == np.count_nonzero(eligible)


def test_rows_at_the_places_of_chosen_rows_are_at_no_distance():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 200, axis=0)

    assert farthest_row(points_of(vectors), np.array([5, 250, 599])) == (0, 0.0)


@pytest.mark.parametrize("precision", ["float32", "int16"])
def test_rows_on_disk_are_read_in_pieces(precision, monkeypatch):
    monkeypatch.setattr(farthest, "choose_precision", lambda *_: precision)
    random = np.random.default_rng(5)
    vectors = random.standard_normal((3000, 40)).astype(np.float32)
    chosen = random.permutation(3000)[:300]

    found = farthest_row(packings.points_of(vectors, on_disk=True), chosen)

    assert found == farthest_row(points_of(vectors), chosen)
