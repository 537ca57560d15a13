"""Rows that are far from all others: dropped on request, and warned of otherwise.

Farthest-first picks such rows first: a broken, foreign or mislabelled record is unlike all others.
"""

from __future__ import annotations

import warnings

import numpy as np

from evenly.caller import level_of_the_caller
from evenly.distributed.vectors import ClusterPoints
from evenly.errors import IsolatedRowsWarning
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
from evenly.options import RuleOptions
from evenly.progress import new_bar
from evenly.selection.rules.away_from import rows_of_the_pool
from evenly.selection.rules.row_names import RowNames
from evenly.shapes import Float, Int
from evenly.tables import count

NEIGHBOURS = 5
"""A row's score is its mean distance to this many nearest rows, so larger groups do not count."""

# The first picks whose scores are compared with the limit in `isolated_among`.
_FIRST_PICKS = 20
_FEWEST_ROWS = 100
_SAMPLE = 64
_SHOWN = 5


def outliers(
    points: Points | DistanceMatrix,
    fraction: float,
    *,
    k: int = NEIGHBOURS,
    progress: bool | None = None,
) -> tuple[Int[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Return the rows that are farthest from their neighbours, the farthest first.

    Args:
        fraction: the fraction of eligible rows to return, rounded to a number of rows.
        progress: a progress bar on stderr; by default if stderr is a terminal.

    Returns:
        (c,) row numbers, and their mean Euclidean distances to their k nearest rows. Exact; ties
        go to the smaller row number.

    Cost: see `geometry.most_isolated`.
    """
    usable = int(np.count_nonzero(points.eligible))
    count = round(fraction * usable)
    if count == 0:
        return np.empty(0, np.int64), np.empty(0)
    with new_bar(total=usable, desc="looking for outliers", unit="row", shown=progress) as bar:
        return most_isolated(points, count, k, progress=bar.update)


def without_outliers(
    prepared: PreparedData, fraction: float | None, rules: RuleOptions
) -> PreparedData:
    """Drop the outliers of a data set, and list them with the reason.

    Rows to include stay, and so do rows to keep away from, which are not chosen anyway.
    """
    if fraction is None:
        return prepared
    names, stay = RowNames(prepared, rules.id_column), set[int]()
    if rules.include is not None:
        stay.update(names.rows("include", rules.include).tolist())
    away = rows_of_the_pool(rules.away_from, names)
    if away is not None:
        stay.update(away.tolist())
    rows, means = outliers(prepared.points, fraction, progress=prepared.options.progress)
    reasons = {
        row: (
            f"is an outlier: {mean:.4g} from its {NEIGHBOURS} nearest rows on average, which puts "
            f"it among the farthest {fraction:.3g} of all rows"
        )
        for row, mean in zip(rows.tolist(), means.tolist(), strict=True)
        if row not in stay
    }
    return prepared.without(reasons)


def isolated_among(
    points: Points | DistanceMatrix, picks: Int[np.ndarray, " m"], *, most_compared: int = 8192
) -> Int[np.ndarray, " i"]:
    """Return those of some picks that are far from all other rows.

    A row is isolated if its score exceeds med + 4·mad and 1.4·med, where med and mad are the
    median and the median absolute deviation (scaled to a standard deviation) of a sample's
    scores, and exceeds the distance at which a row has no neighbours: 0.92 times the median
    distance between two rows for unit rows, which are at most 2 apart, else 1.5 times. The last
    condition keeps the tails of a Gaussian of any dimension from counting as outliers.

    Args:
        most_compared: about how many rows c of the pool the picks are compared with. Picks that
            look isolated among these are compared with all rows.

    Cost: m·min(n, c)·d; if a pick has no neighbours, another 64·min(n, c)·d, and n·d for each
        row that looks isolated.
    """
    rows = np.flatnonzero(points.eligible)
    if len(rows) < _FEWEST_ROWS:
        return picks[:0]
    among = rows[:: -(-len(rows) // most_compared)]
    sample = among[:: len(among) // _SAMPLE][:_SAMPLE]
    share = 0.92 if points.unit else 1.5
    if isinstance(points, Points) and points.in_memory:
        # In nearly all pools, a few rows that are near enough make the search unnecessary.
        least = median_distance_at_least(points, sample) * share
        if are_near_enough(points, picks, NEIGHBOURS, among, least):
            return picks[:0]
    apart = np.median(pair_distances(points, sample))
    least = apart * share
    own = mean_distances_to_nearest(points, picks, NEIGHBOURS, among)
    if not (own > least).any():
        return picks[:0]
    usual = mean_distances_to_nearest(points, sample, NEIGHBOURS, among)
    median = np.median(usual)
    deviation = 1.4826 * np.median(np.abs(usual - median))
    limit = max(median + 4 * deviation, 1.4 * median, least)
    found: Int[np.ndarray, " i"] = picks[(own > limit) & (apart > 0)]
    if len(found) and len(among) < len(rows):
        found = found[_means_among_all(points, found) > limit]
    return found


def _means_among_all(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    if isinstance(points, ClusterPoints) and not points.in_memory:
        return points.mean_distances_to_nearest(rows, NEIGHBOURS)
    return mean_distances_to_nearest(points, rows, NEIGHBOURS)


def warn_of_isolated(
    prepared: PreparedData, picks: Int[np.ndarray, " m"], *, weighted: bool
) -> None:
    """Warn, with examples, if some of the first 20 picks look far from all other rows.

    Args:
        weighted: distances are weighted already, so another weight is no remedy.
    """
    first = picks[:_FIRST_PICKS]
    found = isolated_among(prepared.points, first)
    if len(found) == 0:
        return
    shown = found[:_SHOWN].tolist()
    examples = "; ".join(map(prepared.describe, shown))
    more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    are = "is" if len(found) == 1 else "are"
    typical = (
        "" if weighted else "To train on few rows of many, density_weight=1 prefers typical ones; "
    )
    share = max(len(found) / np.count_nonzero(prepared.points.eligible), 0.001)
    warnings.warn(
        f"{len(found)} of the first {count(len(first), 'pick')} {are} far from all other rows, "
        f"like broken or foreign rows: {examples}{more}. Look at them: farthest-first picks such "
        "rows first. "
        f"{typical}drop_outliers={share:.1g} leaves out that fraction of rows, those farthest from "
        "their neighbours.",
        IsolatedRowsWarning,
        stacklevel=level_of_the_caller(),
    )
