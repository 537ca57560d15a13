"""Simulate many workers in one process, fit a model of their cost, and predict large clusters.

python -m benchmarks.cluster --out results.jsonl --docs docs/scale.md

Each worker is an engine of its own; what it computes is timed by the processor time of this
process. Messages take the time that a network would need, on a simulated clock: a barrier lasts as
long as its slowest worker. The model is fitted to all cases but one and predicts that one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks import pools
from benchmarks.cluster_model import section, write_section
from benchmarks.machine import machine, versions
from benchmarks.run import Row, keep_row, reproducible
from benchmarks.table import read_rows
from evenly.distributed.costs import ROW_BYTES, Network
from evenly.engines.memory import MemoryEngine
from evenly.engines.protocol import Engine, Frontier
from evenly.engines.sharded import ShardedEngine
from evenly.engines.sizes import EngineSizes
from evenly.geometry import Points, first_of_the_farthest, row_lengths, single_threaded_blas
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks


@dataclass(frozen=True)
class Case:
    """A simulation: a kind of pool (a function of `benchmarks.pools`), and its division."""

    pool: str
    n: int
    d: int
    budget: int
    shards: int


CASES = (
    Case("clustered", 50_000, 384, 5_000, 8),
    Case("clustered", 50_000, 384, 5_000, 64),
    Case("clustered", 50_000, 384, 5_000, 512),
    Case("embeddings_alike", 50_000, 384, 5_000, 64),
    Case("curved", 50_000, 384, 5_000, 64),
    Case("curved", 50_000, 384, 5_000, 512),
    Case("clustered", 200_000, 384, 5_000, 8),
    Case("clustered", 200_000, 384, 5_000, 64),
    Case("curved", 200_000, 64, 10_000, 8),
    Case("curved", 200_000, 64, 10_000, 64),
    Case("curved", 200_000, 64, 10_000, 512),
)


class Worker:
    """An engine whose processor time is counted; everything else is the engine's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __len__(self) -> int:
        return len(self._engine)

    def add(self, *arguments: Any) -> None:
        """Add rows to the engine."""
        began = process_time()
        self._engine.add(*arguments)
        self.seconds += process_time() - began

    def frontier(self, *arguments: Any) -> Frontier:
        """Return the engine's frontier."""
        began = process_time()
        frontier = self._engine.frontier(*arguments)
        self.seconds += process_time() - began
        return frontier


class SimulatedCluster(ShardedEngine):
    """Workers that are asked at the same time, by a simulated clock.

    Attributes:
        barriers: how often all workers were asked.
        rows: rows of their frontiers.
        products: squares of the numbers of rows that the driver kept.
        sent, received: bytes that the driver sent to each worker, and received from all.
        slowest_seconds: sum of what the slowest worker computed before each barrier.
        all_seconds: what all workers computed.
        network_seconds: how long messages took.
    """

    def __init__(self, workers: Sequence[Worker], row_bytes: int, network: Network) -> None:
        super().__init__(workers)
        self._workers, self._row_bytes, self._network = workers, row_bytes, network
        self._random = np.random.default_rng(0)
        self._pending = 0
        self.barriers = self.rows = self.products = self.sent = self.received = 0
        self.slowest_seconds = self.all_seconds = self.network_seconds = 0.0

    def add(self, rows: Any, points: Points | None) -> None:
        """Send rows to all workers, with the next request."""
        self._pending += len(rows) * (self._row_bytes + 8)
        super().add(rows, points)

    def frontier(self, *arguments: Any) -> Frontier:
        """Merge the frontiers of all workers."""
        frontier = super().frontier(*arguments)
        self.products += len(frontier.rows) ** 2
        return frontier

    def ask(self, sizes: Any, floor: float) -> list[Frontier]:
        """Ask all workers, and let the clock run until the slowest has answered."""
        parts = super().ask(sizes, floor)
        network, count = self._network, len(self._workers)
        seconds = np.array([worker.seconds for worker in self._workers])
        delays = network.latency * (1.0 + self._random.exponential(size=count))
        slowest = float(seconds.max())
        rows = sum(len(part.rows) for part in parts)
        received = rows * (self._row_bytes + ROW_BYTES)
        moved = self._pending * count + received
        self.barriers += 1
        self.rows += rows
        self.sent += self._pending
        self.received += received
        self.slowest_seconds += slowest
        self.all_seconds += float(seconds.sum())
        self.network_seconds += (
            float((seconds + delays).max())
            - slowest
            + count * network.message_seconds
            + moved / network.bytes_per_second
        )
        self._pending = 0
        for worker in self._workers:
            worker.seconds = 0.0
        return parts


