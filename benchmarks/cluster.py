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
from scipy.optimize import nnls

from benchmarks import pools
from benchmarks.machine import machine, versions
from benchmarks.run import Row, keep_row, reproducible
from benchmarks.table import read_rows
from evenly.engines.memory import MemoryEngine
from evenly.engines.protocol import Engine, Frontier
from evenly.engines.sharded import ShardedEngine
from evenly.engines.sizes import EngineSizes
from evenly.geometry import Points, first_of_the_farthest, row_lengths, single_threaded_blas
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks

BEGIN, END = "<!-- benchmarks.cluster: begin -->\n", "<!-- benchmarks.cluster: end -->\n"

# Bytes of a row of a frontier beside its vector: number, squared distance, factor.
_ROW_BYTES = 24


@dataclass(frozen=True)
class Network:
    """A network, and what a message costs the driver.

    Attributes:
        latency: seconds of an exchange, at least; as much again at random, exponentially.
        message_seconds: what a message costs the driver, for each worker.
        bytes_per_second: of the driver's link.
    """

    latency: float = 1e-3
    message_seconds: float = 1e-4
    bytes_per_second: float = 1.25e9


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
        received = rows * (self._row_bytes + _ROW_BYTES)
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


@dataclass(frozen=True)
class Model:
    """What a barrier and a comparison cost; seconds of one core of the machine that was measured.

    Attributes:
        picks: picks of a barrier.
        rows: rows of all frontiers of a barrier.
        kept: rows that the driver keeps of them, the root of the mean square.
        driver_barrier, driver_worker: the driver's seconds a barrier, and for each worker.
        driver_number, driver_product: for each coordinate of a row, and of a product of two rows.
        worker_row: a worker's seconds a barrier for each of its rows, measured by itself.
        worker_barrier: its other seconds a barrier.
        worker_pair: for each coordinate of a row, times the budget.
    """

    picks: float
    rows: float
    kept: float
    driver_barrier: float
    driver_worker: float
    driver_number: float
    driver_product: float
    worker_row: float
    worker_barrier: float
    worker_pair: float

    @classmethod
    def fit(cls, rows: Sequence[Row], worker_row: float) -> Model:
        """Fit the constants: non-negative least squares of the relative errors."""
        driver = np.array(
            [
                np.array([1.0, row["shards"], row["rows_per_barrier"] * row["d"],
                          row["products_per_barrier"] * row["d"]]) * row["barriers"]
                for row in rows
            ]
        )  # fmt: skip
        worker = np.array([_worker_terms(row) for row in rows])
        of_driver = _fitted(driver, [row["seconds"]["driver"] for row in rows])
        slowest = [row["seconds"]["slowest worker"] for row in rows]
        passes = [row["barriers"] * row["n"] / row["shards"] * worker_row for row in rows]
        others = [max(0.1 * all_, all_ - own) for all_, own in zip(slowest, passes, strict=True)]
        of_worker = _fitted(worker, others)
        return cls(
            float(np.median([row["picks_per_barrier"] for row in rows])),
            float(np.median([row["rows_per_barrier"] for row in rows])),
            float(np.sqrt(np.median([row["products_per_barrier"] for row in rows]))),
            *of_driver,
            worker_row,
            *of_worker,
        )

    def predict(
        self, n: float, d: int, budget: float, shards: int, *, network: Network, itemsize: int = 4,
        cores: float = 1.0, pair_speed: float = 1.0, row_speed: float = 1.0,
    ) -> dict[str, float]:  # fmt: skip
        """Return the seconds of a selection, by part.

        Args:
            n, d, budget, shards: the pool, the picks, and the workers.
            network: the network.
            itemsize: bytes of a coordinate.
            cores: how many times a worker is as fast as one core, for all of its work.
            pair_speed, row_speed: how many times faster than that its comparisons are, and its
                passes over all of its rows.
        """
        barriers = budget / self.picks
        driver = barriers * (
            self.driver_barrier
            + self.driver_worker * shards
            + self.driver_number * self.rows * d
            + self.driver_product * self.kept**2 * d
        )
        own = n / shards
        passes = barriers * (self.worker_barrier + self.worker_row * own / row_speed) / cores
        pairs = self.worker_pair * own * budget * d / cores / pair_speed
        row_bytes = itemsize * d
        moved = self.picks * (row_bytes + 8) * shards + self.rows * (row_bytes + _ROW_BYTES)
        delay = network.latency * (1.0 + np.log(shards) + 0.58)  # the mean of the largest delay
        messages = barriers * (delay + shards * network.message_seconds)
        moving = barriers * moved / network.bytes_per_second
        parts = {
            "driver": driver,
            "passes": passes,
            "comparisons": pairs,
            "messages": messages,
            "moving": moving,
        }
        return {"barriers": barriers, **parts, "all": sum(parts.values())}


def _worker_terms(row: Row) -> np.ndarray:
    return np.array([row["barriers"], row["n"] / row["shards"] * row["budget"] * row["d"]])


