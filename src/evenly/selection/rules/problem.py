"""What the rules imply for a pool: usable points, and rows to keep away from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evenly.engines import Engine
from evenly.geometry import DistanceMatrix, Points
from evenly.selection.rules.rules import Rules

__all__ = ["keep_away", "points_under"]


def keep_away(pool: Engine, rules: Rules) -> None:
    """Tell a new pool what its rows keep away from."""
    if rules.away is not None:
        pool.add(np.full(len(rules.away), -1), rules.away)
    elif rules.before is not None:
        pool.add(rules.before, None)


def points_under(rules: Rules, points: Points | DistanceMatrix) -> Points | DistanceMatrix:
    """The points whose candidates the rules leave; none is longer than they say, away or not."""
    if rules.excluded is not None:
        points = replace(points, eligible=rules.usable(points.eligible))
    if rules.away is not None and isinstance(points, Points):
        points = replace(points, longest=max(points.longest, rules.away.longest))
    return points