def simulate(case: Case, network: Network | None = None) -> Row:
    """Select on a simulated cluster, and return what it took as a row."""
    vectors = getattr(pools, case.pool)(case.n, case.d)
    points = Points.of(vectors, row_lengths(vectors), np.ones(case.n, bool), normalize=True)
    bounds = np.linspace(0, case.n, case.shards + 1).astype(int).tolist()
    sizes = EngineSizes(single_round=2)  # as if each shard were large
    first = first_of_the_farthest(points.squared_distances_to_mean())
    with single_threaded_blas():
        workers = [
            Worker(MemoryEngine(points.part(slice(*pair)), case.budget, threads=1, sizes=sizes))
            for pair in pairwise(bounds)
        ]
        cluster = SimulatedCluster(workers, 4 * case.d, network or Network())
        began = process_time()
        picks, coverage_radius = farthest_first(cluster, case.budget, Picks.first(first))
        left = sum(worker.seconds for worker in workers)
        driver = process_time() - began - cluster.all_seconds - left
    barriers = cluster.barriers
    total = driver + cluster.slowest_seconds + cluster.network_seconds
    return {
        "kind": "cluster",
        **{name: getattr(case, name) for name in ("pool", "n", "d", "budget", "shards")},
        "barriers": barriers,
        "picks_per_barrier": case.budget / barriers,
        "rows_per_barrier": cluster.rows / barriers,
        "products_per_barrier": cluster.products / barriers,
        "bytes_per_pick": {
            "received": cluster.received / case.budget,
            "sent": cluster.sent / case.budget,
        },
        "seconds": {
            "driver": driver,
            "slowest worker": cluster.slowest_seconds,
            "network": cluster.network_seconds,
            "all": total,
        },
        "driver_share": driver / total,
        "h_min": float(picks.radii.min()),
        "coverage_radius": coverage_radius,
    }


def measure_passes(n: int = 2_000_000, repeats: int = 5) -> Row:
    """Return what a worker takes for each of its rows if no row needs a comparison, as a row.

    The shards that are simulated are too small to show it.
    """
    vectors = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    points = Points.of(vectors, row_lengths(vectors), np.ones(n, bool), normalize=True)
    engine, first = MemoryEngine(points, 64, threads=1), np.arange(1)
    engine.add(first, engine.fetch(first))
    floor = float(engine.frontier().keys.min())
    seconds = []
    for _ in range(repeats):
        began = process_time()
        engine.frontier(1024, floor)
        seconds.append((process_time() - began) / n)
    return {"kind": "cluster-passes", "n": n, "seconds_per_row": min(seconds)}


def scaled(scale: float) -> Iterator[Case]:
    """Yield the cases with smaller pools and budgets, for trials."""
    for case in CASES:
        n = max(case.shards, int(case.n * scale))
        yield Case(case.pool, n, case.d, max(2, int(case.budget * scale)), case.shards)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate all cases, print each row, and write the tables into a page."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=described)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes, for trials")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    parser.add_argument("--rows", type=Path, help="read the rows of this file, measure nothing")
    parser.add_argument("--docs", type=Path, help="write the tables into this page (.md)")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    cases = list(scaled(options.scale))
    common = {
        "machine": machine(),
        "versions": versions("numba"),
        "command": reproducible("benchmarks.cluster", given),
    }
    rows = [] if options.rows is None else read_rows([options.rows])
    if options.rows is None:
        simulate(Case("clustered", 2_000, 64, 200, 4))  # loads compiled loops
        for row in (measure_passes(int(2_000_000 * options.scale)), *map(simulate, cases)):
            rows.append({**row, **common})
            keep_row(rows[-1], options.out)
    if options.docs is not None:
        worker_row = next(row["seconds_per_row"] for row in rows if row["kind"] != "cluster")
        write_section(
            options.docs, section([row for row in rows if row["kind"] == "cluster"], worker_row)
        )


if __name__ == "__main__":
    main()
