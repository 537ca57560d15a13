"""`map`: the pool in two dimensions, and which of its rows are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.errors import OptionError
from evenly.geometry import Points
from evenly.metrics.space import prepare_subsets
from evenly.options import whole_number
from evenly.plot.style import CHOSEN, SOFT, entitle, new_axes
from evenly.shapes import Float


def map(
    data: Any, subset: Any, *, ax: Any = None, most_rows: int = 20_000, seed: int = 0, **more: Any
) -> Any:
    """Draw the pool and the chosen rows on the first two principal axes of the pool.

    Two of many dimensions show little of the distances: rows that are far apart may lie on each
    other. The axes say how much of the variance they hold.

    Args:
        data: what the subset was chosen from, in any form that `select_uniform` accepts.
        subset: what `measure` takes: a selection, row numbers, or the path of a file.
        ax: the axes to draw on; by default those of a new figure.
        most_rows: of a larger pool, and of a larger subset, a random sample of so many rows is
            drawn, and the title says so.
        seed: of the samples.
        more: options of the input as in `measure`, such as `text`, `encoder` or `vectors`.

    Returns:
        matplotlib.axes.Axes: the axes.

    Raises:
        OptionError: the data are a matrix of distances, which has no axes.
        MissingExtraError: matplotlib is not installed.
        RowError, ManifestError, DataError: as in `measure`.
    """
    most_rows = whole_number("most_rows", most_rows, least=1)
    seed = whole_number("seed", seed, least=0)
    ax = new_axes(ax, grid="both")
    found = prepare_subsets(data, {"": subset}, more)
    points, chosen = found.prepared.points, found.rows[""]
    if not isinstance(points, Points):
        raise OptionError("a map needs vectors; the data are a matrix of distances.")
    generator = np.random.default_rng(seed)
    eligible = np.flatnonzero(points.eligible)
    others = np.setdiff1d(eligible, chosen)
    samples = [
        generator.choice(rows, most_rows, replace=False) if len(rows) > most_rows else rows
        for rows in (others, chosen)
    ]
    places, shares = principal_axes([points.exact(rows) for rows in samples])
    sizes = (12 * (1000 / max(1000, len(samples[0]))) ** 0.5, 16)
    for place, name, colour, size in zip(
        places, ("left out", "chosen"), (SOFT, CHOSEN), sizes, strict=True
    ):
        ax.scatter(
            place[:, 0], place[:, 1], s=size, color=colour, label=name, linewidths=0, alpha=0.8
        )
    drawn = "" if len(others) <= most_rows else f", {most_rows:,} of them drawn"
    if len(chosen) > most_rows:
        drawn += f"; {most_rows:,} of the chosen rows drawn"
    entitle(
        ax,
        f"{len(chosen):,} chosen (blue) of {len(eligible):,} rows{drawn}",
        f"first principal axis ({shares[0]:.0%} of the variance)",
        f"second principal axis ({shares[1]:.0%})",
    )
    ax.set_aspect("equal", adjustable="box")
    return ax


def principal_axes(
    parts: list[Float[np.ndarray, "m d"]],
) -> tuple[list[Float[np.ndarray, "m 2"]], Float[np.ndarray, " 2"]]:
    """Return rows on the two axes of the largest variance, and its share on each.

    The sign of an axis is such that its largest coordinate is positive.
    """
    rows = np.concatenate(parts)
    mean = rows.mean(axis=0)
    rows -= mean
    variances, axes = np.linalg.eigh(rows.T @ rows)
    axes, variances = axes[:, ::-1][:, :2], variances[::-1]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    total = max(float(variances.sum()), np.finfo(float).tiny)
    shares = np.zeros(2)
    shares[: axes.shape[1]] = np.maximum(variances[:2], 0.0) / total
    places = [(part - mean) @ axes for part in parts]
    if axes.shape[1] == 1:
        places = [np.column_stack([place, np.zeros(len(place))]) for place in places]
    return places, shares
