"""Where the vectors live and who computes on them: one protocol, one file per engine."""

from __future__ import annotations

from evenly.engines.protocol import FRONTIER, Frontier, Pool
from evenly.engines.registry import ENGINES, choose_engine, make_pool

__all__ = ["ENGINES", "FRONTIER", "Frontier", "Pool", "choose_engine", "make_pool"]
