"""The row farthest from some chosen rows is the one that comparing all rows finds."""

import numpy as np
import pytest

from evenly.geometry import Cover, Points, farthest_rows, nearest_chosen, row_lengths
from evenly.geometry.search import farthest
from evenly.geometry.search.along import guesses_along
from tests.support import packings
from tests.support.pools import KINDS, make_pool


def points_of(vectors, eligible=None, *, normalize=False):
    usable = np.ones(len(vectors), bool) if eligible is None else eligible
    return Points.of(vectors, row_lengths(vectors), usable, normalize=normalize)


def farthest_row(points, chosen, guesses=(), at_most=None, progress=None):
    [found] = farthest_rows(points, [Cover(chosen, guesses, at_most)], progress=progress)
    return found


def by_definition(points, chosen):
    found = nearest_chosen(points, chosen)
    farthest = int(np.argmax(found.to_subset))
    return found.rows[farthest], found.to_subset[farthest]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 40, 299, 300])
@pytest.mark.parametrize("known", ["nothing", "any guess", "guesses along an order", "bounds"])
@pytest.mark.parametrize("precision", ["float32", "int16"])
def test_it_is_the_first_of_the_farthest_rows(kind, size, known, precision, monkeypatch):
    monkeypatch.setattr(farthest, "choose_precision", lambda *_: precision)
    for name, value in (("_FIRST", 20), ("_PROBE", 5), ("_GUESS", 0.0)):
        monkeypatch.setattr(farthest, name, value)
    points = points_of(make_pool(kind, 300, 5, np.float32, np.random.default_rng(1)))
    chosen = np.random.default_rng(2).permutation(300)[:size]
    row, distance = by_definition(points, chosen)
    guesses, at_most = [], None
    if known == "any guess":
        guesses = [lambda rows: chosen[rows % size], lambda rows: np.full(len(rows), chosen[-1])]
    elif known == "guesses along an order":
        order = np.random.default_rng(3).permutation(300)
        guesses = guesses_along(order, chosen, len(points))
    elif known == "bounds":
        to_nearest = nearest_chosen(points, chosen).distances
        at_most = to_nearest**2 * (1.0 + np.random.default_rng(4).random(300))

    found, squared = farthest_row(points, chosen, guesses=guesses, at_most=at_most)

    assert np.sqrt(squared) == distance
    assert found == row


def test_guesses_are_chosen_rows_from_the_nearest_in_the_order_outwards():
    order = np.array([7, 2, 9, 4, 0, 5, 3])
    chosen = np.array([5, 2, 9])

    guesses = guesses_along(order, chosen, 10)

    found = [guess(np.array([7, 0, 4, 3])).tolist() for guess in guesses]
    assert found[:3] == [[2, 5, 9, 5], [2, 9, 9, 5], [2, 5, 5, 5]]
    assert found[3:5] == [[2, 2, 2, 9], [9, 5, 5, 5]]
    assert {row for guess in found for row in guess} == {*chosen.tolist()}


def test_good_guesses_leave_few_rows_to_compare(monkeypatch):
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 50)
    points = points_of(rng.standard_normal((40, 30))[cluster] + 0.1 * rng.random((2000, 30)))
    chosen = rng.permutation(2000)[:400]
    for name, value in (("_FIRST", 50), ("_PROBE", 10), ("_GUESS", 0.0)):
        monkeypatch.setattr(farthest, name, value)
    compared = []
    actual = farthest.lower_until_below
    monkeypatch.setattr(
        farthest,
        "lower_until_below",
        lambda targets, rows, *more, **how: (
            compared.append(len(rows)),
            actual(targets, rows, *more, **how),
        ),
    )

    guesses = guesses_along(np.arange(2000), chosen, 2000)

    assert farthest_row(points, chosen, guesses=guesses) == farthest_row(points, chosen)
    assert compared[:2] == compared[3:5] == [50, 10]
    assert compared[2] < 200
    assert compared[5] > 1000


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
def test_several_choices_of_rows_are_as_each_alone(precision, monkeypatch):
    monkeypatch.setattr(farthest, "choose_precision", lambda *_: precision)
    random = np.random.default_rng(7)
    points = points_of(random.standard_normal((5000, 40)).astype(np.float32), normalize=True)
    covers = [Cover(random.permutation(5000)[:size]) for size in (1, 200, 1500)]
    done = []

    found = farthest_rows(points, covers, progress=done.append)

    for one, cover in zip(found, covers, strict=True):
        assert (one[0], np.sqrt(one[1])) == by_definition(points, cover.chosen)
    assert sum(done) == 3 * 5000


def test_products_of_integers_leave_few_rows_to_compare(monkeypatch):
    random = np.random.default_rng(8)
    points = points_of(random.standard_normal((6000, 40)).astype(np.float32), normalize=True)
    compared = []
    actual = farthest.lower_until_below

    def compare(targets, rows, *more, **how):
        compared.append(len(rows))
        actual(targets, rows, *more, **how)

    monkeypatch.setattr(farthest, "lower_until_below", compare)
    for precision in ("int16", "float32"):
        monkeypatch.setattr(farthest, "choose_precision", lambda *_, chosen=precision: chosen)
        farthest_row(points, np.arange(500))

    assert compared[:2] == compared[3:5] == [1024, 256]
    assert compared[2] < 50
    assert compared[5] == 6000 - 500 - 1024 - 256


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e7])
def test_rows_close_together_far_from_zero_are_not_taken_for_near_ones(shift, monkeypatch):
    monkeypatch.setattr(farthest, "choose_precision", lambda *_: "int16")
    random = np.random.default_rng(9)
    vectors = random.standard_normal((4000, 20)) * 1e-3 + random.integers(0, 2, (4000, 1)) * 10.0
    points = points_of(vectors + shift)
    chosen = random.permutation(4000)[:600]

    found, squared = farthest_row(points, chosen)

    assert (found, np.sqrt(squared)) == by_definition(points, chosen)


@pytest.mark.parametrize("precision", ["float32", "int16"])
def test_rows_on_disk_are_read_in_pieces(precision, monkeypatch):
    monkeypatch.setattr(farthest, "choose_precision", lambda *_: precision)
    random = np.random.default_rng(5)
    vectors = random.standard_normal((3000, 40)).astype(np.float32)
    chosen = random.permutation(3000)[:300]

    found = farthest_row(packings.points_of(vectors, on_disk=True), chosen)

    assert found == farthest_row(points_of(vectors), chosen)
