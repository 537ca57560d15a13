"""Every engine with settings that exercise its rare paths on small pools."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from evenly.engines.cuda import TorchEngine
from evenly.engines.faiss import FaissEngine
from evenly.engines.mapped import MappedEngine
from evenly.engines.memory import MemoryEngine
from evenly.engines.sharded import ShardedEngine
from evenly.engines.sizes import EngineSizes
from evenly.geometry import ProxyVectors
from evenly.geometry.screening.tuning import Tuning

SMALL = EngineSizes(single_round=2, cells=3, least_unseen=1, rows_on_device=16, targets_on_device=3)
"""Sizes with which even small pools take several rounds, tiles and cells."""


class EagerTuning(Tuning):
    """Turns, narrows and changes the precision from the first few picks on, again and again."""

    def __init__(self, points, budget, precision="float32"):
        super().__init__(points, budget)
        self._wanted = precision

    @property
    def is_long(self):
        return True

    def review(self, targets, squared):
        self._chosen = len(targets)
        now = targets.proxies
        if self._chosen < 3:
            return None
        if now.transform.axes is None:
            transform = now.transform.turned(self._points, self._points.dimension)
            return ProxyVectors(self._points, transform), self._wanted
        chunk = now.transform.chunk
        width = chunk * (1 + self._chosen % (now.transform.width // chunk))
        return now.narrowed(width), self._wanted


def eager(engine, precision="float32"):
    """Return a function that makes an engine with eager tuning."""

    def make(points, budget, sizes=None):
        return engine(points, budget, EagerTuning(points, budget, precision), sizes=sizes)

    return make


def mapped(points, budget, sizes=None):
    """Make an engine that holds a fifth of its rows in memory."""
    sizes = replace(sizes or EngineSizes(), rows_a_read=16)
    fifth = max(1, int(0.2 * len(points)))
    return MappedEngine(points, budget, memory=0, rows_in_memory=fifth, sizes=sizes)


def sharded(points, budget, sizes=None, *, shards=3):
    """Make an engine of shards of different sizes."""
    cuts = np.linspace(0, 1, shards + 1) ** 1.5 * len(points)
    bounds = sorted({int(cut) for cut in cuts})
    return ShardedEngine(
        [
            MemoryEngine(points.part(slice(begin, end)), budget, sizes=sizes)
            for begin, end in pairwise(bounds)
        ]
    )


ENGINES = {
    "memory": lambda points, budget, sizes=None: MemoryEngine(points, budget, sizes=sizes),
    "memory, turned": eager(MemoryEngine),
    "memory, int16": eager(MemoryEngine, "int16"),
    "faiss": eager(FaissEngine),
    "sharded": sharded,
    "mapped": mapped,
    "torch": lambda points, budget, sizes=None: TorchEngine(points, budget, "cpu", sizes=sizes),
    "torch, streamed": lambda points, budget, sizes=None: TorchEngine(
        points, budget, "cpu", resident=False, sizes=sizes
    ),
}
"""Functions that make each engine from points, a budget and `EngineSizes`."""
