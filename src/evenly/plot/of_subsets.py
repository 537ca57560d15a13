"""`compare`: one measure of several subsets, beside random ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.errors import OptionError
from evenly.metrics import Measures
from evenly.options.checks import choice, shown
from evenly.plot.style import CHOSEN, RANDOM, distance_unit, entitle, new_axes
from evenly.reporting import Comparison

# Measure -> the title, and what its axis shows; {} is the unit of distances.
_TITLES = {
    "h_min": ("How far apart the rows of each subset are", "h_min ({})"),
    "coverage_radius": ("How far the farthest row is from each subset", "coverage radius ({})"),
    "mean_distance": ("How far a row is from each subset, on average", "mean distance ({})"),
    "mean_neighbour_distance": (
        "How far the rows of each subset are from their neighbours, on average",
        "mean distance to the nearest other row of the subset ({})",
    ),
    "certified_fraction": ("How much of the best possible h_min is certain", "h_min / bound"),
}


def compare(comparison: Comparison, measure: str = "h_min", *, ax: Any = None) -> Any:
    """Draw one measure of several subsets as dots; of random ones, the mean and all values.

    Args:
        comparison: what `evenly.compare` returns.
        measure: "h_min", "coverage_radius", "mean_distance", "mean_neighbour_distance" or
            "certified_fraction".
        ax: the axes to draw on; by default those of a new figure.

    Returns:
        matplotlib.axes.Axes: the axes.

    Raises:
        OptionError: there is no such measure, or it was not taken.
        MissingExtraError: matplotlib is not installed.
    """
    choice(*_TITLES)("measure", measure)
    if not isinstance(comparison, Comparison):
        raise OptionError(f"what evenly.compare returns is drawn, got {shown(comparison)}.")
    lines = [(name, [one], CHOSEN) for name, one in comparison.subsets.items()]
    for size, drawn in comparison.random.items():
        of_size = f" of {size:,}" if len(comparison.random) > 1 else ""
        lines.append((f"random{of_size}", list(drawn), RANDOM))
    values = [_values(measured, measure) for _, measured, _ in lines]
    ax = new_axes(ax, grid="x")
    for place, ((_, _, colour), some) in enumerate(zip(lines, values, strict=True)):
        mean = float(np.mean(some))
        if len(some) > 1:
            ax.plot(some, [place] * len(some), "|", color=colour, markersize=12, alpha=0.6)
        ax.plot([mean], [place], "o", color=colour, markersize=8)
        ax.annotate(
            f"{mean:.3g}",
            (mean, place),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            color=colour,
        )
    ax.set_yticks(range(len(lines)), [name for name, _, _ in lines])
    ax.set_ylim(len(lines) - 0.5, -0.7)
    ax.set_xlim(left=0)
    title, label = _TITLES[measure]
    normalized = next(iter(comparison.subsets.values())).normalized
    entitle(ax, title, label.format(distance_unit(normalized)), "")
    return ax


def _values(measured: list[Measures], measure: str) -> list[float]:
    values = [getattr(one, measure) for one in measured]
    if any(value is None for value in values):
        raise OptionError(f"{measure} was not measured; compare with certificate=True.")
    return [float(value) for value in values]
