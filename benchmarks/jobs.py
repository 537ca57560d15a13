"""Measure the whole job: `evenly select` as users run it, with the steps it takes and its memory.

    python -m benchmarks.jobs --npy embeddings.npy --alpaca alpaca.json --out rows.jsonl \
        --before OTHER/src --docs docs/benchmarks.md

Every run is a process of its own. Two versions of the code take turns, so that other load on the
machine affects both. A case is one more `Job` in `all_jobs`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import pools
from benchmarks.machine import machine, versions
from benchmarks.measuring import ROOT
from benchmarks.run import PACKAGES, Row, keep_row, reproducible
from benchmarks.table import read_rows, write_page

STEPS = ("reading", "embedding", "selection", "measuring", "rest")

# Runs the command line in this process and writes the peak of its memory, in kilobytes.
_RUN = """
import runpy, sys
peak, sys.argv = sys.argv[1], ["evenly", *sys.argv[2:]]
try:
    runpy.run_module("evenly", run_name="__main__")
finally:
    with open("/proc/self/status") as status, open(peak, "w") as written:
        written.write(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""


@dataclass(frozen=True)
class Job:
    """One call of `evenly select`.

    Attributes:
        name: of the case.
        pool: a description of the input.
        options: of the command line, with the budget.
        source: returns the input, written to the folder if need be.
    """

    name: str
    pool: str
    options: tuple[str, ...]
    source: Callable[[Path], Path]


def all_jobs(npy: str | None = None, alpaca: str | None = None, scale: float = 1.0) -> list[Job]:
    """Return all jobs whose input there is.

    Args:
        npy: a file of embeddings, half of which are chosen.
        alpaca: the Alpaca instructions as JSON, half of which are chosen by word vectors.
        scale: factor on sizes and budgets of generated pools, to try out the harness.
    """

    def scaled(count: int) -> int:
        return max(2, round(count * scale))

    def budget(count: int) -> tuple[str, ...]:
        return ("--budget", str(scaled(count)))

    jobs = []
    if alpaca is not None:
        text = ("--text", "instruction,input", "--encoder", "static", "--no-cache")
        half = ("--budget", "0.5")
        jobs.append(Job("alpaca", "texts, static", (*text, *half), lambda _: Path(alpaca)))
    if npy is not None:
        half = ("--budget", "0.5")
        jobs.append(Job("embeddings", "embeddings from a file", half, lambda _: Path(npy)))
    million, clustered = scaled(1_000_000), scaled(200_000)
    jobs.append(
        Job(
            "clustered-200k",
            f"Gaussian clusters, {clustered:,} × 384",
            budget(20_000),
            lambda folder: _written(folder, f"clustered-{clustered}", pools.clustered, clustered),
        )
    )
    jobs.append(
        Job(
            "million",
            f"{million:,} × 256 with the spectrum of embeddings",
            budget(10_000),
            lambda folder: _written(
                folder, f"alike-{million}-256", lambda n: pools.embeddings_alike(n, 256), million
            ),
        )
    )
    return jobs


def text_jobs(alpaca: Path, copies: int, memory: str) -> list[Job]:
    """Return the same job on many texts with and without a limit of memory.

    Args:
        alpaca: the Alpaca instructions as JSON.
        copies: how many times each record occurs, with other words each time.
        memory: the limit.
    """

    def write(folder: Path) -> Path:
        path = folder / f"alpaca-{copies}.jsonl"
        if not path.exists():
            write_varied(json.loads(alpaca.read_text("utf-8")), copies, path)
        return path

    text = ("--text", "instruction,input", "--encoder", "static", "--no-cache")
    options = (*text, "--budget", "0.01")
    pool = f"texts, each in {copies} variants"
    return [
        Job("texts in memory", pool, options, write),
        Job(f"texts within {memory}", pool, (*options, "--memory", memory), write),
    ]


def write_varied(records: list[dict[str, Any]], copies: int, path: Path) -> None:
    """Write records as JSON Lines, again and again with some words of others."""
    words = [str(record["instruction"]).split() for record in records]
    with path.open("w", encoding="utf-8") as stream:
        for copy in range(copies):
            chance = random.Random(copy)
            for record, own in zip(records, words, strict=True):
                others = chance.choice(words) if copy else []
                text = " ".join(own[copy % 3 :] + others[:8])
                stream.write(json.dumps({**record, "instruction": text}) + "\n")


def _written(folder: Path, stem: str, make: Callable[[int], pools.Vectors], n: int) -> Path:
    path = folder / f"{stem}.npy"
    if not path.exists():
        pools.write_npy(path, make(n))
    return path


def run_job(
    job: Job, folder: Path, sources: dict[str, Path], *, repeats: int = 3, warm_up: bool = True
) -> Iterator[Row]:
    """Yield one row for each version of the code.

    Args:
        job: what to run.
        folder: where pools are kept.
        sources: name of a version -> its folder `src`.
        repeats: runs of each version.
        warm_up: begin with a run of each that does not count, which compiles.
    """
    data = job.source(folder)
    found: dict[str, list[Row]] = {name: [] for name in sources}
    for repeat in range(repeats + warm_up):
        for name, source in sources.items():
            print(f"{job.name}: {name}, {repeat + 1 - warm_up} of {repeats}", file=sys.stderr)
            ran = run_once(data, job.options, source)
            if repeat >= warm_up:
                found[name].append(ran)
    for name, runs in found.items():
        last = runs[-1]
        yield {
            "kind": "job",
            "case": job.name,
            "pool": job.pool,
            "peer": name,
            "repeats": len(runs),
            "n": last["n"],
            "budget": last["budget"],
            "steps": {
                step: statistics.median(run["steps"][step] for run in runs) for step in STEPS
            },
            "seconds": _spread([run["seconds"] for run in runs]),
            "ratio": _spread(
                [run["steps"]["measuring"] / run["steps"]["selection"] for run in runs]
            ),
            "h_min": last["h_min"],
            "certified_fraction": last["certified_fraction"],
            "peak_memory_bytes": max(run["peak_memory_bytes"] for run in runs),
        }


def run_once(data: Path, options: Sequence[str], source: Path) -> Row:
    """Run `evenly select` in a process of its own; return its steps and its memory."""
    with tempfile.TemporaryDirectory() as folder:
        output, peak = Path(folder) / f"chosen{data.suffix}", Path(folder) / "peak"
        words = ["select", str(data), *options, "-o", str(output), "--json", "--quiet"]
        begin = time.perf_counter()
        ran = subprocess.run(
            [sys.executable, "-c", _RUN, str(peak), *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise RuntimeError(f"evenly ended with {ran.returncode}: {ran.stderr.strip()[-500:]}")
        seconds = time.perf_counter() - begin
        found = json.loads(ran.stdout)
        selection, measures = found["selection"], found["measures"]
        taken = {"embedding": 0.0, **selection["provenance"]["seconds"]}
        steps = {**taken, "measuring": measures["seconds"]}
        # Starting the program, and writing.
        steps["rest"] = max(0.0, seconds - sum(steps.values()))
        return {
            "n": measures["pool_size"],
            "budget": measures["size"],
            "steps": steps,
            "seconds": seconds,
            "h_min": measures["h_min"],
            "certified_fraction": measures["certified_fraction"],
            "peak_memory_bytes": int(peak.read_text()) * 1024,
        }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the jobs that the command line requests."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=described)
    parser.add_argument("--cases", help="only these, with commas between them")
    parser.add_argument("--npy", help="a file of embeddings")
    parser.add_argument("--alpaca", help="the Alpaca instructions (.json)")
    parser.add_argument("--repeat-alpaca", type=int, default=20, help="variants of each text")
    parser.add_argument("--memory", default="1GB", help="the limit for texts on disk")
    parser.add_argument("--before", type=Path, help="the folder src of an earlier version")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each version")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes, for trials")
    parser.add_argument("--no-warm-up", action="store_true", help="the first run counts")
    parser.add_argument("--folder", type=Path, help="where pools are kept; temporary by default")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    parser.add_argument("--docs", type=Path, help="write a page of all rows in --out to this file")
    options = parser.parse_args(given)
    if options.docs is not None and options.out is None:
        parser.error("--docs needs the rows in --out; give both.")
    jobs = all_jobs(options.npy, options.alpaca, options.scale)
    if options.alpaca is not None:
        jobs += text_jobs(Path(options.alpaca), options.repeat_alpaca, options.memory)
    names = [job.name for job in jobs] if options.cases is None else options.cases.split(",")
    if unknown := {*names} - {job.name for job in jobs}:
        parser.error(f"there is no case {', '.join(sorted(unknown))}, or no input for it.")
    sources = {} if options.before is None else {"before": options.before.resolve()}
    sources["now"] = ROOT / "src"
    common = {
        "machine": machine(),
        "versions": versions(*PACKAGES),
        "command": reproducible("benchmarks.jobs", given),
    }
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    context = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    with context as folder:
        for job in jobs:
            if job.name in names:
                for row in run_job(
                    job,
                    Path(folder),
                    sources,
                    repeats=options.repeats,
                    warm_up=not options.no_warm_up,
                ):
                    keep_row(common | row, options.out)
    if options.docs is not None:
        write_page(read_rows([options.out]), options.docs)


if __name__ == "__main__":
    main()
