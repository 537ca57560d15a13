"""Compare what `evenly estimate` predicts with what `evenly select` then takes.

    python -m benchmarks.estimates --alpaca alpaca.json --repeat-alpaca 20 --memory 1GB

Each case is estimated, and then run with an empty cache, in processes of their own. A ratio is
the estimate divided by the truth. The peak of memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cells import markdown_table
from benchmarks.jobs import Job, all_jobs, run_once, text_jobs
from benchmarks.measuring import ROOT

# Options that the estimate does not have, because they do not change what it predicts.
_OF_SELECT = ("--no-cache",)
_SHORT = 60.0


def compare_job(job: Job, folder: Path) -> dict[str, Any]:
    """Return the estimate of a job, and the truth."""
    data, source = job.source(folder), ROOT / "src"
    known = [option for option in job.options if option not in _OF_SELECT]
    estimate = _json_of(["estimate", str(data), *known], source)
    seconds = 0.0
    for _ in range(2):  # a short run is made twice: the first one may have compiled
        if seconds < _SHORT:
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                truth = run_once(data, (*known, "--cache-dir", cache), source)
            seconds = truth["steps"]["embedding"] + truth["steps"]["selection"]
    return {
        "case": job.name,
        "pool": job.pool,
        "n": truth["n"],
        "budget": truth["budget"],
        "estimated_seconds": estimate["seconds"],
        "seconds": seconds,
        "estimated_memory": estimate["peak_memory"],
        "memory": truth["peak_memory_bytes"],
        "disk": estimate["disk"],
    }


def _json_of(words: Sequence[str], source: Path) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "evenly", *words, "--json", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    """Return the estimates beside the truth as a Markdown table."""
    header = ["case", "rows", "budget", "seconds, estimated", "true", "ratio"]
    header += ["memory, estimated", "true", "ratio", "temporary file"]
    return markdown_table(header, [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["case"],
        f"{row['n']:,}",
        f"{row['budget']:,}",
        f"{row['estimated_seconds']:.1f}",
        f"{row['seconds']:.1f}",
        f"{row['estimated_seconds'] / row['seconds']:.2f}",
        f"{row['estimated_memory'] / 1e6:,.0f} MB",
        f"{row['memory'] / 1e6:,.0f} MB",
        f"{row['estimated_memory'] / row['memory']:.2f}",
        f"{row['disk'] / 1e6:,.0f} MB",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Estimate and run the cases that the command line requests."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates", description=described)
    parser.add_argument("--npy", help="a file of embeddings")
    parser.add_argument("--alpaca", help="the Alpaca instructions (.json)")
    parser.add_argument("--repeat-alpaca", type=int, default=20, help="variants of each text")
    parser.add_argument("--memory", default="1GB", help="the limit for texts on disk")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes, for trials")
    parser.add_argument("--cases", help="only these, with commas between them")
    parser.add_argument("--folder", type=Path, required=True, help="where pools are kept")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    jobs = all_jobs(options.npy, options.alpaca, options.scale)
    if options.alpaca is not None:
        jobs += text_jobs(Path(options.alpaca), options.repeat_alpaca, options.memory)
    names = [job.name for job in jobs] if options.cases is None else options.cases.split(",")
    rows = []
    for job in jobs:
        if job.name in names:
            rows.append(compare_job(job, options.folder))
            print(json.dumps(rows[-1]), flush=True)
    print(table_of(rows))


if __name__ == "__main__":
    main()