def _fitted(terms: np.ndarray, seconds: Sequence[float]) -> list[float]:
    measured = np.array(seconds)
    weighted = terms / measured[:, None]
    scale = weighted.max(axis=0)
    found, _ = nnls(weighted / scale, np.ones(len(measured)))
    return list((found / scale).tolist())


def errors(rows: Sequence[Row], worker_row: float, network: Network | None = None) -> list[float]:
    """Return how far the model is off for each row, relatively, fitted to all the others."""
    found = []
    for number, row in enumerate(rows):
        model = Model.fit([*rows[:number], *rows[number + 1 :]], worker_row)
        parts = model.predict(
            row["n"], row["d"], row["budget"], row["shards"], network=network or Network()
        )
        found.append(parts["all"] / row["seconds"]["all"] - 1.0)
    return found


PLANS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "10⁸ × 768, float16, 100,000 picks, 16 GPUs",
        {"n": 1e8, "d": 768, "budget": 1e5, "shards": 16, "pair_speed": 1000, "row_speed": 100},
    ),
    (
        "10⁸ × 768, float16, 1,000,000 picks, 16 GPUs",
        {"n": 1e8, "d": 768, "budget": 1e6, "shards": 16, "pair_speed": 1000, "row_speed": 100},
    ),
    (
        "10⁹ × 384, float16, 100,000 picks, 64 machines of 32 cores",
        {"n": 1e9, "d": 384, "budget": 1e5, "shards": 64, "pair_speed": 32},
    ),
    (
        "10⁹ × 384, float16, 1,000,000 picks, 64 machines of 32 cores",
        {"n": 1e9, "d": 384, "budget": 1e6, "shards": 64, "pair_speed": 32},
    ),
)
"""What is predicted: a GPU compares rows 1,000 times and passes over bounds 100 times as fast as a
core (assumed, from its products in bfloat16 and its memory); 32 cores share comparisons, and
passes are on one core."""


def section(rows: Sequence[Row], worker_row: float) -> str:
    """Return the tables of the page."""
    off = errors(rows, worker_row)
    model, common = Model.fit(rows, worker_row), rows[0]
    lines = [
        BEGIN,
        f"Measured on {common['machine']['cpu']} by `{common['command']}`; not edited by hand.\n",
        "\n| pool | workers | barriers | picks a barrier | rows received a barrier | bytes a pick, "
        "received | bytes a pick, sent to each | driver | slowest worker | network | model |",
        "\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    ]
    for row, error in zip(rows, off, strict=True):
        seconds = row["seconds"]
        lines.append(
            f"| {row['pool'].replace('_', ' ')}, {row['budget']:,} of {row['n']:,} × {row['d']} "
            f"| {row['shards']} | {row['barriers']} | {row['picks_per_barrier']:.0f} "
            f"| {row['rows_per_barrier']:,.0f} | {row['bytes_per_pick']['received']:,.0f} "
            f"| {row['bytes_per_pick']['sent']:,.0f} | {seconds['driver']:.2f} s "
            f"| {seconds['slowest worker']:.2f} s | {seconds['network']:.2f} s "
            f"| {100 * error:+.0f} % |\n"
        )
    lines.append(
        f"\nThe model, fitted to all rows but one, predicts the seconds of that one within "
        f"{100 * max(map(abs, off)):.0f} % (median: {100 * np.median(np.abs(off)):.0f} %). "
        f"A barrier makes {model.picks:.0f} picks and brings {model.rows:,.0f} rows to the "
        f"driver, which spends {1e3 * model.driver_barrier:.1f} ms, "
        f"{1e6 * model.driver_worker:.0f} µs for each worker, "
        f"{1e9 * model.driver_number:.2f} ns for each coordinate of these rows and "
        f"{1e9 * model.driver_product:.3f} ns for each of a product. A worker spends "
        f"{1e3 * model.worker_barrier:.2f} ms, {1e9 * model.worker_row:.1f} ns for each of its "
        f"rows (measured by itself), and in all {1e12 * model.worker_pair:.2f} ps for each "
        "coordinate of a row times the budget, on one core.\n"
    )
    lines.append(
        "\n| predicted | barriers | driver | passes over all bounds | comparisons | messages "
        "| moving vectors | all |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    for name, plan in PLANS:
        parts = model.predict(**plan, network=Network(), itemsize=2)
        cells = " | ".join(
            f"{parts[part]:,.0f} s"
            for part in ("driver", "passes", "comparisons", "messages", "moving", "all")
        )
        lines.append(f"| {name} | {parts['barriers']:,.0f} | {cells} |\n")
    return "".join([*lines, END])


def write_section(path: Path, made: str) -> None:
    """Replace a section of a page: what is between the marks that it begins and ends with."""
    begin, *_, end = made.splitlines(keepends=True)
    before, _, rest = path.read_text("utf-8").partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path} has no marks to write between.")
    path.write_text(before + made + after, "utf-8")


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
