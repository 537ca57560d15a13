"""Measure by how much refinement exceeds greedy's h_min, and at what cost: one JSON row per run.

python -m benchmarks.refine --npy embeddings.npy --mmdp mmdp --out results.jsonl

The peers are farthest-first (`greedy`), refinement (`refine`), refinement until optimality is
proven (`exact`), and `max-div` with a time limit. They run one after the other on the same pool.
Seconds cover the whole call, on the clock and (`cpu_seconds`) of all processors. h_min is computed
from the rows in float64 by independent code.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks import pools
from benchmarks.checking import exact_h_min
from benchmarks.machine import machine, versions
from benchmarks.peers import max_div_for
from benchmarks.run import PACKAGES, Row, keep_row, reproducible
from evenly import Refine, Selection, select_uniform

PEERS = ("greedy", "refine", "exact", "max-div")


@dataclass(frozen=True)
class Instance:
    """A pool and a budget.

    Attributes:
        case: instances of one case are summarised in one line of the page.
        name, pool: of the instance, and a description of its vectors.
        load: returns the vectors.
        budget: number of rows to choose.
        seconds: time limit of `max-div` and of `exact`.
        best_known: the largest published h_min, if any.
        peers: names of the peers to measure.
    """

    case: str
    name: str
    pool: str
    load: Callable[[], pools.Vectors]
    budget: int
    seconds: float
    best_known: float | None = None
    peers: tuple[str, ...] = PEERS


def mmdp_instances(folder: Path, seconds: float = 10.0) -> Iterator[Instance]:
    """Yield the instances of the Max-Min Diversity Problem that `best_known.csv` lists.

    The file of an instance holds n, d, and then each row preceded by its number.
    """
    with (folder / "best_known.csv").open() as listed:
        for entry in csv.DictReader(listed):

            def load(path: Path = folder / entry["instance"]) -> pools.Vectors:
                numbers = np.array(path.read_text().split(), float)
                return numbers[2:].reshape(int(numbers[0]), -1)[:, 1:]

            yield Instance(
                f"MDPLIB {entry['family']} {entry['n']}, {entry['k']} rows",
                entry["instance"],
                "points of the Max-Min Diversity Problem",
                load,
                int(entry["k"]),
                seconds,
                float(entry["best_known"]),
            )


def instances(npy: str | None, mmdp: Path | None, scale: float = 1.0) -> Iterator[Instance]:
    """Yield all instances, small ones first.

    Args:
        npy: a file of embeddings.
        mmdp: see `mmdp_instances`.
        scale: factor on sizes, budgets and seconds, to try out the harness.
    """

    def sized(number: int) -> int:
        return max(2, int(number * scale))

    if mmdp is not None:
        yield from mmdp_instances(mmdp, 10.0 * scale)
    for n, k, seconds, peers in (
        (20_000, 2_000, 60.0, PEERS),
        (200_000, 20_000, 60.0, ("greedy", "refine")),
    ):
        name = f"clustered {n:,}, {k:,} rows"
        description = "isotropic Gaussian clusters of about a hundred rows each, of length one"

        def make(n: int = sized(n)) -> pools.Vectors:
            return pools.clustered(n)

        yield Instance(name, name, description, make, sized(k), seconds * scale, None, peers)
    name = "curved 20,000, 2,000 rows"
    description = "24 intrinsic dimensions through a tanh, in 200 clusters of Zipf sizes"

    def curved() -> pools.Vectors:
        return pools.curved(sized(20_000))

    yield Instance(name, name, description, curved, sized(2_000), 60.0 * scale)
    name = "alike 20,000, 2,000 rows"
    description = "generated rows with topics of very different sizes and a spectrum that decays"

    def alike() -> pools.Vectors:
        return pools.embeddings_alike(sized(20_000))

    yield Instance(name, name, description, alike, sized(2_000), 60.0 * scale)
    for k in (200, 2_000, 10_000):
        if npy is not None:
            name = f"embeddings 20,000, {k:,} rows"
            description = f"the vectors of {Path(npy).name}"

            def read(path: str = npy) -> pools.Vectors:
                return np.load(path).astype(np.float32)[: sized(20_000)]

            yield Instance(name, name, description, read, sized(k), 60.0 * scale)


def measure(instance: Instance) -> Iterator[Row]:
    """Yield one row per peer."""
    vectors = instance.load()
    longest = float(np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1).max()))
    for peer in instance.peers:
        try:
            choose = _chooser(peer, instance.seconds)
            began, cpu_began = perf_counter(), process_time()
            found = choose(vectors, instance.budget)
            seconds, cpu_seconds = perf_counter() - began, process_time() - cpu_began
        except ImportError as error:
            print(f"{instance.name}: {peer} is skipped: {error}", file=sys.stderr)
            continue
        rows = getattr(found, "indices", found)
        assert len(np.unique(rows)) == instance.budget
        # `exact_h_min` needs lengths of at most one.
        h_min = exact_h_min(vectors / max(1.0, longest), np.asarray(rows)) * max(1.0, longest)
        refined = found.provenance.refined or {} if isinstance(found, Selection) else {}
        yield {
            "kind": "refine",
            "case": f"{instance.case} / {instance.name}",
            "group": instance.case,
            "peer": peer,
            "pool": instance.pool,
            "n": len(vectors),
            "d": int(vectors.shape[1]),
            "budget": instance.budget,
            "seconds": round(seconds, 4),
            "cpu_seconds": round(cpu_seconds, 4),
            "seconds_given": instance.seconds if peer in ("max-div", "exact") else None,
            "h_min": h_min,
            "best_known": instance.best_known,
            "proven": refined.get("proven"),
            "upper_bound": refined.get("upper_bound"),
            "ended_by": refined.get("ended_by"),
        }


def _chooser(peer: str, seconds: float) -> Callable[[pools.Vectors, int], Any]:
    if peer == "max-div":
        import max_div  # noqa: F401  # so that a missing package is noticed before timing starts

        choose = max_div_for(seconds)
        return lambda vectors, budget: choose(vectors.astype(np.float32), budget, 0)
    refine = {
        "greedy": None,
        "refine": Refine(),
        "exact": Refine(method="exact", seconds=seconds),
    }[peer]
    return lambda vectors, budget: select_uniform(
        vectors, budget, normalize=False, refine=refine, progress=False
    )


def warm_up() -> None:
    """Trigger all compilation, untimed."""
    vectors = pools.clustered(300, 8)
    for peer in PEERS:
        try:
            _chooser(peer, 0.5)(vectors, 20)
        except ImportError:
            continue


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print each row and append it to a file as soon as it is complete."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refine", description=described)
    parser.add_argument("--npy", help="a file of embeddings, (n, d)")
    parser.add_argument("--mmdp", type=Path, help="a folder of MDPLIB instances")
    parser.add_argument("--only", help="only instances whose name contains this")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes and seconds")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    options = parser.parse_args(arguments)
    command = reproducible("benchmarks.refine", sys.argv[1:] if arguments is None else arguments)
    common = {"machine": machine(), "versions": versions(*PACKAGES), "command": command}
    warm_up()
    for instance in instances(options.npy, options.mmdp, options.scale):
        if options.only is None or options.only in instance.name:
            for row in measure(instance):
                keep_row({**row, **common}, options.out)


if __name__ == "__main__":
    main()
