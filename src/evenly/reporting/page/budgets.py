"""What other budgets would give: the picks continued to twice as many rows, beside random rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evenly.metrics.budget_curve import (
    BudgetCurve,
    Run,
    curve_of_budgets,
    knee_of,
)
from evenly.metrics.measures import certified_fraction
from evenly.options import MeasuringOptions, RuleOptions
from evenly.reporting.page.lengths import tokens_of
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.tables import Cell, Column, Table, number, whole
from evenly.reporting.page.words import percent
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import Beginning, run_greedy
from evenly.selection.results.selection import SelectionData
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.resolve import resolve_rules
from evenly.tables import count

_TIMES = 2
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class Budgets:
    """What every budget gives, up to twice as many rows as the subset has.

    Attributes:
        curve: the measures of several budgets.
        knee: the budget from which more rows lower the coverage radius much less; None for none.
        size: the number of rows of the subset.
        is_own: whether the curve is that of the subset's own picks, without rules.
    """

    curve: BudgetCurve
    knee: int | None
    size: int
    is_own: bool

    @classmethod
    def of(cls, subject: Subject, measuring: MeasuringOptions) -> Budgets | None:
        """Continue the picks, or pick rows without rules; None for a handful of rows.

        Cost: about that of selecting twice as many rows.
        """
        size, progress = len(subject.chosen), subject.prepared.options.progress
        most = min(_TIMES * size, len(subject.found.rows))
        if most < _FEWEST:
            return None
        problem = Problem.of(
            subject.prepared, resolve_rules(subject.prepared, RuleOptions(budget=most))
        )
        picks = _own_picks(subject)
        beginning = Beginning(picks=picks)
        answer = run_greedy(problem, beginning, progress=progress)
        run = Run.of(problem.rules, answer.picks.rows, answer.picks.radii, answer.coverage_radius)
        covered = run.coverage_radius
        assert covered is not None  # without weights
        knee = knee_of(np.arange(run.least, most + 1), covered[run.least - 1 :])
        curve = curve_of_budgets(
            problem,
            run,
            also=[size] if knee is None else [size, knee],
            random_subsets=min(measuring.random_subsets, 1),
            seed=measuring.seed,
            progress=progress,
        )
        curve = _with_bound(curve, size, subject.measures.upper_bound)
        tokens = tokens_of(subject, np.union1d(run.rows, subject.chosen))
        if tokens is not None:
            curve = replace(curve, tokens=np.cumsum(tokens[run.rows])[curve.budgets - 1])
        return cls(curve, knee, size, picks is not None)

    @property
    def start(self) -> int:
        """The position of the subset's size among the budgets."""
        return int(np.searchsorted(self.curve.budgets, self.size))

    def sentences(self) -> list[str]:
        """Say for each budget what it would give."""
        return [self._sentence(place) for place in range(len(self.curve.budgets))]

    def _sentence(self, place: int) -> str:
        curve, random = self.curve, self.curve.random

        def beside(name: str) -> str:
            value = f"{getattr(curve, name)[place]:.4f}"
            return value + (f" (random {getattr(random, name)[place]:.4f})" if random else "")

        tokens = "" if curve.tokens is None else f"; {curve.tokens[place]:,} tokens"
        return (
            f"{count(int(curve.budgets[place]), 'row')}: h_min {beside('h_min')}, at least "
            f"{percent(float(curve.certified_fraction[place]))} of the best possible; "
            f"coverage radius {beside('coverage_radius')}; mean distance "
            f"{beside('mean_distance')}{tokens}."
        )

    def about_the_knee(self) -> str:
        """Explain the knee, or why there is none."""
        how = (
            "A knee is where a curve, scaled to a square, lies farthest below the straight line "
            "between its ends (Kneedle, Satopaa et al. 2011)."
        )
        if self.knee is None:
            return f"The coverage radius has no knee: it falls about evenly. {how}"
        return (
            f"The knee of the coverage radius is at {count(self.knee, 'row')} (dotted): from there "
            f"on, more rows lower it much less. {how} It is advice, not a law: it depends on the "
            f"largest budget shown, {int(self.curve.budgets[-1]):,}, and what a model needs is "
            "known only after training."
        )

    def table(self) -> Table:
        """Return the curve as a table."""
        random = self.curve.random
        columns = [Column("rows", "number")]
        for name in ("h_min", "coverage radius", "mean distance"):
            columns.append(Column(name, "number"))
            if random is not None:
                columns.append(Column("random", "number"))
        columns.append(Column("certified", "number"))
        if self.curve.tokens is not None:
            columns.append(Column("tokens", "number"))
        rows: list[tuple[Cell, ...]] = []
        for place, budget in enumerate(self.curve.budgets.tolist()):
            cells = [whole(budget)]
            for name in ("h_min", "coverage_radius", "mean_distance"):
                cells.append(number(getattr(self.curve, name)[place]))
                if random is not None:
                    cells.append(number(getattr(random, name)[place]))
            share = float(self.curve.certified_fraction[place])
            cells.append(Cell(percent(share), share))
            if self.curve.tokens is not None:
                cells.append(whole(int(self.curve.tokens[place])))
            rows.append(tuple(cells))
        return Table(
            "budgets",
            "The same in numbers",
            "The distance of random rows stands beside each distance.",
            tuple(columns),
            tuple(rows),
        )


def _with_bound(curve: BudgetCurve, size: int, bound: float | None) -> BudgetCurve:
    """Use the subset's own upper bound, which is sharper and holds for more rows as well."""
    if bound is None:
        return curve
    shares = certified_fraction(curve.h_min, bound)
    shares[curve.budgets < size] = 0.0
    return replace(curve, certified_fraction=np.maximum(curve.certified_fraction, shares))


def _own_picks(subject: Subject) -> Picks | None:
    """Return the picks of the subset if farthest-first alone made them, so that more can follow."""
    result, provenance = subject.result, subject.result.provenance
    changed = (provenance.refined, provenance.filled, provenance.by_quality)
    if not isinstance(result, SelectionData) or provenance.rules or any(changed):
        return None
    return Picks(np.array(result.indices), np.array(result.radii))
