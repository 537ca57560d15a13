"""How evenly the picks of one run are spread for every budget, beside random rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenly.geometry import TIE
from evenly.metrics.certificate import quick_upper_bounds
from evenly.metrics.measures import certified_fraction
from evenly.metrics.prefixes import PrefixMeasures, grid_of_sizes, measure_prefixes, random_order
from evenly.progress import new_bar
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.rules import Rules
from evenly.shapes import Float, Int

# A curve that stays this close to a straight line, as a share of its height, has no knee.
_STRAIGHT = 0.05
# Isolated rows are picked first, so the curve falls steeply there; this share is left out.
_FIRST_SHARE = 0.01


_OF_RANDOM = ("h_min", "coverage_radius", "mean_distance")
_MEASURED = (
    *("budgets", "h_min", "certified_fraction"),
    *("coverage_radius", "mean_distance", "standard_error"),
)


@dataclass(frozen=True, eq=False)
class RandomCurve:
    """The same measures of random rows: means over random orders, drawn without replacement.

    Attributes:
        subsets: the number of orders; the first m rows of each are a random subset of m.
        h_min, coverage_radius, mean_distance: (s,) as in `PrefixMeasures`.
    """

    subsets: int
    h_min: Float[np.ndarray, " s"]
    coverage_radius: Float[np.ndarray, " s"]
    mean_distance: Float[np.ndarray, " s"]

    @classmethod
    def of(cls, drawn: list[PrefixMeasures]) -> RandomCurve:
        """Average the measures of random orders."""
        return cls(
            len(drawn),
            np.mean([one.h_min for one in drawn], axis=0),
            np.mean([one.coverage_radius for one in drawn], axis=0),
            np.mean([one.mean_distance for one in drawn], axis=0),
        )


@dataclass(frozen=True, eq=False, repr=False)
class BudgetCurve:
    """How evenly rows are spread, for several budgets. No distance is squared.

    Attributes:
        budgets: (s,) numbers of rows, ascending.
        h_min: (s,) smallest distance between two chosen rows; inf for a single row.
        certified_fraction: (s,) h_min is at least this fraction of the best possible h_min of so
            many rows.
        coverage_radius: (s,) largest distance from a usable row to the nearest chosen one.
        mean_distance: (s,) the mean of these distances; estimated from a sample in a large pool.
        standard_error: (s,) of the mean distance, from sampling; 0 if it is exact.
        tokens: (s,) tokens of the chosen rows; None if they were not counted.
        random: the same for random rows; None if none were drawn.
    """

    budgets: Int[np.ndarray, " s"]
    h_min: Float[np.ndarray, " s"]
    certified_fraction: Float[np.ndarray, " s"]
    coverage_radius: Float[np.ndarray, " s"]
    mean_distance: Float[np.ndarray, " s"]
    standard_error: Float[np.ndarray, " s"]
    tokens: Int[np.ndarray, " s"] | None = None
    random: RandomCurve | None = None

    def __repr__(self) -> str:
        return f"BudgetCurve({len(self.budgets)} budgets, {self.budgets[0]} to {self.budgets[-1]})"

    @property
    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Name -> (s,) values of each budget; those of random rows begin with "random_"."""
        found: dict[str, Any] = {name: getattr(self, name) for name in _MEASURED}
        if self.tokens is not None:
            found["tokens"] = self.tokens
        if self.random is not None:
            found |= {f"random_{name}": getattr(self.random, name) for name in _OF_RANDOM}
        return found

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record for each budget, for a DataFrame."""
        columns = self.columns
        lists = [column.tolist() for column in columns.values()]
        return [dict(zip(columns, line, strict=True)) for line in zip(*lists, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; infinite numbers become null."""
        columns = {
            name: [one if np.isfinite(one) else None for one in column.tolist()]
            for name, column in self.columns.items()
        }
        return {"random_subsets": self.random.subsets if self.random else 0, **columns}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> BudgetCurve:
        """Return what `as_dict` wrote; KeyError, TypeError or ValueError if it is damaged."""
        budgets = np.array(document["budgets"], np.int64)

        def column(name: str) -> Float[np.ndarray, " s"]:
            values = np.array(document[name], float)  # None becomes nan
            if values.shape != budgets.shape or budgets.ndim != 1:
                raise ValueError(f"{name} does not have one value for each budget")
            return np.where(np.isnan(values), np.inf, values)

        random = None
        if document["random_subsets"]:
            of_random = {name: column(f"random_{name}") for name in _OF_RANDOM}
            random = RandomCurve(int(document["random_subsets"]), **of_random)
        tokens = column("tokens").astype(np.int64) if "tokens" in document else None
        measured = {name: column(name) for name in _MEASURED[1:]}
        return cls(budgets, **measured, tokens=tokens, random=random)


