"""The map: which rows are drawn and where, what dense regions are called, and colours."""

import numpy as np
import pytest

from evenly import select_uniform
from evenly.geometry import nearest_chosen
from evenly.inputs.prepare import prepare
from evenly.options import InputOptions
from evenly.reporting.page.colouring import Colouring
from evenly.reporting.page.mapping import map_of
from evenly.reporting.page.regions import Density, label_regions
from evenly.reporting.page.subject import Subject

# Two heaps, of 150 and 50 rows, far apart in the first of five coordinates.
HEAPS = np.random.default_rng(0).normal(size=(200, 5)) * 0.1
HEAPS[150:, 0] += 5.0
NONE = np.empty(0, np.int64)


def subject_of(vectors, budget=20):
    chosen = select_uniform(vectors, budget, normalize=False)
    prepared = prepare(vectors, InputOptions(normalize=False))
    found = nearest_chosen(prepared.points, chosen.indices)
    return Subject(chosen, prepared, found, measures=None)


def test_a_small_pool_is_drawn_whole_along_its_widest_direction():
    drawn = map_of(subject_of(HEAPS), NONE, "pca", 0)

    assert drawn.places.tolist() == list(range(200))
    left = drawn.positions[:, 0] < drawn.positions[:, 0].mean()
    assert len(set(left[:150])) == len(set(left[150:])) == 1
    assert left[0] != left[-1]
    assert "rows are drawn" not in drawn.about


def test_of_a_large_pool_an_honest_sample_is_drawn_with_all_chosen_rows():
    subject = subject_of(HEAPS)
    kept = np.array([7, 190])

    drawn = map_of(subject, kept, "pca", 0, most_drawn=80)

    rows = set(subject.found.rows[drawn.places].tolist())
    assert len(rows) == 80
    assert {*subject.chosen.tolist(), *kept.tolist()} <= rows
    assert drawn.weights.sum() == pytest.approx(200)
    assert "Of 200 rows, 80 are drawn: all 20 chosen ones and a random sample of" in drawn.about


def test_of_many_chosen_rows_a_sample_is_drawn_and_said():
    subject = subject_of(HEAPS, budget=100)

    drawn = map_of(subject, NONE, "pca", 0, most_drawn=60, most_chosen=30)

    own = subject.found.chosen[drawn.places]
    assert own.sum() == 30
    assert drawn.weights[own].sum() == pytest.approx(100)
    assert "a random 30 of the 100 chosen ones and a random sample of 30 others" in drawn.about


@pytest.mark.parametrize("vectors", [np.ones((30, 3)), HEAPS[:2]])
def test_there_is_no_map_of_nothing(vectors):
    prepared = prepare(vectors, InputOptions(normalize=False))
    found = nearest_chosen(prepared.points, np.array([0]))
    subject = Subject(select_uniform(HEAPS, 1), prepared, found, measures=None)

    assert map_of(subject, NONE, "pca", 0) is None


def test_rows_of_one_coordinate_lie_on_a_line():
    drawn = map_of(subject_of(HEAPS[:, :1]), NONE, "pca", 0)

    assert not drawn.positions[:, 1].any()
    assert np.ptp(drawn.positions[:, 0]) == pytest.approx(np.ptp(HEAPS[:, 0]))


def test_dense_regions_are_named_by_what_tells_them_apart():
    drawn = map_of(subject_of(HEAPS), NONE, "pca", 0)
    texts = [f"please bake bread {row}" for row in range(150)]
    texts += [f"please mend engine {row}" for row in range(50)]

    density = Density.of(drawn)
    regions = label_regions(drawn, density, texts, 0)

    assert density.values.sum() == pytest.approx(200, rel=0.05)
    assert density.levels == sorted(density.levels)
    middle = drawn.positions[:, 0].mean()
    baking = drawn.positions[0, 0] < middle
    assert regions
    for region in regions:
        expected = "bake, bread" if (region.x < middle) == baking else "engine, mend"
        assert all(word in region.label for word in expected.split(", "))


def test_texts_without_words_give_no_names():
    drawn = map_of(subject_of(HEAPS), NONE, "pca", 0)

    assert label_regions(drawn, Density.of(drawn), ["1 2 3"] * 200, 0) == []
    assert label_regions(drawn, Density.of(drawn), [""] * 200, 0) == []


def test_groups_have_colours_and_counts():
    found = Colouring.of("kind", ["a", "b", "a", None, ["c", "b"]])

    assert not found.is_scale
    assert found.legend[0] == ("a (2)", "#0072B2")
    assert {label for label, _ in found.legend} == {"a (2)", "b (1)", "(none) (1)", "b, c (1)"}
    assert found.colours[0] == found.colours[2] == 0x0072B2FF


def test_many_groups_share_a_colour():
    found = Colouring.of("kind", [f"group {row}" for row in range(20)])

    assert found.legend[-1][0] == "12 others"
    assert len(set(found.colours.tolist())) == 9


def test_numbers_have_a_scale_and_missing_ones_are_grey():
    found = Colouring.of("score", [*map(float, range(50)), None, "51"])

    assert found.is_scale
    assert found.colours[0] != found.colours[49] == found.colours[51]
    assert found.colours[50] == 0x8F96A1FF
    assert float(found.legend[0][0]) < float(found.legend[-1][0])


def test_few_numbers_are_groups():
    assert not Colouring.of("stars", [1, 2, 3, 1]).is_scale
