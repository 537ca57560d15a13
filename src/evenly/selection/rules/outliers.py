"""Rows that are far from all others: trimmed where that is asked for, told of where it is not.

Farthest-first takes such rows first: a broken, foreign or mislabelled record is unlike all others.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from evenly.errors import IsolatedRowsWarning, OptionError
from evenly.geometry import (
    DistanceMatrix,
    Points,
    are_near_enough,
    mean_distances_to_nearest,
    median_distance_at_least,
    most_isolated,
    pair_distances,
)
from evenly.inputs.prepare import PreparedData
from evenly.selection.rules.row_names import RowNames

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = [
    "NEIGHBOURS",
    "check_drop_outliers",
    "isolated_among",
    "outliers",
    "warn_of_isolated",
    "without_outliers",
]


NEIGHBOURS = 5
"""A row's score is its mean distance to this many nearest rows: a group that is larger is none."""


# Of these first picks, those are told of whose score is beyond the limit in `_limit`.
_FIRST_PICKS = 20


_FEWEST_ROWS = 100


_SAMPLE = 64


_AMONG = 8192


_SHOWN = 5


def check_drop_outliers(fraction: Any) -> None:
    """Refuse what is no fraction of rows to drop.

    Raises:
        OptionError: it is not None, and not a number between 0 and 1.
    """
    if fraction is None:
        return
    number = isinstance(fraction, Real) and not isinstance(fraction, bool)
    if not number or not 0 < float(fraction) < 1:
        raise OptionError(
            "drop_outliers must be a fraction of the rows between 0 and 1, such as 0.005 for "
            f"half a percent, got {fraction!r}."
        )


def outliers(
    points: Points | DistanceMatrix,
    fraction: float,
    *,
    k: int = NEIGHBOURS,
    progress: bool | None = None,
) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """The rows that are farthest from their neighbours, the farthest first, and how far.

    Args:
        points: the pool.
        fraction: of the candidates, rounded to the nearest number of rows.
        k: how many neighbours.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        (c,) row numbers, and their mean Euclidean distances to their k nearest rows. Exact; of
        rows that tie those with the smaller numbers.

    Cost: see `geometry.most_isolated`.
    """
    usable = int(np.count_nonzero(points.eligible))
    count = round(fraction * usable)
    if count == 0:
        return np.empty(0, np.int64), np.empty(0)
    with tqdm(
        total=usable,
        desc="looking for outliers",
        unit="row",
        disable=None if progress is None else not progress,
    ) as bar:
        return most_isolated(points, count, k, progress=bar.update)


def without_outliers(
    prepared: PreparedData,
    fraction: float | None,
    *,
    include: Any = None,
    id_column: Any = None,
    progress: bool | None = None,
) -> PreparedData:
    """A data set whose outliers are dropped, and listed among the dropped rows with the reason.

    Args:
        prepared: the data set.
        fraction: see `outliers`; None for none.
        include, id_column: as in `select_uniform`: what is included stays, whatever it is.
        progress: as in `outliers`.
    """
    if fraction is None:
        return prepared
    names = RowNames(prepared, id_column)
    stay = set() if include is None else set(names.rows("include", include).tolist())
    rows, means = outliers(prepared.points, fraction, progress=progress)
    reasons = {
        row: (
            f"is an outlier: {mean:.4g} from its {NEIGHBOURS} nearest rows on average, which puts "
            f"it among the farthest {fraction:.3g} of all rows"
        )
        for row, mean in zip(rows.tolist(), means.tolist(), strict=True)
        if row not in stay
    }
    eligible = prepared.points.eligible.copy()
    eligible[list(reasons)] = False
    return replace(
        prepared,
        points=replace(prepared.points, eligible=eligible),
        dropped={**prepared.dropped, **reasons},
    )


def isolated_among(
    points: Points | DistanceMatrix, picks: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " i"]:
    """Those of some picks that are far from all other rows.

    A row is isolated when its score is beyond med + 4·mad and 1.4·med, where med and mad are the
    median and the median deviation (as a standard deviation) of a sample's scores, and beyond
    the distance at which a row has no neighbours at all: 0.92 of the median distance of two rows
    for unit rows, which can be no farther apart than 2, else 1.5 of it. The last keeps the tails
    of a Gaussian, of any dimension, from being taken for outliers.

    Cost: m·min(n, 8192)·d; where a pick has no neighbours, 64·min(n, 8192)·d, and n·d for each
        row that looks isolated.
    """
    rows = np.flatnonzero(points.eligible)
    if len(rows) < _FEWEST_ROWS:
        return picks[:0]
    among = rows[:: -(-len(rows) // _AMONG)]
    sample = among[:: len(among) // _SAMPLE][:_SAMPLE]
    share = 0.92 if points.unit else 1.5
    if isinstance(points, Points) and points.in_memory:
        # As in nearly all pools: any few rows that are near enough spare the search.
        least = median_distance_at_least(points, sample) * share
        if are_near_enough(points, picks, NEIGHBOURS, among, least):
            return picks[:0]
    apart = np.median(pair_distances(points, sample))
    least = apart * share
    own = mean_distances_to_nearest(points, picks, NEIGHBOURS, among)
    if not (own > least).any():
        return picks[:0]  # what is usual need not be known
    usual = mean_distances_to_nearest(points, sample, NEIGHBOURS, among)
    median = np.median(usual)
    deviation = 1.4826 * np.median(np.abs(usual - median))
    limit = max(median + 4 * deviation, 1.4 * median, least)
    found: Int[np.ndarray, " i"] = picks[(own > limit) & (apart > 0)]
    if len(found) and len(among) < len(rows):
        found = found[mean_distances_to_nearest(points, found, NEIGHBOURS) > limit]
    return found


def warn_of_isolated(
    prepared: PreparedData, picks: Int[np.ndarray, " m"], *, stacklevel: int
) -> None:
    """Warn, with examples, when some of the first picks look like rows that are far from all.

    Args:
        prepared: the data set.
        picks: (m,) row numbers in the order picked; the first 20 are looked at.
        stacklevel: as in `warnings.warn`.
    """
    first = picks[:_FIRST_PICKS]
    found = isolated_among(prepared.points, first)
    if len(found) == 0:
        return
    shown = found[:_SHOWN].tolist()
    examples = "; ".join(map(prepared.describe, shown))
    more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    share = max(len(found) / np.count_nonzero(prepared.points.eligible), 0.001)
    warnings.warn(
        f"{len(found)} of the first {len(first)} picks are far from all other rows, as broken or "
        f"foreign rows are: {examples}{more}. Look at them: farthest-first takes such rows first. "
        f"drop_outliers={share:.1g} leaves out that fraction of rows, those farthest from their "
        "neighbours.",
        IsolatedRowsWarning,
        stacklevel=stacklevel + 1,
    )
