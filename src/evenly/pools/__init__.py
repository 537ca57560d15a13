"""Where the vectors live and who computes on them: one protocol, one file per engine."""

from __future__ import annotations

from evenly.geometry import Points
from evenly.pools.memory import MemoryPool
from evenly.pools.pool import Frontier, Pool

__all__ = ["ENGINES", "Frontier", "Pool", "make_pool"]

ENGINES = ("auto", "memory")


def make_pool(points: Points, engine: str) -> Pool:
    """A pool of the points, on the engine named (one of ENGINES)."""
    return MemoryPool(points)
