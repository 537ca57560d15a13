"""Plots of what every budget gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.reporting.page.budgets import Budgets
from evenly.reporting.page.style import line, plain_figure

_TITLES = {
    "h_min": "h_min: smallest distance between two rows",
    "coverage_radius": "coverage radius: farthest row from its nearest chosen row",
    "mean_distance": "mean distance to the nearest chosen row",
    "certified_fraction": "proven share of the best possible h_min",
}


def budget_plots(budgets: Budgets) -> dict[str, Any]:
    """Return the plots of a curve by the name of what they show, on one shared axis."""
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d, Span

    curve, size = budgets.curve, budgets.size
    columns = {"rows": curve.budgets.astype(np.float64)}
    for name in _TITLES:
        columns[name] = _finite(getattr(curve, name))
        if curve.random is not None and hasattr(curve.random, name):
            columns[f"random_{name}"] = _finite(getattr(curve.random, name))
    source = ColumnDataSource(columns, name="budgets")
    shared = Range1d(0, float(curve.budgets[-1]) * 1.02, bounds="auto")
    made = {}
    for name, title in _TITLES.items():
        figure = plain_figure(title, x_range=shared)
        own = figure.line("rows", name, source=source, line_width=2.5, **line("chosen"))
        shown = [("rows", "@rows{0,0}"), ("evenly", f"@{name}{{0.0000}}")]
        if f"random_{name}" in columns:
            figure.line(
                "rows",
                f"random_{name}",
                source=source,
                line_width=2,
                line_dash=[6, 4],
                **line("random"),
            )
            shown.append(("random", f"@random_{name}{{0.0000}}"))
        if name == "certified_fraction":
            figure.y_range = Range1d(0, 1.03)
            figure.yaxis.formatter = NumeralTickFormatter(format="0 %")
        else:
            figure.y_range.start = 0
        figure.xaxis.formatter = NumeralTickFormatter(format="0,0")
        figure.add_tools(HoverTool(renderers=[own], mode="vline", tooltips=shown))
        figure.add_layout(Span(location=size, dimension="height", line_width=1.5, **line("soft")))
        if budgets.knee is not None:
            figure.add_layout(
                Span(
                    location=budgets.knee,
                    dimension="height",
                    line_dash="dotted",
                    line_width=2,
                    **line("near"),
                )
            )
        moving = Span(
            location=size, dimension="height", line_width=2, name="moving", **line("chosen")
        )
        figure.add_layout(moving)
        made[f"budget-{name}"] = figure
    return made


def _finite(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return values with NaN, which is not drawn, for what is not finite."""
    return np.where(np.isfinite(values), values, np.nan)
