"""Select on real workers of Ray on this machine (Linux), beside one process on the same cores.

python -m benchmarks.ray_workers --out results.jsonl --docs docs/scale.md

Each layout runs in processes of its own. A node that has one core is bound to it, and so are its
workers. What comes before is told separately: starting nodes; preparing, which starts workers,
reads lengths and makes the first pick; and what the first of several runs takes longer, which
loads compiled loops.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import pools
from benchmarks.cluster_model import write_section
from benchmarks.machine import machine, versions
from benchmarks.measuring import peak_memory
from benchmarks.run import Row, keep_row, reproducible
from benchmarks.table import read_rows
from evenly.distributed.engine import ClusterEngine
from evenly.distributed.prepare import prepare
from evenly.engines import Engine
from evenly.geometry import single_threaded_blas
from evenly.options import InputOptions, RuleOptions
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import Beginning, first_picks
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.remaining import Limits
from evenly.selection.rules.resolve import resolve_rules

BEGIN = "<!-- benchmarks.ray_workers: begin -->\n"
END = "<!-- benchmarks.ray_workers: end -->\n"


@dataclass(frozen=True)
class Case:
    """A pool (a function of `benchmarks.pools`, or "file" for float16 on disk) and its budget."""

    pool: str
    n: int
    d: int
    budget: int
    memory: str | None = None


CASES = (
    Case("embeddings_alike", 50_000, 384, 5_000),
    Case("clustered", 200_000, 384, 20_000),
    Case("file", 2_000_000, 384, 2_000, "1GB"),
)

# Nodes, and the cores of each; no nodes for one process without Ray.
LAYOUTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "one process, 2 cores": (),
    "1 worker, 2 cores": ((0, 1),),
    "2 workers, 1 core each": ((0,), (1,)),
}


@contextlib.contextmanager
def nodes(cores: Sequence[Sequence[int]]) -> Iterator[str | None]:
    """Start a node of Ray on each set of cores; yield their address, None for no nodes."""
    if not cores:
        yield None
        return
    import ray
    from ray.cluster_utils import Cluster

    # Processes inherit the cores of the one that starts them.
    mine = os.sched_getaffinity(0)
    ordered = sorted(mine)
    head: dict[str, Any] = {"include_dashboard": False}
    cluster = Cluster()
    try:
        for number, own in enumerate(cores):
            os.sched_setaffinity(0, {ordered[core % len(ordered)] for core in own})
            size = {"num_cpus": len(own), "object_store_memory": 200 << 20}
            cluster.add_node(**size, **({} if number else head))
        os.sched_setaffinity(0, mine)
        ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield cluster.address
    finally:
        os.sched_setaffinity(0, mine)
        ray.shutdown()
        cluster.shutdown()


def measure(case: Case, layout: str, folder: str, repeats: int = 3) -> Row:
    """Select in one layout, and return what it took as a row; times are medians.

    The rows are chosen once more before, which loads the compiled loops.
    """
    began = perf_counter()
    with nodes(LAYOUTS[layout]) as address:
        starting = perf_counter() - began
        began = perf_counter()
        inputs = InputOptions(cluster=address, memory=case.memory, progress=False)
        rules = RuleOptions(budget=case.budget)
        prepared = prepare(folder, inputs)
        problem = Problem.of(prepared, resolve_rules(prepared, rules))
        initial = first_picks(problem, Beginning(), Limits())
        preparing = perf_counter() - began
        first, *runs = [_choose(problem, case.budget, initial) for _ in range(repeats + 1)]
        peak = _peak_of_workers() if address else peak_memory() or 0
    row = {name: float(np.median([run[name] for run in runs])) for name in first}
    row |= {"starting": starting, "preparing": preparing, "peak_memory": peak}
    row["loading"] = first["seconds"] - row["seconds"]
    return {"kind": "ray-workers", **asdict(case), "layout": layout, **row}


def _choose(problem: Problem, budget: int, initial: Picks) -> dict[str, float]:
    began = perf_counter()
    engine = problem.new_engine(budget)
    with single_threaded_blas():
        picks, coverage_radius = farthest_first(engine, budget, initial)
    return {
        "seconds": perf_counter() - began,
        "h_min": float(picks.radii.min()),
        "coverage_radius": coverage_radius,
        **_counters(engine, budget),
    }


def _counters(engine: Engine, budget: int) -> dict[str, float]:
    if not isinstance(engine, ClusterEngine):
        return {}
    return {
        "rounds": engine.rounds,
        "picks_per_round": budget / engine.rounds,
        "bytes_per_pick": engine.bytes_moved / budget,
        "driver_seconds": engine.seconds,
    }


def _peak_of_workers() -> int:
    """Return the peak memory of the worker that took most, in bytes."""
    peaks = [0]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if command.read_bytes().startswith(b"ray::RemoteWorker"):
                peaks.append(peak_memory(command.parent.name) or 0)
    return max(peaks)


def measure_apart(case: Case, layout: str, folder: str) -> Row:
    """Measure one layout in a process of its own, and return the row."""
    task = json.dumps({"case": asdict(case), "layout": layout, "folder": folder})
    command = [sys.executable, "-m", "benchmarks.ray_workers", "--task", task]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def write_pool(case: Case, folder: Path) -> None:
    """Write the vectors of a case, as four files or, of a pool on disk, as one."""
    if case.pool == "file":
        pools.write_large_npy(folder / "0.npy", case.n, case.d)
        return
    vectors = getattr(pools, case.pool)(case.n, case.d)
    for number, part in enumerate(np.array_split(vectors, 4)):
        pools.write_npy(folder / f"{number}.npy", part)


def section(rows: Sequence[Row]) -> str:
    """Return the table of the page."""
    common, alone = rows[0], {}
    lines = [
        BEGIN,
        f"Measured on {common['machine']['cpu']} by `{common['command']}`; not edited by hand.\n",
        "\n| pool | layout | choosing | beside one process | rounds | picks a round | bytes a pick "
        "| driver | peak memory | nodes | preparing | loading |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    ]
    for row in rows:
        key = row["pool"], row["n"]
        alone.setdefault(key, row["seconds"])
        name = "float16 file" if row["pool"] == "file" else row["pool"].replace("_", " ")
        memory = f", memory={row['memory']}" if row["memory"] else ""
        counters = "| | | | "
        if "rounds" in row:
            counters = (
                f"| {row['rounds']:.0f} | {row['picks_per_round']:.0f} "
                f"| {row['bytes_per_pick']:,.0f} "
                f"| {100 * row['driver_seconds'] / row['seconds']:.0f} % "
            )
        lines.append(
            f"| {name}, {row['budget']:,} of {row['n']:,} × {row['d']}{memory} | {row['layout']} "
            f"| {row['seconds']:.2f} s | {row['seconds'] / alone[key]:.2f} {counters}"
            f"| {row['peak_memory'] / 1e6:,.0f} MB | {row['starting']:.1f} s "
            f"| {row['preparing']:.1f} s | {row['loading']:.1f} s |\n"
        )
    return "".join([*lines, END])


def scaled(scale: float) -> Iterator[Case]:
    """Yield the cases with smaller pools and budgets, for trials."""
    for case in CASES:
        n, budget = max(200, int(case.n * scale)), max(2, int(case.budget * scale))
        yield Case(case.pool, n, case.d, budget, case.memory)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases in all layouts, print each row, and write the table into a page."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ray_workers", description=described)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes, for trials")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    parser.add_argument("--rows", type=Path, help="read the rows of this file, measure nothing")
    parser.add_argument("--docs", type=Path, help="write the table into this page (.md)")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    if options.task is not None:
        task = options.task
        print(json.dumps(measure(Case(**task["case"]), task["layout"], task["folder"])))
        return
    common = {
        "machine": machine(),
        "versions": versions("numba", "ray"),
        "command": reproducible("benchmarks.ray_workers", given),
    }
    rows = [] if options.rows is None else read_rows([options.rows])
    for case in scaled(options.scale) if options.rows is None else ():
        with tempfile.TemporaryDirectory() as folder:
            write_pool(case, Path(folder))
            for layout in LAYOUTS:
                rows.append({**measure_apart(case, layout, folder), **common})
                keep_row(rows[-1], options.out)
        if len({(row["h_min"], row["coverage_radius"]) for row in rows[-len(LAYOUTS) :]}) > 1:
            raise SystemExit(f"the answers of {case} differ.")
    if options.docs is not None:
        write_section(options.docs, section(rows))


if __name__ == "__main__":
    main()
