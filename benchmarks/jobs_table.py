"""The section of docs/benchmarks.md about the whole job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.cells import as_bytes, as_time, markdown_table, percent


def jobs_section(rows: Sequence[dict[str, Any]]) -> str:
    """Render the rows of `benchmarks.jobs`; empty if there are none."""
    if not rows:
        return ""
    header = ["case", "version", "rows", "budget", "reading", "embedding", "selection"]
    header += ["measuring", "rest", "all, s", "measuring / selection", "certified", "memory"]
    return (
        "\n### The whole job\n\n"
        "`evenly select` as users run it: reading, embedding, choosing, writing, and measuring "
        "with three random\nsubsets and a certificate, each run in a process of its own, after one "
        "that does not count\n(`--no-warm-up`: without it, so that the first run of a version may "
        "compile). Seconds of steps are\nmedians; *rest* is starting the program and writing. "
        "The sum and the ratio are followed by the\nsmallest and the largest of the runs.\n\n"
        + markdown_table(header, [_line(row) for row in rows])
        + "".join(f"\n- {pool}" for pool in dict.fromkeys(_described(row) for row in rows))
        + "\n"
    )


def _line(row: dict[str, Any]) -> list[str]:
    seconds, ratio = row["seconds"], row["ratio"]
    return [
        row["case"],
        row["peer"],
        f"{row['n']:,}",
        f"{row['budget']:,}",
        *(as_time(taken) for taken in row["steps"].values()),
        f"{as_time(seconds['median'])} ({as_time(seconds['min'])} to {as_time(seconds['max'])})",
        f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})",
        percent(row["certified_fraction"]),
        as_bytes(row["peak_memory_bytes"]),
    ]


def _described(row: dict[str, Any]) -> str:
    return f"{row['case']}: {row['pool']}."
