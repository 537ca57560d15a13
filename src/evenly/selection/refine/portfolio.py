"""Tabu searches that run side by side at different perturbation rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evenly.geometry import parallel_for, usable_threads
from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.selection.refine.adjacency import Adjacency
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.effort import SearchEffort
from evenly.selection.refine.tabu import TabuSearch, TabuSnapshot
from evenly.shapes import Bool

# Low rates suit many rows, whose neighbourhoods are many small problems; higher ones suit few.
_PERTURBATION_RATES = (0.0, 0.001, 0.01, 0.03)
# The first ones suit any number of rows.
_ALWAYS = 2
# Rates above this divided by the number of rows leave so many rows missing that they never help.
_MOST_PERTURBED = 25.0


class TabuPortfolio:
    """One tabu search per perturbation rate that suits the number of rows.

    The number of threads does not matter.

    Args:
        graph: the rows and their neighbours.
        constraints: what packings must satisfy.
        target: about how many rows a packing should have.
        seed, effort: see `Refine`.

    Attributes:
        patience: how many rounds in a row may fail before a search should end.
        largest: how many rows the largest packing of the last round has.
    """

    def __init__(
        self,
        graph: NeighbourGraph,
        constraints: Constraints,
        target: int,
        seed: int,
        effort: SearchEffort,
    ) -> None:
        self._graph = graph
        self._searches = [
            TabuSearch(len(graph), constraints, rate, seed * len(_PERTURBATION_RATES) + place)
            for place, rate in enumerate(_PERTURBATION_RATES)
            if place < _ALWAYS or rate * target <= _MOST_PERTURBED
        ]
        self._work = int(np.clip(len(graph.neighbours), effort.least_work, effort.most_work))
        self._threads = usable_threads()
        self.largest = 0
        idle_work = effort.idle_work * np.clip(target / effort.few_rows, 1.0, effort.most_patience)
        self.patience = max(effort.least_rounds, int(idle_work / self._work))

    def snapshot(self) -> tuple[TabuSnapshot, ...]:
        """Return what the next rounds depend on."""
        return tuple(search.snapshot() for search in self._searches)

    def restore(self, snapshots: Sequence[TabuSnapshot]) -> None:
        """Go back to snapshots of the same portfolio, or of a copy of it."""
        for search, snapshot in zip(self._searches, snapshots, strict=True):
            search.restore(snapshot)

    def run(
        self, reach: float, target: int, initial: Bool[np.ndarray, " m"] | None
    ) -> list[Bool[np.ndarray, " m"]]:
        """Run one round of every search at the squared distance `reach`.

        Args:
            initial: (m,) the rows to start from; None to continue from each search's own.

        Returns:
            The packings of `target` rows that were found. The next round overwrites them.
        """
        adjacency = Adjacency.at(self._graph, reach)

        def run(search: TabuSearch) -> None:
            search.reset(search.chosen if initial is None else initial, reach, adjacency)
            search.run(target, self._work)

        parallel_for(run, self._searches, threads=self._threads)
        self.largest = max(search.size for search in self._searches)
        return [search.chosen for search in self._searches if search.size >= target]