@dataclass(frozen=True, eq=False)
class Run:
    """A farthest-first run, whose first m picks are the answer for budget m.

    Attributes:
        rows, radii: (k,) the picks.
        least: the smallest budget: the number of rows to include, or 1.
        coverage_radius: (k,) the coverage radius of the picks so far, inf below the smallest
            budget; None if weights decide which row is next, so that radii do not tell.
    """

    rows: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    least: int
    coverage_radius: Float[np.ndarray, " k"] | None

    @classmethod
    def of(
        cls,
        rules: Rules,
        rows: Int[np.ndarray, " k"],
        radii: Float[np.ndarray, " k"],
        coverage_radius: float,
    ) -> Run:
        """Return the picks of a selection under some rules, without quotas."""
        least = min(max(1, len(rules.include)), len(rows))
        if rules.weights is not None:
            return cls(rows, radii, least, None)
        # The radius of the next pick covers the pool.
        covered = np.append(radii[1:], coverage_radius)
        covered[: least - 1] = np.inf
        return cls(rows, radii, least, covered)

    def rows_at_h_min(self, distance: float) -> int:
        """Return the largest budget whose h_min is at least `distance`; 0 if there is none."""
        h_min = np.minimum.accumulate(self.radii)
        size = int(np.count_nonzero(h_min >= distance * (1.0 - TIE)))
        return size if size >= self.least else 0


def curve_of_budgets(
    problem: Problem,
    run: Run,
    *,
    also: Iterable[int] = (),
    random_subsets: int = 1,
    seed: int = 0,
    progress: bool | None = None,
) -> BudgetCurve:
    """Measure the picks of a run for a grid of budgets, with random rows beside them.

    Args:
        problem: the pool and the rules of the run, without quotas.
        run: the picks.
        also: budgets to add to the grid.
        random_subsets: how many random orders to measure.
        seed: of the random orders, and of the sample for mean distances.
        progress: a progress bar on stderr; by default if stderr is a terminal.

    Cost: 1,024·k·d multiplications for mean distances, in the run and in each random order, which
        takes another ½·k²·d and a part of n·k·d; and a few passes over the pool for the
        certificate.
    """
    rules = problem.rules
    most = len(run.rows)
    grid = grid_of_sizes(min(max(2, run.least), most), most)
    sizes = np.union1d(grid, np.array([*also], np.int64))
    covered = None if run.coverage_radius is None else run.coverage_radius[sizes - 1]
    orders = 1 + random_subsets
    with new_bar(total=orders, desc="measuring", unit="order", shown=progress) as bar:
        own = measure_prefixes(
            problem, run.rows, sizes, radii=run.radii, coverage_radius=covered, seed=seed
        )
        bar.update()
        drawn = []
        for draw in range(random_subsets):
            order = random_order(problem, most, seed + draw)
            drawn.append(measure_prefixes(problem, order, sizes, seed=seed))
            bar.update()
    # What to keep away from and rows to include cover the pool, too, so radii bound less.
    is_plain = rules.weights is None and not problem.keeps_away and not len(rules.include)
    bounds = quick_upper_bounds(problem.points, sizes, run.radii if is_plain else None)
    if sizes[-1] == np.count_nonzero(problem.points.eligible):
        bounds[-1] = own.h_min[-1]
    return BudgetCurve(
        sizes,
        own.h_min,
        certified_fraction(own.h_min, bounds),
        own.coverage_radius,
        own.mean_distance,
        own.standard_error,
        random=RandomCurve.of(drawn) if drawn else None,
    )


def rows_at_coverage_radius(
    budgets: Int[np.ndarray, " s"], covered: Float[np.ndarray, " s"], distance: float
) -> int | None:
    """Return the smallest budget whose coverage radius is at most `distance`, if there is one."""
    near = np.flatnonzero(covered <= distance * (1.0 + TIE))
    return int(budgets[near[0]]) if len(near) else None


def knee_of(budgets: Int[np.ndarray, " s"], values: Float[np.ndarray, " s"]) -> int | None:
    """Return the budget from which more rows lower a falling curve much less than before.

    It is the knee of Kneedle (Satopaa et al. 2011): both axes are scaled to [0, 1], and the knee
    is where the curve is farthest below the straight line between its ends. Of several local
    knees, the largest counts. The first hundredth of the budgets is left out, because isolated
    rows are picked first.

    Returns:
        The budget; None for fewer than three budgets, or a curve that is nearly straight. It
        depends on the largest budget: a longer curve has a later knee.

    Sources: Satopaa, Albrecht, Irwin and Raghavan 2011, doi:10.1109/ICDCSW.2011.20.
    """
    later = budgets >= _FIRST_SHARE * budgets[-1]
    x, y = budgets[later].astype(float), values[later]
    if len(x) < 3 or not y[0] > y[-1]:
        return None
    below = (y[0] - y) / (y[0] - y[-1]) - (x - x[0]) / (x[-1] - x[0])
    knee = int(np.argmax(below))
    return int(x[knee]) if below[knee] >= _STRAIGHT else None
