"""The best packing so far, and the search that replaces it by ones at larger distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.search.neighbour_graph import NeighbourGraph, least_reach_above
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.effort import Clock, SearchEffort
from evenly.selection.refine.portfolio import TabuPortfolio
from evenly.selection.refine.tabu import TabuSnapshot
from evenly.shapes import Bool

if TYPE_CHECKING:
    from evenly.selection.greedy.progress import Report

# By what fraction the next distance exceeds the best so far, at first and at the least; below
# that, the next distance is the least one that is larger.
_FIRST_STEP = 2e-3
_LAST_STEP = 2e-6
# The step is multiplied by the first after a success. After a failure it is divided by the second,
# and by the number of rows that the largest packing lacks, but at most by so many.
_LARGER, _SMALLER, _MOST_MISSING = 2.0, 4.0, 4
# A smaller relative gain counts as a failed round.
_LEAST_GAIN = 1e-6


@dataclass(frozen=True, eq=False)
class RoundState:
    """A search between two rounds.

    Attributes:
        chosen: (m,) which rows are in the best packing.
        step: the relative gain to try next.
        failures: how many rounds in a row have failed.
        found: whether the last round has found a packing.
        searches: the tabu searches.
    """

    chosen: Bool[np.ndarray, " m"]
    step: float
    failures: int
    found: bool
    searches: tuple[TabuSnapshot, ...]


@dataclass(eq=False)
class Incumbent:
    """The best packing so far.

    Attributes:
        graph: the rows and their neighbours.
        constraints: what packings must satisfy.
        target: how many rows a packing must have.
        chosen: (m,) which rows are in the best packing, `target` of them or more.
        squared: its smallest squared distance, including the limits.
    """

    graph: NeighbourGraph
    constraints: Constraints
    target: int
    chosen: Bool[np.ndarray, " m"]
    squared: float = field(init=False)

    def __post_init__(self) -> None:
        self.squared = self.squared_h_min(self.chosen)

    def improve(
        self,
        *,
        seed: int,
        clock: Clock,
        effort: SearchEffort,
        report: Report,
        resume: RoundState | None = None,
        keep: Callable[[RoundState], object] = lambda _: None,
    ) -> bool:
        """Search at larger and larger distances until several rounds in a row fail.

        When the time is up, the incumbent at that moment remains. `report` is called with the
        smallest distance before each round, and how many rounds in a row have failed; `keep`,
        with the state before each; `resume` is such a state to continue from, whose packing is the
        incumbent.

        Returns:
            Whether the next distance exceeds the reach of the graph, so that a graph of larger
            reach is needed.
        """
        portfolio = TabuPortfolio(self.graph, self.constraints, self.target, seed, effort)
        step, failures, found = _FIRST_STEP, 0, True
        if resume is not None:
            step, failures, found = resume.step, resume.failures, resume.found
            portfolio.restore(resume.searches)
        while True:
            distance = float(np.sqrt(self.squared))
            report("searching", distance, "rounds without gain", failures, portfolio.patience)
            keep(RoundState(self.chosen, step, failures, found, portfolio.snapshot()))
            if failures >= portfolio.patience:
                return False
            clock.check()
            if self.next_reach(0.0) > self.graph.reach:
                return True
            reach = min(self.next_reach(step), self.graph.reach)
            before = self.squared
            packings = portfolio.run(reach, self.target, self.chosen if found else None)
            replaced = [self.replace_by(packing) for packing in packings]
            found = any(replaced)
            if self.squared > before * (1.0 + _LEAST_GAIN) ** 2:
                step, failures = step * _LARGER, 0
            else:
                failures += found or step == 0.0
                step = _smaller(step, self.target - portfolio.largest)

    def next_reach(self, step: float) -> float:
        """Return the squared distance to search at next, for a relative gain of `step`."""
        return least_reach_above(self.squared * (1.0 + step) ** 2)

    def replace_by(self, chosen: Bool[np.ndarray, " m"]) -> bool:
        """Keep a copy of this packing of `target` rows or more if its rows are farther apart."""
        squared = self.squared_h_min(chosen)
        if squared <= self.squared:
            return False
        # In this order: an interrupt in between leaves a distance that the rows do have.
        self.chosen = chosen.copy()
        self.squared = squared
        return True

    def squared_h_min(self, chosen: Bool[np.ndarray, " m"]) -> float:
        """Return the smallest squared distance, including limits; at most the graph's reach."""
        within = self.graph.squared_h_min(chosen)
        limit = float(self.constraints.limits[chosen].min(initial=np.inf))
        return min(within, limit, self.graph.reach)


def _smaller(step: float, n_missing: int) -> float:
    divisor = _SMALLER * min(max(1, n_missing), _MOST_MISSING)
    return step / divisor if step > _LAST_STEP else 0.0
