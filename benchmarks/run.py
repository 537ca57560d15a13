"""Measure every peer on every case: one JSON row each, on stdout and in a file.

    python -m benchmarks.run --npy embeddings.npy --out results.jsonl --docs docs/benchmarks.md

Each measurement is a separate process, which first chooses from a small pool, untimed. The peers
of a case take turns, so that other load on the machine affects all of them.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, named_cases
from benchmarks.checking import exact_h_min, same_picks, same_rows
from benchmarks.machine import machine, versions
from benchmarks.measuring import Measurement, Task, cuda_is_there, measure_apart
from benchmarks.peers import BASELINE, OTHERS, REFERENCE
from benchmarks.pools import Vectors, farthest_from_mean
from benchmarks.table import read_rows, write_page

Row = dict[str, Any]

PACKAGES = (*dict.fromkeys(peer.package for peer in OTHERS), "numba", "faiss-cpu")


def run_case(
    case: Case,
    folder: Path,
    *,
    peers: Sequence[str] | None = None,
    repeats: int = 3,
    loop_seconds: float = 20.0,
    measure: Callable[[Task], Measurement] = measure_apart,
) -> Iterator[Row]:
    """Yield one row per peer of a case.

    Args:
        case: the pool and the budget.
        folder: where the pools are kept.
        peers: only these.
        repeats: measurements per peer.
        loop_seconds: see `Task`.
        measure: takes one measurement.
    """
    names = [name for name in case.participants if peers is None or name in peers]
    if case.cuda and not cuda_is_there():
        yield from (_row(case, name) | {"skipped": "no CUDA device"} for name in names)
        return
    pool, small = case.files(folder)
    # The mapping must not stay open, or its pages could not leave the page cache.
    first_row = farthest_from_mean(np.load(pool, mmap_mode="r"))
    found: dict[str, list[Measurement]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            if found[name] and "skipped" in found[name][-1].stats:
                continue
            _log(f"{case.name}: {name}, {repeat + 1} of {repeats}")
            task = Task(
                peer=name,
                pool=str(pool),
                warm_up=str(small),
                budget=case.budget,
                first_row=first_row,
                on_disk=case.on_disk,
                memory=case.memory,
                loop_seconds=loop_seconds,
            )
            found[name].append(measure(task))
    reference = _reference_of(found)
    baseline = _median_seconds(found.get(BASELINE, []))
    vectors = np.load(pool, mmap_mode="r")
    for name, measurements in found.items():
        summary = _summary(measurements, vectors, case.budget, reference, baseline)
        yield _row(case, name) | summary


def _row(case: Case, name: str) -> Row:
    return {
        "kind": "time",
        "case": case.name,
        "pool": case.pool,
        "n": case.n,
        "d": case.d,
        "dtype": case.dtype,
        "budget": case.budget,
        "peer": name,
        "memory_option": case.memory if name.startswith(REFERENCE) else None,
    }


def _summary(
    measurements: list[Measurement],
    vectors: Vectors,
    budget: int,
    reference: Vectors | None,
    baseline: float | None,
) -> Row:
    """Summarise the repeats of one peer: peak memory is the largest, other values are the last."""
    skipped = [m.stats["skipped"] for m in measurements if "skipped" in m.stats]
    if skipped:
        return {"skipped": skipped[0]}
    last = measurements[-1]
    seconds = [m.stats["seconds"] for m in measurements]
    complete = len(last.rows) == budget
    summary: Row = {
        "repeats": len(measurements),
        "seconds": {
            "median": statistics.median(seconds),
            "min": min(seconds),
            "max": max(seconds),
        },
        "first_seconds": _median(m.stats["first_seconds"] for m in measurements),
        "ratio": None if baseline is None else baseline / statistics.median(seconds),
        "extrapolated_from": last.stats["extrapolated_from"],
        "distinct_rows": len(np.unique(last.rows)),
        "h_min": exact_h_min(vectors, last.rows) if complete else None,
        "same_picks": None,
        "same_rows": None,
        "peak_memory_bytes": _largest(measurements, "peak_memory_bytes"),
        "peak_gpu_bytes": _largest(measurements, "peak_gpu_bytes"),
        "vectors_bytes": int(vectors.nbytes),
        "read": last.stats.get("read"),
    }
    if reference is not None:
        summary["same_rows"] = same_rows(last.rows, reference)
        if last.stats["ordered"]:
            summary["same_picks"] = same_picks(last.rows, reference)
    return summary


def _largest(measurements: list[Measurement], name: str) -> int | None:
    values = [m.stats[name] for m in measurements if m.stats.get(name) is not None]
    return max(values, default=None)


def _reference_of(found: dict[str, list[Measurement]]) -> Vectors | None:
    """Return the picks of evenly's default engine, or of the first engine that was measured."""
    engines = sorted(
        (name for name in found if name.startswith(REFERENCE)), key=lambda name: name != REFERENCE
    )
    for name in engines:
        for measurement in found[name]:
            if "skipped" not in measurement.stats:
                return measurement.rows
    return None


