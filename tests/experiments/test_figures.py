"""Figures show every arm, and their absence is no failure."""

import sys

import pytest
from experiments.figures import Panel, draw_curves, draw_differences

ROWS = [
    {"arm": arm, "seed": seed, "budget": 9, "accuracy": base + seed / 10}
    for arm, base in (("random", 0.2), ("density", 0.5))
    for seed in range(3)
]


def test_a_figure_shows_the_arms_but_not_the_baseline(tmp_path):
    path = tmp_path / "folder" / "one.svg"
    draw_differences(ROWS, [("accuracy, 9 rows", "accuracy", {"budget": 9})], path)

    svg = path.read_text("utf-8")

    assert "density" in svg
    assert "accuracy, 9 rows" in svg
    assert ">random<" not in svg


def test_equal_results_give_an_equal_file(tmp_path):
    panels = [Panel("cube", "rows", "h_min", {"bias 0.0": ([10, 100], [0.5, 0.1])})]
    for name in ("one.svg", "two.svg"):
        draw_curves(panels, tmp_path / name)

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "bias 0.0" in (tmp_path / "one.svg").read_text("utf-8")


@pytest.mark.parametrize("draw", [draw_curves, draw_differences])
def test_results_are_not_lost_if_matplotlib_is_missing(draw, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    if draw is draw_curves:
        draw([Panel("a", "x", "y", {"b": ([1], [2])})], tmp_path / "one.svg")
    else:
        draw(ROWS, [("a", "accuracy", {})], tmp_path / "one.svg")

    assert "pip install 'evenly[experiments]'" in capsys.readouterr().out
    assert not (tmp_path / "one.svg").exists()
