"""`distances`: how far rows are from the nearest chosen one."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.geometry import nearest_chosen
from evenly.metrics.random_subsets import random_rows
from evenly.metrics.space import prepare_subsets
from evenly.options import whole_number
from evenly.plot.style import (
    CHOSEN,
    RANDOM,
    Label,
    distance_unit,
    entitle,
    label_ends,
    new_axes,
    percentages,
)

_STEPS = 513


def distances(
    data: Any, subset: Any, *, ax: Any = None, random: bool = True, seed: int = 0, **more: Any
) -> Any:
    """Draw the share of rows within each distance of a chosen row, beside random rows.

    The line ends at the coverage radius, the distance of the farthest row.

    Args:
        data: what the subset was chosen from, in any form that `select_uniform` accepts.
        subset: what `measure` takes: a selection, row numbers, or the path of a file.
        ax: the axes to draw on; by default those of a new figure.
        random: whether to draw a random subset of the same size, too.
        seed: of the random subset.
        more: options of the input as in `measure`, such as `text`, `encoder` or `vectors`.

    Returns:
        matplotlib.axes.Axes: the axes.

    Raises:
        MissingExtraError: matplotlib is not installed.
        RowError, ManifestError, DataError: as in `measure`.

    Cost: that of `measure` without a certificate.
    """
    seed = whole_number("seed", seed, least=0)
    ax = new_axes(ax)
    found = prepare_subsets(data, {"": subset}, more)
    points, chosen = found.prepared.points, found.rows[""]
    lines = [("chosen", chosen, CHOSEN, 2.0)]
    if random:
        eligible = np.flatnonzero(points.eligible)
        lines.append(("random", random_rows(eligible, len(chosen), seed), RANDOM, 1.5))
    share = np.linspace(0.0, 1.0, _STEPS)
    ends = []
    for name, rows, colour, width in lines:
        nearest = nearest_chosen(points, rows).to_subset
        within = np.quantile(nearest, share)
        ax.plot(within, share, color=colour, linewidth=width, label=name)
        ax.plot(within[-1:], share[-1:], "o", color=colour, markersize=5, clip_on=False)
        ends.append(Label(within[-1], 1.0, f"{name}, up to {within[-1]:.3g}", colour))
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.02)
    # From the nearest end downwards, so that labels are beside their dots.
    ends = [
        one._replace(y=1.0 - 0.07 * place)
        for place, one in enumerate(sorted(ends, key=lambda one: -one.x))
    ]
    label_ends(ax, ends)
    title = f"How far rows are from the nearest of {len(chosen):,}"
    unit = distance_unit(points.unit)
    entitle(ax, title, f"distance to the nearest chosen row ({unit})", "share of rows within it")
    percentages(ax.yaxis)
    return ax
