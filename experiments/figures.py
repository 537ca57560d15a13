"""Figures of results: the difference of each arm from random rows, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from experiments.statistics import Estimate, Row, differences

_CLEAR, _UNCLEAR = "#0b6e4f", "#8a8d91"
_MARKERS = "osD^v<>Ph*X"


@dataclass(frozen=True)
class Panel:
    """One drawing of curves.

    Attributes:
        title: stands above it.
        x, y: what the axes show.
        curves: name -> the x and the y of its points.
        scales: of the two axes, "linear" or "log".
    """

    title: str
    x: str
    y: str
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    scales: tuple[str, str] = field(default=("log", "log"))


def draw_curves(panels: Sequence[Panel], path: Path) -> None:
    """Draw panels of curves side by side, as SVG."""
    with _axes(len(panels), 3.0, path, share=False) as axes:
        if axes is None:
            return
        for axis, panel in zip(axes, panels, strict=True):
            for marker, (name, (x, y)) in zip(cycle(_MARKERS), panel.curves.items(), strict=False):
                shown = "" if len(x) > 20 else marker
                axis.plot(x, y, "-", marker=shown, label=name, markersize=4, linewidth=1)
            axis.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
            axis.set(xscale=panel.scales[0], yscale=panel.scales[1])
            axis.tick_params(axis="x", which="minor", labelbottom=False)
            axis.grid(alpha=0.25)
        axes[-1].legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def draw_differences(
    rows: Sequence[Row], metrics: Sequence[tuple[str, str, Row]], path: Path
) -> None:
    """Draw the difference of each arm from random rows, with its 95 % interval, as SVG.

    Args:
        rows: rows with an arm, a seed and the metrics.
        metrics: the title of a panel, the metric it shows, and the values that its rows have.
        path: the file.
    """
    panels = [(title, _gaps(rows, metric, of)) for title, metric, of in metrics]
    arms = list(dict.fromkeys(arm for _, gaps in panels for arm in gaps))
    with _axes(len(panels), 0.7 + 0.19 * len(arms), path, share=True) as axes:
        if axes is None:
            return
        for axis, (title, gaps) in zip(axes, panels, strict=True):
            for place, arm in enumerate(arms):
                if arm in gaps:
                    gap = gaps[arm]
                    width = np.nan_to_num(gap.half_width)
                    colour = _CLEAR if gap.is_clear else _UNCLEAR
                    axis.errorbar(gap.mean, place, xerr=width, fmt="o", color=colour, markersize=4)
            axis.axvline(0, color="black", linewidth=0.8)
            axis.set(title=title, yticks=range(len(arms)), yticklabels=arms)
            axis.set_xlabel("difference from random rows")
            axis.grid(alpha=0.25, axis="x")
        axes[0].invert_yaxis()


def _gaps(rows: Sequence[Row], metric: str, of: Row) -> dict[str, Estimate]:
    own = [row for row in rows if all(row[name] == value for name, value in of.items())]
    return differences(own, metric, baseline="random", of={})


@contextmanager
def _axes(count: int, height: float, path: Path, *, share: bool):
    """Give axes to draw on, and write the file; give none if matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("No figure: it needs matplotlib. Run pip install 'evenly[experiments]'.")
        yield None
        return
    matplotlib.use("svg")
    from matplotlib import pyplot

    # Text stays text and nothing depends on the time, which keeps files and diffs small.
    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "evenly", "font.size": 8}
    with pyplot.rc_context(settings):
        figure, axes = pyplot.subplots(
            *(1, count),
            figsize=(1.2 + 2.6 * count, height),
            squeeze=False,
            sharey=share,
            layout="constrained",
        )
        for axis in axes[0]:
            axis.spines[["top", "right"]].set_visible(False)
        yield list(axes[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    print(f"Figure: {path}")
