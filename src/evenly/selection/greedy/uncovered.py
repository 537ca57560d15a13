"""`max_outliers=`: rows that need not be near any pick (k-center with outliers)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evenly.errors import BudgetError, OptionError
from evenly.geometry import nearest_chosen
from evenly.inputs.prepare import PreparedData
from evenly.options import RuleOptions
from evenly.selection.greedy.run import Beginning, run_greedy
from evenly.selection.results.run_key import NO_KEY
from evenly.selection.rules.budget import rows_of_budget
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.resolve import resolve_rules
from evenly.shapes import Int
from evenly.tables import count

_NOT_TOGETHER = ("include", "away_from", "token_budget")


def check_max_outliers(
    most: int | None, rules: RuleOptions, drop_outliers: float | None = None
) -> None:
    """Raise OptionError if `max_outliers` cannot be used with the other options."""
    if most is None:
        return
    if rules.budget is None:
        raise OptionError("max_outliers= needs budget=, the number of rows that cover all others.")
    given = [name for name in _NOT_TOGETHER if getattr(rules, name) is not None]
    if drop_outliers is not None:
        given.append("drop_outliers")
    if given:
        raise OptionError(f"max_outliers= and {given[0]}= cannot be combined; omit one of them.")


def without_uncovered(
    prepared: PreparedData,
    most: int | None,
    rules: RuleOptions,
    *,
    start: int | str = "farthest-from-mean",
    seed: int = 0,
) -> PreparedData:
    """Drop at most `most` rows that few others are near, and list them with the reason.

    Farthest-first picks m rows more than the budget, and each usable row belongs to its nearest
    pick. From the pick that is farthest from all others on, m picks are left out together with
    their rows, except those whose rows would be more than `most` in all. m begins with `most` and
    falls to the number of picks that can be left out, until it is that number.

    Raises:
        BudgetError: the budget and the outliers are more than the usable rows.

    Cost: that of a selection of budget + `most` rows, and n·(budget + most)·d multiplications for
        each m that is tried, as matrix products.

    Sources: Ceccarello, Pietracaprina and Pucci 2018, arXiv 1802.09205 (farthest-first, weighted
        by the rows near each pick, for k-center with outliers). docs/theory.md says what is
        guaranteed.
    """
    if most is None:
        return prepared
    plain = RuleOptions(budget=1, exclude=rules.exclude, id_column=rules.id_column)
    resolved = resolve_rules(prepared, plain)
    usable = int(np.count_nonzero(resolved.usable(prepared.points.eligible)))
    budget = rows_of_budget(rules.budget, usable)
    if budget + most > usable:
        raise BudgetError(
            f"a budget of {count(budget, 'row')} and max_outliers={most} are more than the "
            f"{count(usable, 'usable row')}. Lower one of them."
        )
    problem = Problem.of(prepared, replace(resolved, budget=budget + most))
    beginning = Beginning(start=start, seed=seed, checkpoint=None, key=NO_KEY)
    picks = run_greedy(problem, beginning, progress=prepared.options.progress).picks.rows
    reason = f"is far from most rows, and max_outliers={most} rows need not be near a chosen one"
    rows = _uncovered(problem, picks, budget, most)
    return prepared.without(dict.fromkeys(np.sort(rows).tolist(), reason))


def _uncovered(
    problem: Problem, picks: Int[np.ndarray, " t"], budget: int, most: int
) -> Int[np.ndarray, " o"]:
    """Return the rows of the picks that are left out."""
    more = most
    while more:
        some = picks[: budget + more]
        found = nearest_chosen(problem.points, some)
        owner = np.where(found.chosen, found.rows, found.nearest)
        position = np.full(len(problem.points), -1)
        position[some] = np.arange(len(some))
        sizes = np.bincount(position[owner], minlength=len(some))
        apart = np.empty(len(some))
        apart[position[found.rows[found.chosen]]] = found.distances[found.chosen]
        left, left_out = most, list[int]()
        for pick in np.argsort(-apart, kind="stable").tolist():
            if sizes[pick] <= left and len(left_out) < more:
                left_out.append(pick)
                left -= int(sizes[pick])
        if len(left_out) == more:
            rows: Int[np.ndarray, " o"] = found.rows[np.isin(position[owner], left_out)]
            return rows
        more = len(left_out)
    return picks[:0]
