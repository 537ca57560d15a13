"""`Selection.fill`: as many rows as can be found at the h_min of a selection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from evenly.errors import BudgetError, OptionError
from evenly.options import FillOptions
from evenly.selection.greedy.progress import searching_bar
from evenly.selection.refine import Refine
from evenly.selection.refine.apply import cover, in_order
from evenly.selection.refine.maximal import maximal_packing
from evenly.selection.results.selection import SelectionData
from evenly.selection.resume import Again, Resumed, resume

S = TypeVar("S", bound=SelectionData)


def resume_to_fill(earlier: SelectionData, data: Any, again: Again, how: FillOptions) -> Resumed:
    """Resume a selection with its own budget; everything is checked before the data are read."""
    _distance(earlier, how.min_distance)
    return resume(earlier, data, again, budget=earlier.provenance.options.get("budget"))


def fill_resumed(earlier: S, resumed: Resumed, how: FillOptions) -> S:
    """Fill a selection that was resumed."""
    distance = _distance(earlier, how.min_distance)
    problem, prepared = resumed.problem, resumed.prepared
    progress = prepared.options.progress
    with searching_bar("filling", "rows", len(earlier), progress) as report:
        found = maximal_packing(
            problem.points,
            problem.rules,
            np.array(earlier.indices),
            distance,
            Refine(seconds=how.seconds, seed=how.seed),
            memory=problem.memory,
            report=report,
        )
    picks = in_order(problem, found.rows, len(found.rows))
    seconds = {**prepared.seconds, "filling": found.seconds}
    provenance = resumed.provenance.finished(seconds, len(earlier)).with_detail(
        "filled",
        rows_before=len(earlier),
        min_distance=distance,
        seed=how.seed,
        ended_by=found.ended,
        rows_looked_at=found.looked_at,
    )
    return replace(
        earlier,
        indices=picks.rows,
        radii=picks.radii,
        coverage_radius=cover(problem, picks),
        provenance=provenance,
        samples=prepared.samples,
    )


def _distance(earlier: SelectionData, min_distance: float | None) -> float:
    """Return how far apart rows must be.

    Raises:
        BudgetError: the selection cannot be filled.
        OptionError: its own rows are nearer than that.
    """
    rules, options = earlier.provenance.rules, earlier.provenance.options
    for name in ("quotas", "token_budget", "quality", "density_weight"):
        if name in rules or ("weights" in rules and options.get(name) is not None):
            raise BudgetError(
                f"a selection made with {name} cannot be filled: more rows would break that rule."
            )
    if earlier.provenance.by_quality is not None:
        raise BudgetError(
            "rows chosen by quality cannot be filled: any row that would fit displaces a better "
            "one, or is chosen already."
        )
    h_min = earlier.h_min
    if min_distance is None and not 0 < h_min < np.inf:
        raise BudgetError(
            f"there is nothing to fill at an h_min of {h_min:g}. Give a min_distance= above 0."
        )
    distance = h_min if min_distance is None else min_distance
    if distance > h_min * (1 + 1e-12):
        raise OptionError(
            f"min_distance={distance:g} is more than the h_min of the selection, {h_min:.6g}, so "
            "its own rows would not fit. Select again with that min_distance."
        )
    return float(min(distance, h_min))
