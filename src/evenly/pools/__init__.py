"""Where the vectors live and who computes on them: one protocol, one file per engine."""

from __future__ import annotations

from evenly.geometry import Points
from evenly.pools.memory import MemoryPool
from evenly.pools.pool import FRONTIER, Frontier, Pool

__all__ = ["ENGINES", "FRONTIER", "Frontier", "Pool", "make_pool"]

ENGINES = ("auto", "memory")


def make_pool(points: Points, budget: int, engine: str) -> Pool:
    """A pool of the points to choose `budget` rows from, on the engine named, one of ENGINES."""
    return MemoryPool(points, budget)
