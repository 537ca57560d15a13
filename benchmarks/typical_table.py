"""The section of docs/benchmarks.md about mean distance and facility location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.cells import as_time, markdown_table

Row = dict[str, Any]


def typical_section(rows: Sequence[Row]) -> str:
    """Render the rows of `benchmarks.typical`; empty if there are none."""
    if not rows:
        return ""
    lines = []
    for row in rows:
        seconds = row["seconds"]
        spread = f"{as_time(seconds['min'])} to {as_time(seconds['max'])}"
        lines.append(
            [
                row["case"],
                row["peer"],
                f"{row['mean_distance']:.4f}",
                f"{100 * (row['distance_ratio'] - 1):+.2f} %",
                f"{as_time(seconds['median'])} ({spread})",
                f"{row['seconds_ratio']:.3f}",
                f"{row['cpu_seconds_ratio']:.3f}",
            ]
        )
    header = ["pool", "method", "mean distance", "relative to facility location", "seconds"]
    repeats = " or ".join(f"{count}" for count in sorted({row["repeats"] for row in rows}))
    pools = dict.fromkeys(f"{row['case'].rpartition(', ')[0]}: {row['pool']}" for row in rows)
    notes = dict.fromkeys(row["note"] for row in rows if row["note"])
    return (
        "\n### Mean distance beside facility location\n\n"
        "Greedy facility location looks for the smallest mean distance from all rows to the "
        "nearest chosen\none, with all n × n similarities (float32, lazy greedy). "
        "`density_weight=1` has its default of 10\nneighbours. Times cover the whole call, with "
        "similarities and neighbours, and are medians of\n"
        f"{repeats} run(s) in turn, followed by the smallest and the largest; the last columns "
        "are relative to\nfacility location: the time on the clock, and that of all processors. "
        "Mean distances are computed\nin float64; that of random rows is the mean of as many "
        "draws.\n\n"
        + markdown_table([*header, "share of its time", "of its CPU time"], lines)
        + "\n"
        + "".join(f"- {line}.\n" for line in [*pools, *notes])
    )
