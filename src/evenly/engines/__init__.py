"""Engines hold the vectors and compute on them: one protocol, one file per engine."""

from __future__ import annotations

from evenly.engines.protocol import FRONTIER, Engine, Frontier
from evenly.engines.registry import choose_engine, make_engine

__all__ = ["FRONTIER", "Engine", "Frontier", "choose_engine", "make_engine"]
