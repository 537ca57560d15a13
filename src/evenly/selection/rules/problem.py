"""A problem: the points that may be chosen, the rules, and what computes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evenly.distributed.engine import make_engine_at
from evenly.engines import Engine
from evenly.geometry import DistanceMatrix, Points
from evenly.geometry.search.in_order import distances_to_earlier
from evenly.inputs.prepare import PreparedData
from evenly.selection.rules.rules import Rules
from evenly.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Problem:
    """Which rows to choose from, under which rules, and by what engine.

    Every mechanism that chooses rows takes a problem; what the rules imply for the points is
    derived here and nowhere else.

    Attributes:
        points: the pool; only rows that the rules allow are eligible, and `longest` covers the
            points to keep away from.
        rules: the rules.
        engine, device: as in `select_uniform`.
        memory: bytes that the engine may use; None for the engine's own limit.
    """

    points: Points | DistanceMatrix
    rules: Rules
    engine: str = "auto"
    device: str = "auto"
    memory: float | None = None

    @classmethod
    def of(cls, prepared: PreparedData, rules: Rules) -> Problem:
        """Return the problem of choosing rows of a data set under some rules."""
        points, options = prepared.points, prepared.options
        if rules.excluded is not None:
            points = replace(points, eligible=rules.usable(points.eligible))
        if rules.away is not None and isinstance(points, Points):
            points = replace(points, longest=max(points.longest, rules.away.longest))
        return cls(points, rules, options.engine, options.device)

    @property
    def most_rows(self) -> int:
        """The budget, or the number of eligible rows if there is none."""
        if self.rules.budget is not None:
            return self.rules.budget
        return int(np.count_nonzero(self.points.eligible))

    @property
    def likely_rows(self) -> int:
        """About how many rows will be chosen, if only a distance or tokens end the selection."""
        rules = self.rules
        if rules.costs is not None and rules.token_budget is not None:
            mean = max(1.0, float(rules.costs.mean()))
            return min(self.most_rows, int(1.5 * rules.token_budget / mean) + 1)
        return self.most_rows if rules.budget is not None else max(1, self.most_rows // 4)

    @property
    def keeps_away(self) -> bool:
        """Whether there are rows or points to keep away from."""
        return self.rules.away is not None or self.rules.before is not None

    def capacity(self, picks: int) -> int:
        """Return how many rows an engine holds after so many picks: these, and those to avoid."""
        return picks + (0 if self.rules.away is None else len(self.rules.away))

    def new_engine(self, picks: int) -> Engine:
        """Return an engine for so many picks that knows what to keep away from."""
        capacity = self.capacity(picks)
        engine = make_engine_at(
            self.points, capacity, self.engine, memory=self.memory, device=self.device
        )
        self.keep_away(engine)
        return engine

    def keep_away(self, engine: Engine) -> None:
        """Add what to keep away from to a new engine."""
        if self.rules.away is not None:
            engine.add(np.full(len(self.rules.away), -1), self.rules.away)
        elif self.rules.before is not None:
            engine.add(self.rules.before, None)

    def radii_of(self, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Return the distance of each row to the nearest earlier one, or one to keep away from."""
        return distances_to_earlier(
            self.points, rows, before=self.rules.before, away=self.rules.away
        )
