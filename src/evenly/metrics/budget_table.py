"""A table of a curve of budgets, with a small plot of h_min beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evenly.metrics.budget_curve import BudgetCurve
from evenly.tables import grid

_WIDTH = 24
_RANDOM, _CHOSEN = "█", "░"

# Column of a curve -> its heading and the format of its values.
_COLUMNS = {
    "budgets": ("rows", ",.0f"),
    "tokens": ("tokens", ",.0f"),
    "h_min": ("h_min", ".4f"),
    "random_h_min": ("random", ".4f"),
    "certified_fraction": ("of best", ".0%"),
    "coverage_radius": ("coverage", ".4f"),
    "random_coverage_radius": ("random", ".4f"),
    "mean_distance": ("mean", ".4f"),
    "random_mean_distance": ("random", ".4f"),
}


def table_of_curve(curve: BudgetCurve, marks: Mapping[int, str]) -> str:
    """Return a table with a line for budgets of 1, 2 or 5 times a power of ten, and for marks.

    Args:
        curve: the curve.
        marks: budgets of the curve to show in any case -> what is written beside them.
    """
    table = grid([["", *line] for line in lines_of_curve(curve, marks)]).splitlines()
    # The first column has no text, because it is aligned to the left.
    table = [line[2:] for line in table]
    shown = _shown(curve, marks)
    plot = ["", *(_bar(curve, number) for number in shown)]
    notes = ["", *(marks.get(int(curve.budgets[number]), "") for number in shown)]
    return "\n".join(
        f"{line:<{max(map(len, table))}}  {bar:<{_WIDTH}}  {note}".rstrip()
        for line, bar, note in zip(table, plot, notes, strict=True)
    )


def lines_of_curve(curve: BudgetCurve, marks: Mapping[int, str]) -> list[list[str]]:
    """Return the cells of the table: a line of headings, and one for each budget shown."""
    columns = {name: curve.columns[name] for name in _COLUMNS if name in curve.columns}
    headings = [_COLUMNS[name][0] for name in columns]
    return [
        headings,
        *(
            [_cell(name, column[number]) for name, column in columns.items()]
            for number in _shown(curve, marks)
        ),
    ]


def _shown(curve: BudgetCurve, marks: Mapping[int, str]) -> list[int]:
    """Return the positions of the budgets that the table shows."""
    last = int(curve.budgets[-1])
    return [
        number
        for number, size in enumerate(curve.budgets.tolist())
        if size == last or size in marks or str(size).rstrip("0") in ("1", "2", "5")
    ]


def legend_of_curve(curve: BudgetCurve) -> str:
    """Return what the bars of the table mean."""
    if curve.random is None:
        return f"{_CHOSEN} h_min of the chosen rows"
    return f"{_RANDOM} h_min of random rows  {_CHOSEN} what the chosen rows are farther apart"


def _cell(name: str, value: Any) -> str:
    if not math.isfinite(value):
        return ""
    if name == "certified_fraction":  # a guarantee must be rounded down
        value = math.floor(value * 100 + 1e-9) / 100
    return f"{value:{_COLUMNS[name][1]}}"


def _bar(curve: BudgetCurve, number: int) -> str:
    finite = np.isfinite(curve.h_min)
    largest = float(curve.h_min[finite].max(initial=0.0))
    if not finite[number] or largest == 0.0:
        return ""
    length = round(float(curve.h_min[number]) / largest * _WIDTH)
    dark = 0
    if curve.random is not None:
        dark = min(length, round(float(curve.random.h_min[number]) / largest * _WIDTH))
    return _RANDOM * dark + _CHOSEN * (length - dark)