def _median_seconds(measurements: list[Measurement]) -> float | None:
    return _median(m.stats.get("seconds") for m in measurements)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def reproducible(module: str, arguments: Sequence[str]) -> str:
    """Return the command with paths cut to their last part, without folders of this machine."""
    return shlex.join(["python", "-m", module, *(re.sub(r"[^=]*[/\\]", "", a) for a in arguments)])


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=described)
    parser.add_argument("--npy", help="a file of embeddings, for the case with real ones")
    parser.add_argument("--cases", help="only these, comma-separated")
    parser.add_argument("--peers", help="only these, comma-separated")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per peer")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes, for trials")
    parser.add_argument(
        "--loop-seconds",
        type=float,
        default=20.0,
        help="about how long a loop may take before it is stopped and extrapolated",
    )
    parser.add_argument(
        "--timeout", type=float, default=1800.0, help="seconds until a peer is stopped"
    )
    parser.add_argument("--folder", type=Path, help="where pools are kept; temporary by default")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    parser.add_argument("--docs", type=Path, help="write a page of all rows in --out to this file")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line requests."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    if options.docs is not None and options.out is None:
        parser().error("--docs needs the rows in --out; give both.")
    try:
        cases = named_cases(_names(options.cases), options.npy, options.scale)
        _check_peers(_names(options.peers) or [])
    except (ValueError, OSError) as error:
        parser().error(str(error))
    common = {
        "machine": machine(),
        "versions": versions(*PACKAGES),
        "command": reproducible("benchmarks.run", given),
    }
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    context = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    with context as folder:
        for case in cases:
            for row in run_case(
                case,
                Path(folder),
                peers=_names(options.peers),
                repeats=options.repeats,
                loop_seconds=options.loop_seconds,
                measure=lambda task: measure_apart(task, timeout=options.timeout),
            ):
                keep_row(common | row, options.out)
    if options.docs is not None:
        write_page(read_rows([options.out]), options.docs)


def _check_peers(names: Sequence[str]) -> None:
    """Reject unknown names, except those of engines, which this version of evenly may lack."""
    known = [peer.name for peer in OTHERS]
    for name in names:
        if name not in known and name.partition("-")[0] != REFERENCE:
            raise ValueError(
                f"peers are {', '.join(known)}, {REFERENCE} and {REFERENCE}-ENGINE; "
                f"there is no {name}."
            )


def keep_row(row: Row, out: Path | None) -> None:
    """Print a row, and append it to a file if one is given."""
    line = json.dumps(row, allow_nan=False)
    print(line, flush=True)
    if out is not None:
        with out.open("a") as stream:
            stream.write(line + "\n")


def _names(joined: str | None) -> list[str] | None:
    return None if joined is None else [name.strip() for name in joined.split(",") if name.strip()]


if __name__ == "__main__":
    main()
