"""Check and warn about what a run came to, before it becomes a selection."""

from __future__ import annotations

import warnings

import numpy as np

from evenly.caller import level_of_the_caller
from evenly.errors import DuplicateRowsWarning
from evenly.inputs.prepare import PreparedData
from evenly.selection.greedy.run import Answer
from evenly.selection.rules.outliers import warn_of_isolated
from evenly.selection.rules.problem import Problem
from evenly.tables import count


def report_run(
    prepared: PreparedData, problem: Problem, answer: Answer, *, outliers_dropped: bool = False
) -> None:
    """Warn about duplicates among the picks, and about isolated rows unless outliers were dropped.

    Raises:
        DataError: the data set has changed on disk meanwhile.
    """
    prepared.samples.check_unchanged()
    rules, picks = problem.rules, answer.picks
    distinct = int(np.count_nonzero(picks.radii))
    if distinct < len(picks):
        counted = rules.quotas is not None or rules.token_budget is not None
        # Only picks without rows before them begin with all the distinct ones.
        first = not (counted or len(rules.include) or problem.keeps_away)
        are = "is" if distinct == 1 else "are"
        way = f"choose {count(distinct, 'row')}" if first else "pass a min_distance= above 0"
        warnings.warn(
            f"only {distinct} of the rows {are} distinct, fewer than the {len(picks)} requested: "
            f"h_min is 0. For distinct rows only, {way}.",
            DuplicateRowsWarning,
            stacklevel=level_of_the_caller(),
        )
    if answer.taken_over == 0 and not outliers_dropped:
        shown = picks.rows[len(rules.include) :]
        warn_of_isolated(prepared, shown, weighted=rules.weights is not None)
