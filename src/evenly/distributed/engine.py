"""The engine whose rows are on workers: one message to each of them and back for a frontier."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from evenly.distributed.vectors import ClusterPoints
from evenly.distributed.worker import PartOfFrontier
from evenly.engines import Engine, make_engine
from evenly.engines.merging import Merger
from evenly.engines.protocol import FRONTIER, Frontier
from evenly.geometry import DistanceMatrix, Points
from evenly.shapes import Float, Int
from evenly.tables import count


def make_engine_at(
    points: Points | DistanceMatrix,
    budget: int,
    engine: str = "auto",
    *,
    memory: float | None = None,
    device: str = "auto",
) -> Engine:
    """Make an engine where the rows are: on workers, or here; see `engines.make_engine`."""
    if isinstance(points, ClusterPoints):
        return ClusterEngine(points, budget, engine)
    return make_engine(points, budget, engine, memory=memory, device=device)


class ClusterEngine:
    """An engine made of the engines of workers.

    What is added, retired or weighed is kept here, in order, and goes to the workers with the next
    request for a frontier: each of them receives one message a round. The whole list is kept, so
    that a worker that takes the place of a lost one can be brought to the same state.

    Args:
        points: the rows.
        budget: how many will be chosen.
        engine: what workers compute with; see `make_engine`.

    Attributes:
        rounds: how many times the workers were asked for frontiers.
        seconds: how long the driver worked, without waiting for workers.
    """

    def __init__(self, points: ClusterPoints, budget: int, engine: str) -> None:
        self._points, self._ranges = points, points.where
        self._crew = self._ranges.crew
        self._merger = Merger(self._ranges.bounds[:-1].tolist())
        self._weights: Float[np.ndarray, " n"] | None = None
        self._operations: list[tuple[Any, ...]] = []
        self._held: dict[int, tuple[Int[np.ndarray, " m"], np.ndarray[Any, Any]]] = {}
        self.rounds, self.seconds = 0, 0.0
        self._began, self._moved = time.perf_counter(), self._crew.transport.bytes_moved
        eligible = self._ranges.parts(points.eligible)
        self._crew.ask(
            "begin",
            {worker: (budget, own, points.longest, engine) for worker, own in enumerate(eligible)},
            keep=True,
        )

    def __len__(self) -> int:
        return len(self._points)

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Return rows as points."""
        return self._points.take(rows)

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen; see `Engine.add`."""
        self._merger.has_changed = True
        self._operations.append(("add", rows, points))

    def weigh(self, weights: Float[np.ndarray, " n"]) -> None:
        """Set the weights of squared distances; see `Engine.weigh`."""
        self._weights = weights
        self._operations.append(("weigh", weights))

    def retire(self, rows: Int[np.ndarray, " b"]) -> None:
        """Exclude rows from further picks; see `Engine.retire`."""
        self._merger.has_changed = True
        self._operations.append(("retire", rows))

    def release(self) -> None:
        """Drop weights and retirement; see `Engine.release`."""
        self._weights = None
        self._operations.append(("release",))

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return the farthest rows of all workers; see `Engine.frontier`."""
        began, waited = time.perf_counter(), self._crew.seconds_waited
        frontier = self._merger.frontier(self._ask, size, floor)
        self.seconds += time.perf_counter() - began - (self._crew.seconds_waited - waited)
        return frontier

    def _ask(self, sizes: Int[np.ndarray, " p"], floor: float) -> list[Frontier]:
        """Return a frontier of each worker, all of which compute at the same time."""
        found = self._crew.operate(
            "frontier",
            lambda worker, seen: (
                (int(sizes[worker]), floor, self.rounds),
                tuple(self._as_told(worker, *one) for one in self._operations[seen:]),
            ),
        )
        self.rounds += 1
        return [self._whole(worker, found[worker]) for worker in range(len(self._crew))]

    @property
    def bytes_moved(self) -> int:
        """Bytes that were sent to workers and received from them."""
        return self._crew.transport.bytes_moved - self._moved

    def __str__(self) -> str:
        """Return what the work came to so far, for the log."""
        return (
            f"cluster: {count(len(self._crew), 'worker')}, {self._crew.lost} lost; "
            f"{count(self.rounds, 'round')}, {self.bytes_moved / 1e6:.1f} MB; the driver itself "
            f"worked for {self.seconds:.2f} of {time.perf_counter() - self._began:.2f} seconds"
        )

    def _as_told(self, worker: int, name: str, *arguments: Any) -> tuple[Any, ...]:
        """Return an operation as a worker needs it, with its own row numbers."""
        if name == "weigh":
            begin, end = self._ranges.bounds[worker : worker + 2]
            return (name, arguments[0][begin:end])
        if name == "release":
            return (name,)
        rows = self._ranges.own(worker, arguments[0])
        return (name, rows[rows >= 0]) if name == "retire" else (name, rows, arguments[1])

    def _whole(self, worker: int, part: PartOfFrontier) -> Frontier:
        """Return a worker's frontier, with the vectors that did not travel again."""
        stored = np.empty((len(part.rows), self._points.dimension), part.stored.dtype)
        stored[~part.had] = part.stored
        if part.had.any():
            rows, held = self._held[worker]
            stored[part.had] = held[np.searchsorted(rows, part.rows[part.had])]
        self._held[worker] = (part.rows, stored)
        rows = part.rows + self._ranges.bounds[worker]
        factors = None if self._points.factors is None else self._points.factors[rows]
        eligible = np.ones(len(rows), bool)
        return Frontier(
            rows=part.rows,
            points=Points(stored, factors, eligible, self._points.longest),
            squared=part.squared,
            between=lambda: np.empty((0, 0)),
            proxies=None,
            transform=None,
            ceiling=part.ceiling,
            ceiling_row=part.ceiling_row,
            weights=None if self._weights is None else self._weights[rows],
        )
