"""The engines by name, and the choice that "auto" makes."""

from __future__ import annotations

import logging
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evenly.errors import OptionError
from evenly.geometry import DistanceMatrix, Points

if TYPE_CHECKING:
    from evenly.engines.protocol import Engine

log = logging.getLogger("evenly")
DEFAULT_MEMORY = 2e9
"""Bytes that the engine "mapped" may take by default."""

_SHARDS = 4

# Multiplications from which moving the vectors to a GPU pays.
_WORTH_A_GPU = 1e12


def choose_engine(
    points: Points | DistanceMatrix, budget: int, engine: str = "auto", device: str = "auto"
) -> str:
    """Return the name of the engine that "auto" means for these rows; other names are unchanged.

    "distances" for a distance matrix; "mapped" for rows that stay on disk (see
    `evenly.inputs.prepare`); "cuda" if there is enough work, and the device was requested or torch
    is loaded already and has a GPU; else "memory". "faiss" and "sharded" are never chosen
    automatically: they took 1.3 to 2.3 and 2.0 to 2.9 times as long as "memory" in all
    measurements (docs/benchmarks.md).
    """
    if engine != "auto":
        return engine
    if isinstance(points, DistanceMatrix):
        return "distances"
    if not points.in_memory:
        return "mapped"
    if float(len(points)) * budget * points.dimension > _WORTH_A_GPU and _wants_gpu(device):
        return "cuda"
    return "memory"


def _wants_gpu(device: str) -> bool:
    if device.startswith("cuda"):
        return True
    if device != "auto" or "torch" not in sys.modules:
        return False
    import torch

    return torch.cuda.is_available()


def make_engine(
    points: Points | DistanceMatrix,
    budget: int,
    engine: str = "auto",
    *,
    memory: float | None = None,
    device: str = "auto",
) -> Engine:
    """Make an engine to choose `budget` rows.

    Args:
        points: the rows, or their distances.
        budget: how many will be chosen.
        engine: one of `evenly.options.ENGINES`.
        memory: bytes that the engine "mapped" may take; by default the room of the points.
        device: device of the engine "cuda".

    Raises:
        OptionError: the engine does not fit the rows, or the memory is too little.
    """
    chosen = choose_engine(points, budget, engine, device)
    check_available(chosen, device)
    log.info("engine %s for %d rows, %d to choose", chosen, len(points), budget)
    if isinstance(points, DistanceMatrix):
        from evenly.engines.distances import DistancesEngine

        return DistancesEngine(points)
    if chosen == "distances":
        raise OptionError('engine="distances" needs a distance matrix (n, n) as data.')
    if chosen == "mapped":
        from evenly.engines.mapped import MappedEngine

        room = points.room if memory is None else memory
        return MappedEngine(points, budget, DEFAULT_MEMORY if room is None else room)
    if chosen == "faiss":
        from evenly.engines.faiss import FaissEngine

        return FaissEngine(points, budget)
    if chosen == "cuda":
        from evenly.engines.cuda import make_cuda_engine

        return make_cuda_engine(points, budget, device)
    from evenly.engines.memory import MemoryEngine

    if chosen == "memory":
        return MemoryEngine(points, budget)
    from evenly.engines.sharded import ShardedEngine

    bounds = np.linspace(0, len(points), min(_SHARDS, len(points)) + 1).astype(int)
    parts = [points.part(slice(*pair)) for pair in pairwise(bounds.tolist())]
    return ShardedEngine([MemoryEngine(part, budget) for part in parts])


def check_available(engine: str, device: str) -> None:
    """Raise OptionError if an engine cannot run on this machine, before the work that feeds it."""
    if engine != "cuda" or device not in ("auto", "cuda"):
        return
    import torch

    if not torch.cuda.is_available():
        raise OptionError(
            'engine="cuda" needs a GPU that torch can use, and there is none. '
            'Use engine="memory", or install a build of torch for your GPU.'
        )


PACKING_ENGINES = ("auto", "memory", "mapped", "distances")
"""Engine names that packing accepts: they say where the vectors are."""


def check_packing_engine(engine: str) -> None:
    """Reject an engine that packing does not accept.

    Raises:
        OptionError: the engine is not one of PACKING_ENGINES.
    """
    if engine not in PACKING_ENGINES:
        raise OptionError(
            f"engine must be one of {', '.join(PACKING_ENGINES)} here, got {engine!r}: packings "
            "are computed on the processor, and the answer does not depend on it."
        )
