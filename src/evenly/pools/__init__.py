"""Where the vectors live and who computes on them: one protocol, one file per engine."""

from __future__ import annotations

from evenly.pools.engines import ENGINES, choose_engine, make_pool
from evenly.pools.pool import FRONTIER, Frontier, Pool

__all__ = ["ENGINES", "FRONTIER", "Frontier", "Pool", "choose_engine", "make_pool"]
