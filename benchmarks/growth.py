"""Measure how the time grows with rows and budget: JSON rows, exponents and a plot.

python -m benchmarks.growth --out results.jsonl --plot docs/growth.svg
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pools
from benchmarks.cases import DIMENSION, clustered_case
from benchmarks.machine import machine, versions
from benchmarks.measuring import Measurement, Task, measure_apart
from benchmarks.peers import BASELINE, REFERENCE
from benchmarks.run import PACKAGES, Row, keep_row, reproducible

PEERS = (REFERENCE, BASELINE)
SMALLEST = 5_000
FIXED_ROWS = 50_000


def growth(
    along: str,
    sizes: Sequence[tuple[int, int]],
    folder: Path,
    *,
    peers: Sequence[str] = PEERS,
    repeats: int = 3,
    loop_seconds: float = 5.0,
    measure: Callable[[Task], Measurement] = measure_apart,
) -> Iterator[Row]:
    """Yield one row per peer: its median seconds at all sizes, and the exponent.

    Args:
        along: which number grows, "n" or "budget".
        sizes: pairs of rows and budget, ascending.
        folder: where the pools are kept.
        peers, repeats, loop_seconds, measure: as in `run_case`.
    """
    points: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    for n, budget in sizes:
        pool, small = clustered_case("growth", n, budget).files(folder)
        first_row = pools.farthest_from_mean(np.load(pool, mmap_mode="r"))
        found: dict[str, list[Measurement]] = {name: [] for name in peers}
        for _ in range(repeats):
            for name in peers:
                task = Task(
                    name, str(pool), str(small), budget, first_row, loop_seconds=loop_seconds
                )
                found[name].append(measure(task))
        for name, measurements in found.items():
            done = [m.stats for m in measurements if "skipped" not in m.stats]
            if done:
                points[name].append(
                    {
                        "n": n,
                        "budget": budget,
                        "seconds": statistics.median(stats["seconds"] for stats in done),
                        "extrapolated_from": done[-1]["extrapolated_from"],
                    }
                )
    for name, of_peer in points.items():
        if len(of_peer) > 1:
            yield {
                "kind": "growth",
                "peer": name,
                "along": along,
                "pool": "Gaussian clusters",
                "d": DIMENSION,
                "repeats": repeats,
                "points": of_peer,
                "exponent": exponent([p[along] for p in of_peer], [p["seconds"] for p in of_peer]),
            }


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Fit c·size**b to the seconds by least squares of the logarithms, and return b."""
    slope, _ = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(slope)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Plot seconds against rows and against budget, on logarithmic axes, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    colours = {REFERENCE: "#0b6e4f", BASELINE: "#8a8d91"}
    labels = {"n": "rows, a tenth of them chosen", "budget": "budget"}
    along = list(dict.fromkeys(row["along"] for row in rows))
    # Text stays text and nothing depends on the time, which keeps files and diffs small.
    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9}):
        figure, axes = pyplot.subplots(
            1, len(along), figsize=(4.2 * len(along), 3.2), squeeze=False, layout="constrained"
        )
        for axis, key in zip(axes[0], along, strict=True):
            for row in rows:
                if row["along"] == key:
                    axis.loglog(
                        [point[key] for point in row["points"]],
                        [point["seconds"] for point in row["points"]],
                        "o-",
                        color=colours.get(row["peer"]),
                        markersize=4,
                        label=f"{row['peer']} (exponent {row['exponent']:.2f})",
                    )
            axis.set_xlabel(labels[key])
            axis.set_ylabel("seconds")
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            axis.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def doublings(smallest: int, largest: int) -> list[int]:
    """Return smallest, twice that, and so on, up to largest."""
    count = int(np.log2(largest / smallest)) + 1
    return [smallest * 2**step for step in range(count)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, store and plot what the command line requests."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=described)
    parser.add_argument("--largest", type=int, default=160_000, help="largest number of rows")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per size and peer")
    parser.add_argument("--loop-seconds", type=float, default=5.0, help="as in benchmarks.run")
    parser.add_argument("--out", type=Path, help="append the rows to this file (.jsonl)")
    parser.add_argument("--plot", type=Path, help="plot the rows into this file (.svg)")
    options = parser.parse_args(given)
    smallest, fixed = min(SMALLEST, options.largest // 2), min(FIXED_ROWS, options.largest)
    tasks = {
        "n": [(n, n // 10) for n in doublings(smallest, options.largest)],
        "budget": [(fixed, budget) for budget in doublings(fixed // 100, fixed // 3)],
    }
    common = {
        "machine": machine(),
        "versions": versions(*PACKAGES),
        "command": reproducible("benchmarks.growth", given),
        "plot": None if options.plot is None else options.plot.name,
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for along, sizes in tasks.items():
            for row in growth(
                along,
                sizes,
                Path(folder),
                repeats=options.repeats,
                loop_seconds=options.loop_seconds,
            ):
                rows.append(common | row)
                keep_row(rows[-1], options.out)
    if options.plot is not None:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
