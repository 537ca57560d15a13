"""A selection whose rows are exchanged for others that are farther apart, as a `Selection`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines import make_engine
from evenly.errors import OptionError
from evenly.geometry import DistanceMatrix, Points, first_of_the_farthest
from evenly.geometry.search.in_order import distances_to_earlier
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.progress import searching_bar
from evenly.selection.refine import Refine, refine
from evenly.selection.results.base import finite_or_none
from evenly.selection.results.selection import Selection
from evenly.selection.rules.problem import keep_away, points_under
from evenly.selection.rules.rules import Rules

if TYPE_CHECKING:
    from jaxtyping import Int

    from evenly.inputs.prepare import PreparedData

__all__ = ["check_refine", "cover", "in_order", "refine_selection"]


def check_refine(wanted: Any, rules: Mapping[str, Any]) -> Refine | None:
    """What `refine=` asks for; None where nothing.

    Raises:
        OptionError: it is neither True, False nor a `Refine`, or there are rules that cannot be
            kept.
    """
    if wanted is None or wanted is False:
        return None
    if isinstance(wanted, Mapping):  # as a manifest has it
        wanted = Refine(**wanted)
    if wanted is not True and not isinstance(wanted, Refine):
        raise OptionError(f"refine must be True, False or Refine(seconds=…), got {wanted!r}.")
    refinement = wanted if isinstance(wanted, Refine) else Refine()
    for name in ("token_budget", "quality_weight"):
        if rules.get(name) is not None:
            raise OptionError(
                f"refine= makes h_min larger for as many rows, and {name}= asks for something "
                "else than that: leave one of them out."
            )
    if refinement.method == "exact" and rules.get("groups") is not None:
        raise OptionError(
            'Refine(method="exact") knows no groups: leave groups= out, or use method="search".'
        )
    return refinement


def refine_selection(
    selection: Selection,
    prepared: PreparedData,
    rules: Rules,
    wanted: Refine,
    *,
    engine: str,
    memory: float | None,
    device: str,
    progress: bool | None,
) -> Selection:
    """The selection, or one of as many rows that are farther apart, in an order like that of picks.

    The rows to include come first, then each row is the farthest of those left from those
    before it, so that radii fall and the last is h_min.
    """
    points = points_under(rules, prepared.points)
    with searching_bar("refining", "h_min", selection.h_min, progress) as told:
        found = refine(
            points,
            rules,
            Picks(np.array(selection.indices), np.array(selection.radii)),
            wanted,
            memory=memory,
            told=told,
        )
    better, radius = None, selection.coverage_radius
    if found.rows is not None:
        better = in_order(points, rules, found.rows, len(selection))
        radius = cover(points, rules, better, engine=engine, memory=memory, device=device)
    h_min = selection.h_min if better is None else float(better.radii.min())
    provenance = {
        **selection.provenance,
        "refined": {
            "greedy_h_min": finite_or_none(selection.h_min),
            "h_min": finite_or_none(h_min),
            "upper_bound": h_min if found.proven else found.upper_bound,
            "proven": found.proven,
            "ended_by": found.ended,
            "rows_looked_at": found.looked_at,
        },
        "seconds": {**selection.provenance["seconds"], "refining": round(found.seconds, 4)},
    }
    if better is None:
        return replace(selection, provenance=provenance)
    return Selection(better.rows, better.radii, radius, provenance, selection.samples)


def in_order(
    points: Points | DistanceMatrix, rules: Rules, rows: Int[np.ndarray, " m"], budget: int
) -> Picks:
    """At most so many of some rows, in the order of farthest first among them.

    Those to include come first. Without such, and with nothing to keep away from, the first is
    the farthest from their mean.
    """
    rows = np.sort(rows)
    within: Points | DistanceMatrix
    if isinstance(points, DistanceMatrix):
        # Rows to keep away from are known by their numbers in the whole matrix.
        numbers = np.arange(len(points))
        within = replace(points, eligible=np.isin(numbers, rows))
    else:
        numbers, within = rows, points.take(rows)
    own = replace(rules, include=np.searchsorted(numbers, rules.include))
    if len(own.include):
        radii = distances_to_earlier(within, own.include, before=own.before, away=own.away)
        begun = Picks(own.include, radii)
    elif own.away is not None or own.before is not None:
        begun = Picks.none()
    else:
        begun = Picks.first(first_of_the_farthest(within.squared_distances_to_mean()))
    pool = make_engine(within, budget + _count(rules.away), "auto")
    keep_away(pool, own)
    picks, _ = farthest_first(pool, budget, begun)
    return Picks(numbers[picks.rows], picks.radii)


def cover(
    points: Points | DistanceMatrix,
    rules: Rules,
    picks: Picks,
    *,
    engine: str,
    memory: float | None,
    device: str,
) -> float:
    """The largest distance from a candidate to the nearest pick, or to what is kept away from."""
    room = len(picks) + _count(rules.away)
    pool = make_engine(points, room, engine, memory=memory, device=device)
    keep_away(pool, rules)
    return farthest_first(pool, len(picks), picks)[1]


def _count(points: Points | None) -> int:
    return 0 if points is None else len(points)
