"""What plots draw: the data of their lines and points, their words, and errors."""

import subprocess
import sys

import numpy as np
import pytest

import evenly
from evenly import compare, errors, measure, plot, select_uniform, suggest_budget
from evenly.plot.of_pool import principal_axes

pyplot = pytest.importorskip("matplotlib.pyplot")

VECTORS = np.random.default_rng(31).standard_normal((200, 6)) + 0.5
COSTS = np.arange(200) % 5 + 1


@pytest.fixture(autouse=True)
def closed():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def suggestion():
    return suggest_budget(VECTORS, 100, h_min=0.9, tokens=120, costs=COSTS)


@pytest.fixture(scope="module")
def subset():
    return select_uniform(VECTORS, 20)


def lines_of(axes):
    """Name -> x and y of each line that has a name."""
    named = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): line.get_xydata().T for line in named}


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    "name", ["h_min", "coverage_radius", "mean_distance", "certified_fraction", "tokens"]
)
def test_a_curve_is_the_measure_of_each_budget(suggestion, name):
    axes = plot.curve(suggestion, name)

    columns, lines = suggestion.curve.columns, lines_of(axes)
    assert lines["chosen"].tolist() == [columns["budgets"].tolist(), columns[name].tolist()]
    random = f"random_{name}"
    assert ("random" in lines) is (random in columns)
    if random in columns:
        assert lines["random"][1].tolist() == columns[random].tolist()
        assert "random" in texts_of(axes)
    assert "chosen" in texts_of(axes)
    assert axes.get_xlabel() == "budget (rows)"
    assert axes.get_title("left")


def test_the_knee_and_the_answers_are_marked_on_the_curve(suggestion):
    axes = plot.curve(suggestion, "coverage_radius")

    budgets = [suggestion.knee, *suggestion.answers.values()]
    at = dict(zip(suggestion.curve.budgets.tolist(), suggestion.curve.rows, strict=True))
    marks = [line.get_xydata()[0].tolist() for line in axes.get_lines() if line.get_marker() == "o"]
    assert sorted(marks) == sorted([b, at[b]["coverage_radius"]] for b in set(budgets))
    texts = " ".join(texts_of(axes))
    assert f"{suggestion.knee:,} rows" in texts
    assert f"h_min 0.9: {suggestion.answers['h_min']:,} rows" in texts
    assert "tokens 120" in texts
    assert axes.get_ylabel() == "coverage radius (distance of unit vectors)"


