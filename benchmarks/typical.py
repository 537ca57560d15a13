"""Compare `density_weight=1` with facility location: mean distance to the chosen rows, and time.

python -m benchmarks.typical --npy embeddings.npy --out results.jsonl

The peers are greedy facility location on all n × n similarities, `density_weight=1`, the same
refined, plain farthest-first and random rows. They take turns on the same pool, each after a small
selection that is not timed. Seconds cover the whole call: similarities and neighbours are computed
every time.
Mean distances are computed in float64 by independent code.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks import pools
from benchmarks.checking import mean_distance
from benchmarks.machine import machine, versions
from benchmarks.peers import REFERENCE, Choose
from benchmarks.run import Row, keep_row, reproducible
from evenly import select_uniform
from evenly.metrics.facility_location import greedy_picks, similarities

FACILITY_LOCATION = "facility location"
N = 20_000
BUDGETS = (200, 2_000)
_WARM_UP_ROWS = 6_000  # enough for the search that compares each pair once


@dataclass(frozen=True)
class TypicalPool:
    """A pool.

    Attributes:
        name: of the pool.
        description: of its vectors.
        vectors: (n, d) float32 rows of unit length.
    """

    name: str
    description: str
    vectors: pools.Vectors


def typical_pools(npy: str | None, scale: float = 1.0) -> Iterator[TypicalPool]:
    """Yield the pools: generated clusters, and the first rows of a file of embeddings if given."""
    n = int(N * scale)
    yield TypicalPool("clustered", "Gaussian clusters", pools.clustered(n))
    if npy is not None:
        vectors = pools.from_npy(npy)[:n]
        yield TypicalPool("embeddings", f"embeddings of {Path(npy).name}", vectors)


def _facility_location(vectors: pools.Vectors, budget: int, seed: int) -> pools.Vectors:
    return greedy_picks(similarities(vectors), budget)


def _evenly(**rule: Any) -> Choose:
    def choose(vectors: pools.Vectors, budget: int, seed: int) -> pools.Vectors:
        found = select_uniform(vectors, budget, normalize=False, progress=False, **rule)
        return np.asarray(found.indices)

    return choose


def _random(vectors: pools.Vectors, budget: int, seed: int) -> pools.Vectors:
    return np.random.default_rng(seed).choice(len(vectors), budget, replace=False)


PEERS: dict[str, Choose] = {
    FACILITY_LOCATION: _facility_location,
    f"{REFERENCE}, density_weight=1": _evenly(density_weight=1.0),
    f"{REFERENCE}, density_weight=1, refine": _evenly(density_weight=1.0, refine=True),
    REFERENCE: _evenly(),
    "random": _random,
}


@contextmanager
def empty_cache() -> Iterator[None]:
    """Keep densities of earlier measurements, which large pools leave on disk, out of sight."""
    before = os.environ.get("EVENLY_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVENLY_CACHE_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["EVENLY_CACHE_DIR"]
            else:
                os.environ["EVENLY_CACHE_DIR"] = before


def measure(pool: TypicalPool, budget: int, repeats: int = 3) -> Iterator[Row]:
    """Yield one row per peer, each with its ratios to facility location."""
    n, d = pool.vectors.shape
    # Its selections compile all loops, and drop the densities that are kept for the next call.
    small = pools.clustered(min(n // 2, _WARM_UP_ROWS), d, seed=1)
    small_budget = max(2, budget * len(small) // n)
    names = list(PEERS)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in names}
    distances: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names:
            choose = PEERS[name]
            choose(small, small_budget, repeat)
            with empty_cache():
                began, cpu_began = perf_counter(), process_time()
                rows = choose(pool.vectors, budget, repeat)
                seconds[name].append(perf_counter() - began)
                cpu_seconds[name].append(process_time() - cpu_began)
            assert len(np.unique(rows)) == budget
            distances[name].append(mean_distance(pool.vectors, rows))
            print(f"{pool.name}, {budget:,}, {name}: {seconds[name][-1]:.2f} s", file=sys.stderr)
    for name in names:
        median = statistics.median(seconds[name])
        distance = statistics.fmean(distances[name])
        yield {
            "kind": "typical",
            "case": f"{pool.name} {n:,}, {budget:,} rows",
            "peer": name,
            "pool": pool.description,
            "n": n,
            "d": d,
            "budget": budget,
            "repeats": repeats,
            "seconds": {"median": median, "min": min(seconds[name]), "max": max(seconds[name])},
            "cpu_seconds": statistics.median(cpu_seconds[name]),
            "mean_distance": distance,
            "seconds_ratio": median / statistics.median(seconds[FACILITY_LOCATION]),
            "cpu_seconds_ratio": statistics.median(cpu_seconds[name])
            / statistics.median(cpu_seconds[FACILITY_LOCATION]),
            "distance_ratio": distance / statistics.fmean(distances[FACILITY_LOCATION]),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print each row and append it to a file as soon as its case is complete."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.typical", description=described)
    parser.add_argument("--npy", help="a file of embeddings, (n, d)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per peer")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes, for trials")
    parser.add_argument("--note", help="what else the machine did, for the page")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    command = reproducible("benchmarks.typical", given)
    common = {"machine": machine(), "versions": versions("numba"), "command": command}
    for pool in typical_pools(options.npy, options.scale):
        for budget in BUDGETS:
            for row in measure(pool, max(2, int(budget * options.scale)), options.repeats):
                keep_row({**row, "note": options.note, **common}, options.out)


if __name__ == "__main__":
    main()
