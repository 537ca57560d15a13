"""From a packing to one of as many rows that are farther apart, again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry import parallel_for, usable_threads
from evenly.geometry.search.neighbour_graph import NeighbourGraph, least_reach_above
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.tabu import Walker

if TYPE_CHECKING:
    from jaxtyping import Bool

__all__ = ["Climb", "Clock", "TimeIsUp", "Walkers"]

# Of walks side by side. Little risk suits many rows, whose neighbourhoods are many small
# problems; more suits few rows.
_RISKS = (0.0, 0.001, 0.01, 0.03)
# By how much distances are to grow at first, as a fraction, and when it is a step to the next one.
_FIRST_STEP = 2e-3
_LAST_STEP = 2e-6
# A smaller gain is like none.
_WORTH_WHILE = 1e-6
_LEAST_WORK, _MOST_WORK = 1_000_000, 30_000_000
# Rounds in a row that find nothing: at least so many, and more where a round is a small thing.
_PATIENCE = 6
_STEPS_WITHOUT = 12_000_000


class TimeIsUp(Exception):  # noqa: N818  # not an error: the best so far is the answer
    """The time that was given is over."""


class Clock:
    """How much of the time that was given is left.

    Args:
        seconds: how much is given; inf for no limit.
        now: the time, in seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._began = now()
        self._seconds = seconds

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._now() - self._began

    @property
    def left(self) -> float:
        """Seconds until the time is up."""
        return self._seconds - self.spent

    def check(self, *_: object) -> None:
        """Raise TimeIsUp when it is."""
        if self.left <= 0:
            raise TimeIsUp


class Walkers:
    """Walks side by side, as many however many threads there are: that changes nothing.

    Attributes:
        patience: how many rounds in a row may find nothing.
    """

    def __init__(self, graph: NeighbourGraph, constraints: Constraints, seed: int) -> None:
        self._walkers = [
            Walker(graph, constraints, risk, seed * len(_RISKS) + place)
            for place, risk in enumerate(_RISKS)
        ]
        self._work = int(np.clip(len(graph.neighbours), _LEAST_WORK, _MOST_WORK))
        self._threads = usable_threads()
        self.patience = max(_PATIENCE, _STEPS_WITHOUT // self._work)

    def walk(
        self, reach: float, target: int, begin: Bool[np.ndarray, " m"] | None
    ) -> list[Bool[np.ndarray, " m"]]:
        """One round at a distance, from rows or from where each walk is.

        Returns:
            The packings of `target` rows that were found.
        """

        def walk(walker: Walker) -> None:
            walker.reset(walker.chosen if begin is None else begin, reach)
            walker.walk(target, self._work)

        parallel_for(walk, self._walkers, threads=self._threads)
        return [walker.chosen for walker in self._walkers if walker.size >= target]


@dataclass(eq=False)
class Climb:
    """The best packing so far, which walks raise.

    Attributes:
        graph: the rows and their neighbours.
        constraints: what packings must keep to.
        target: how many rows there must be.
        chosen: (m,) which rows are in the best packing, `target` of them or more.
        squared: its smallest squared distance, limits included.
    """

    graph: NeighbourGraph
    constraints: Constraints
    target: int
    chosen: Bool[np.ndarray, " m"]
    squared: float

    def rise(self, *, seed: int, clock: Clock, told: Callable[[float], object]) -> bool:
        """Walk until several rounds in a row have not found rows any farther apart.

        Args:
            seed: of the walks.
            clock: raises when the time is up. What was found until then is kept.
            told: called with the smallest distance after each round.

        Returns:
            Whether the next distance is beyond the graph's, so that a larger one is needed.
        """
        walkers = Walkers(self.graph, self.constraints, seed)
        patience = walkers.patience
        step, failures, found = _FIRST_STEP, 0, True
        while failures < patience:
            clock.check()
            reach = self.next_reach(step)
            if reach > self.graph.reach:
                if self.next_reach(0.0) > self.graph.reach:
                    return True
                step = _smaller(step)
                continue
            before = self.squared
            there = walkers.walk(reach, self.target, self.chosen if found else None)
            taken = [self.take(chosen) for chosen in there]
            found = any(taken)
            if self.squared > before * (1.0 + _WORTH_WHILE) ** 2:
                step, failures = step * 1.5, 0
            else:
                failures += found or step == 0.0
                step = _smaller(step)
            told(float(np.sqrt(self.squared)))
        return False

    def next_reach(self, step: float) -> float:
        """The squared distance below which rows are to be too near next."""
        return least_reach_above(self.squared * (1.0 + step) ** 2)

    def take(self, chosen: Bool[np.ndarray, " m"]) -> bool:
        """Keep this packing of `target` rows or more, if its rows are farther apart."""
        squared = self.squared_h_min(chosen)
        if squared <= self.squared:
            return False
        # In this order: an interrupt between the two leaves nothing untrue.
        self.chosen = chosen.copy()
        self.squared = squared
        return True

    def squared_h_min(self, chosen: Bool[np.ndarray, " m"]) -> float:
        """The smallest squared distance of a packing, limits included; at most the graph's."""
        within = self.graph.squared_h_min(chosen)
        limit = float(self.constraints.limits[chosen].min(initial=np.inf))
        return min(within, limit, self.graph.reach)


def _smaller(step: float) -> float:
    return step / 2 if step > _LAST_STEP else 0.0
