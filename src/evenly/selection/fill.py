"""`Selection.fill`: as many rows as can be found at the h_min of a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.engines.registry import check_engine
from evenly.errors import BudgetError, OptionError
from evenly.memory import memory_bytes
from evenly.options import whole_number
from evenly.selection.greedy.progress import searching_bar
from evenly.selection.refine import Refine
from evenly.selection.refine.apply import cover, in_order
from evenly.selection.refine.maximal import maximal_packing
from evenly.selection.results.provenance import when_done
from evenly.selection.results.selection import Selection
from evenly.selection.resume import resume
from evenly.selection.rules.problem import points_under

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData

__all__ = ["fill_and_keep"]


def fill_and_keep(
    earlier: Selection,
    data: Any = None,
    *,
    min_distance: float | None = None,
    seconds: float | None = None,
    seed: int = 0,
    engine: str = "auto",
    memory: str | float | None = None,
    device: str = "auto",
    progress: bool | None = None,
    **given: Any,
) -> tuple[Selection, PreparedData]:
    """`Selection.fill`, and the data set as it was taken in.

    Args:
        earlier: the selection.
        data, min_distance, seconds, seed, engine, memory, device, progress: as in
            `Selection.fill`.
        given: other options of `prepare`, and rules, that were given again.
    """
    distance = _distance(earlier, min_distance)
    whole_number("seed", seed, least=0)
    options = Refine(seconds=seconds, seed=seed)
    check_engine(engine)
    again = resume(
        earlier,
        data,
        budget=earlier.provenance["options"].get("budget"),
        engine=engine,
        memory=memory,
        device=device,
        progress=progress,
        **given,
    )
    prepared, rules, allowed = again.prepared, again.rules, memory_bytes(memory)
    points = points_under(rules, prepared.points)
    with searching_bar("filling", "rows", len(earlier), progress) as told:
        found = maximal_packing(
            points,
            rules,
            np.array(earlier.indices),
            distance,
            options,
            memory=allowed,
            report=told,
        )
    picks = in_order(points, rules, found.rows, len(found.rows))
    engine = again.provenance["options"]["engine"]
    radius = cover(points, rules, picks, engine=engine, memory=allowed, device=device)
    provenance = when_done(
        again.provenance, {**prepared.seconds, "filling": found.seconds}, len(earlier)
    )
    provenance["filled"] = {
        "rows_before": len(earlier),
        "min_distance": distance,
        "seed": seed,
        "ended_by": found.ended,
        "rows_looked_at": found.looked_at,
    }
    return Selection(picks.rows, picks.radii, radius, provenance, prepared.samples), prepared


def _distance(earlier: Selection, min_distance: float | None) -> float:
    """How far apart rows are to be.

    Raises:
        BudgetError: the selection is one that cannot be filled.
        OptionError: its own rows are not so far apart.
    """
    for name in ("quotas", "token_budget", "weights"):
        if name in earlier.provenance.get("rules", {}):
            raise BudgetError(
                f"a selection made with {name.replace('weights', 'quality_weight')} cannot be "
                "filled: more rows would break that rule."
            )
    if "by_quality" in earlier.provenance:
        raise BudgetError(
            "rows chosen by quality cannot be filled: any row that would fit in displaces a "
            "better one, or is among them already."
        )
    h_min = earlier.h_min
    distance: Any = h_min if min_distance is None else min_distance
    if isinstance(distance, bool) or not isinstance(distance, int | float):
        raise OptionError(f"min_distance must be a distance, got {min_distance!r}.")
    if not 0 < distance < np.inf:
        if min_distance is None:
            raise BudgetError(
                f"there is nothing to fill at an h_min of {h_min:g}. Give min_distance=, more "
                "than 0."
            )
        raise OptionError(f"min_distance must be more than 0, got {min_distance!r}.")
    if distance > h_min * (1 + 1e-12):
        raise OptionError(
            f"min_distance={distance:g} is more than the h_min of the selection, {h_min:.6g}: its "
            "own rows would not fit. Select again with that min_distance."
        )
    return float(min(distance, h_min))