def test_a_curve_alone_has_no_marks(suggestion):
    axes = plot.curve(suggestion.curve)

    assert not [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert axes.get_ylabel() == "h_min (Euclidean distance)"


def test_axes_of_ones_own_are_drawn_on(suggestion, subset):
    _, own = pyplot.subplots()

    assert plot.curve(suggestion, ax=own) is own
    assert plot.map(VECTORS, subset, ax=own) is own
    assert plot.distances(VECTORS, subset, ax=own) is own
    assert len(pyplot.get_fignums()) == 1


def test_distances_are_those_of_all_rows(subset):
    axes = plot.distances(VECTORS, subset)

    measured, lines = measure(VECTORS, subset, random_subsets=1), lines_of(axes)
    distances, share = lines["chosen"]
    assert (share[0], share[-1]) == (0.0, 1.0)
    assert distances[-1] == pytest.approx(measured.coverage_radius)
    for quantile, distance in measured.distance_quantiles.items():
        assert np.interp(quantile, share, distances) == pytest.approx(distance, abs=0.02)
    assert lines["random"][0][-1] == pytest.approx(measured.random.coverage_radius.mean)
    assert lines_of(plot.distances(VECTORS, subset, random=False)).keys() == {"chosen"}
    assert f"chosen, up to {measured.coverage_radius:.3g}" in texts_of(axes)


def test_a_map_shows_every_row_once_on_the_axes_of_the_largest_variance():
    vectors = np.random.default_rng(32).standard_normal((100, 4)) * [1.0, 5.0, 0.1, 3.0]
    chosen = np.array([3, 7, 60])

    axes = plot.map(vectors, chosen, normalize=False)

    left_out, points = (np.asarray(one.get_offsets()) for one in axes.collections)
    assert (len(left_out), len(points)) == (97, 3)
    # The axes of this pool are nearly coordinates 1 and 3.
    expected = (vectors - vectors.mean(axis=0))[chosen][:, [1, 3]]
    assert np.abs(np.corrcoef(points[:, 0], expected[:, 0])[0, 1]) > 0.95
    assert points[:, 0] == pytest.approx(expected[:, 0], abs=1.5)
    assert "3 chosen (blue) of 100 rows" in axes.get_title("left")
    share = 25 / (1 + 25 + 0.01 + 9)
    found = int(axes.get_xlabel().split("(")[1].split("%")[0]) / 100
    assert found == pytest.approx(share, abs=0.1)


def test_a_map_of_a_large_pool_says_that_it_is_a_sample(subset):
    axes = plot.map(VECTORS, subset, most_rows=15)

    assert [len(one.get_offsets()) for one in axes.collections] == [15, 15]
    title = axes.get_title("left")
    assert title == "20 chosen (blue) of 200 rows, 15 of them drawn; 15 of the chosen rows drawn"


def test_principal_axes_keep_the_distances_of_a_plane():
    plane = np.random.default_rng(33).standard_normal((30, 2))
    turned = np.linalg.qr(np.random.default_rng(34).standard_normal((5, 5)))[0][:, :2]

    [places], shares = principal_axes([plane @ turned.T])

    gaps = [np.linalg.norm(one[:, None] - one[None], axis=2) for one in (plane, places)]
    np.testing.assert_allclose(*gaps, atol=1e-9)
    assert shares.sum() == pytest.approx(1.0)
    [on_a_line], _ = principal_axes([plane[:, :1]])
    assert on_a_line.shape == (30, 2)
    assert not on_a_line[:, 1].any()
    [same], shares = principal_axes([np.ones((4, 3))])
    assert not same.any()
    assert not shares.any()


def test_a_comparison_has_a_line_for_each_subset_and_one_for_random_ones(subset):
    found = compare({"first": np.arange(20), "spread": subset}, VECTORS, details=False)

    axes = plot.compare(found, "coverage_radius")

    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["first", "spread", "random"]
    dots = [line.get_xydata()[0] for line in axes.get_lines() if line.get_marker() == "o"]
    expected = [found.subsets[name].coverage_radius for name in ("first", "spread")]
    random = [one.coverage_radius for one in found.random[20]]
    assert [x for x, _ in dots] == pytest.approx([*expected, np.mean(random)])
    [ticks] = [line for line in axes.get_lines() if line.get_marker() == "|"]
    assert ticks.get_xdata() == pytest.approx(random)
    assert f"{expected[1]:.3g}" in texts_of(axes)


def test_what_cannot_be_drawn_is_an_option_error(suggestion, subset):
    gaps = np.linalg.norm(VECTORS[:, None] - VECTORS[None], axis=2)
    without = compare({"a": [0, 1]}, VECTORS, details=False, certificate=False)
    for draw, message in [
        (lambda: plot.curve(suggestion, "hmin"), "measure must be one of h_min,"),
        (lambda: plot.curve(subset), "what suggest_budget returns"),
        (lambda: plot.curve(suggest_budget(VECTORS, 9), "tokens"), "did not count any"),
        (lambda: plot.compare(subset), r"what evenly\.compare returns"),
        (lambda: plot.compare(without, "certified_fraction"), "certificate=True"),
        (lambda: plot.map(gaps, [0, 1], engine="distances"), "a map needs vectors"),
        (lambda: plot.map(VECTORS, subset, most_rows=0), "most_rows must be a whole number"),
        (lambda: plot.distances(VECTORS, subset, seed=-1), "seed must be a whole number"),
    ]:
        with pytest.raises(errors.OptionError, match=message):
            draw()


def test_without_matplotlib_the_error_names_the_command(suggestion, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(errors.MissingExtraError, match=r"pip install 'evenly\[plot\]'"):
        plot.curve(suggestion)


def test_plots_load_matplotlib_only_when_they_draw():
    code = "import sys, evenly.plot; evenly.plot.curve; print('matplotlib' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )

    assert ran.stdout == "False\n"
    assert evenly.plot is plot
