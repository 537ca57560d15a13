"""`curve`: what every budget gives, beside random rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.errors import OptionError
from evenly.metrics.budget_curve import BudgetCurve
from evenly.metrics.suggestion import BudgetSuggestion
from evenly.options.checks import choice, shown
from evenly.plot.style import (
    CHOSEN,
    MARKED,
    RANDOM,
    Label,
    distance_unit,
    entitle,
    label_ends,
    new_axes,
    percentages,
    whole_numbers,
)

# Measure -> the title, and what its axis shows; {} is the unit of distances.
_TITLES = {
    "h_min": ("How far apart the chosen rows are", "h_min ({})"),
    "coverage_radius": ("How far the farthest row is from a chosen one", "coverage radius ({})"),
    "mean_distance": ("How far a row is from a chosen one, on average", "mean distance ({})"),
    "certified_fraction": ("How much of the best possible h_min is certain", "h_min / bound"),
    "tokens": ("How many tokens the chosen rows have", "tokens"),
}

_WISHES = {"h_min": "h_min", "coverage_radius": "coverage", "tokens": "tokens"}


def curve(
    suggestion: BudgetSuggestion | BudgetCurve, measure: str = "h_min", *, ax: Any = None
) -> Any:
    """Draw a measure against the budget, with random rows, the knee and what was asked for.

    Args:
        suggestion: what `suggest_budget` returns, or its `curve`.
        measure: "h_min", "coverage_radius", "mean_distance", "certified_fraction" or "tokens".
        ax: the axes to draw on; by default those of a new figure.

    Returns:
        matplotlib.axes.Axes: the axes.

    Raises:
        OptionError: there is no such measure, or the tokens were not counted.
        MissingExtraError: matplotlib is not installed.
    """
    choice(*_TITLES)("measure", measure)
    whole = suggestion if isinstance(suggestion, BudgetSuggestion) else None
    found = whole.curve if whole is not None else suggestion
    if not isinstance(found, BudgetCurve):
        raise OptionError(
            f"a curve is drawn of what suggest_budget returns, got {shown(suggestion)}."
        )
    columns = found.columns
    if measure not in columns:
        raise OptionError("there are no tokens to draw: the run did not count any.")
    ax = new_axes(ax)
    x, y = found.budgets, columns[measure]
    finite = np.isfinite(y)
    ax.plot(x[finite], y[finite], color=CHOSEN, linewidth=2, label="chosen")
    labels = [Label(x[-1], y[-1], "chosen", CHOSEN)]
    random = columns.get(f"random_{measure}")
    if random is not None:
        inside = np.isfinite(random)
        ax.plot(x[inside], random[inside], color=RANDOM, linewidth=1.5, label="random")
        labels.append(Label(x[-1], random[-1], "random", RANDOM))
    ax.set_xlim(0, x[-1] * 1.01)
    if measure != "certified_fraction" or y.min() < 0.5:
        ax.set_ylim(bottom=0)
    normalized = None
    if whole is not None:
        normalized = bool(whole.selection.provenance.options["normalize"])
        _mark(ax, whole, x, y)
    label_ends(ax, [one for one in labels if np.isfinite(one.y)])
    title, label = _TITLES[measure]
    entitle(ax, title, "budget (rows)", label.format(distance_unit(normalized)))
    whole_numbers(ax.xaxis)
    if measure == "certified_fraction":
        percentages(ax.yaxis)
    elif measure == "tokens":
        whole_numbers(ax.yaxis)
    return ax


def _mark(ax: Any, suggestion: BudgetSuggestion, x: Any, y: Any) -> None:
    """Mark the knee and the answers on the line."""
    marks = {"knee": suggestion.knee} | {
        f"{_WISHES[name]} {suggestion.wanted[name]:,g}": budget
        for name, budget in suggestion.answers.items()
    }
    texts: dict[int, list[str]] = {}
    for text, budget in marks.items():
        if budget:
            texts.setdefault(budget, []).append(text)
    # Above the line and below it in turn, where a falling curve leaves room.
    for place, (budget, together) in enumerate(sorted(texts.items())):
        above = place % 2 == 0
        height = float(y[np.searchsorted(x, budget)])
        if np.isfinite(height):
            ax.plot([budget], [height], "o", color=MARKED, markersize=6, zorder=3)
            ax.annotate(
                f"{', '.join(together)}: {budget:,} rows",
                (budget, height),
                xytext=(6, 6) if above else (-6, -6),
                textcoords="offset points",
                ha="left" if above else "right",
                va="bottom" if above else "top",
                color=MARKED,
            )
