"""Render rows as the page docs/benchmarks.md. Every number on it comes from a row.

python -m benchmarks.table results.jsonl more.jsonl --docs docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import BASELINE, REFERENCE

Row = dict[str, Any]

NOTHING = "–"

INTRODUCTION = f"""\
# Benchmarks

`python -m benchmarks.table` writes this page from rows that `python -m benchmarks.run`,
`python -m benchmarks.growth` and `python -m benchmarks.profile` measured. No number was written by
hand, and another machine will give other numbers.

How the numbers are measured:

- Every measurement is a separate process, which first chooses from a small pool, untimed. The
  peers of a case take turns. Seconds are the median of the repeats, with the smallest and the
  largest.
- Loading libraries and compiling do not count: a loop is timed after short trials on the same
  pool; any other peer that works in memory and is quick is timed on its second call. *First call*
  is the time of the call before.
- All peers get the same rows of unit length (nearly so in float16), use them unchanged, and begin
  with the same row, the one farthest from the mean. `max-div` does not accept a first row.
- Loops, whose picks all take equally long, are stopped if they would take too long, and
  extrapolated linearly; the notes below a table give the number of picks.
- A loop over a pool that fits in the last-level cache runs at the speed of that cache, if nothing
  else uses it. On a shared machine, its time and the ratios to it vary by a factor of two to three
  from run to run, most of all for the embeddings; the engine's time varies less.
- *Speed* is the time of `{BASELINE}`, one float32 matrix-vector product per pick, divided by the
  peer's time.
- *h_min*, the smallest distance between two chosen rows, is computed from the chosen rows in
  float64. Larger is better. It is unknown for a loop that was stopped.
- *Same picks* is the share of picks before the first that differs from `{REFERENCE}`'s; *same rows*
  is the share of rows that `{REFERENCE}` chose as well. A loop in float32 departs from the exact
  answer at a near tie, and may choose other rows from there on without being worse.
- *Memory* is the peak resident memory, including the interpreter, the libraries and the vectors.
"""


def read_rows(files: Iterable[Path]) -> list[Row]:
    """Return the rows of several files (.jsonl), in order."""
    return [
        json.loads(line)
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if line.strip()
    ]


def write_page(rows: Sequence[Row], path: Path) -> None:
    """Write the page of these rows to a file."""
    path.write_text(page(rows, path.parent), "utf-8")


def page(rows: Sequence[Row], folder: Path | None = None) -> str:
    """Render rows as a Markdown page, with the plots that are in the folder.

    The last of several rows about the same subject and machine counts.
    """
    sections = [INTRODUCTION]
    for of_machine in _grouped(rows, "machine").values():
        latest = {_subject(row): row for row in of_machine}
        sections.append(_machine_section(list(latest.values()), folder))
    return "\n".join(sections)


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Render a table; all columns but the first are right-aligned."""
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [header, ruler, *lines])


def _subject(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in ("kind", "case", "peer", "along"))


def _grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(json.dumps(row[key], sort_keys=True), []).append(row)
    return groups


def _machine_section(rows: list[Row], folder: Path | None) -> str:
    machine = rows[0]["machine"]
    parts = [machine["cpu"], f"{machine['cores']} cores", f"{machine['memory_gb']:g} GB"]
    if machine["simd"] is not None:
        parts.insert(1, machine["simd"])
    if machine["cache_mb"] is not None:
        parts.insert(-1, f"{machine['cache_mb']} MB of last-level cache")
    if machine["gpu"] is not None:
        parts.append(machine["gpu"])
    text = f"## {', '.join(parts)}\n\n"
    for versions in _grouped(rows, "versions").values():
        named = ", ".join(f"{name} {number}" for name, number in versions[0]["versions"].items())
        text += f"{machine['system']}; {named}.\n\n"
    commands = dict.fromkeys(row["command"] for row in rows)
    text += "```bash\n" + "".join(f"{command}\n" for command in commands) + "```\n"
    timed = [row for row in rows if row["kind"] == "time"]
    text += _overview(timed)
    for of_case in _grouped(timed, "case").values():
        text += "\n" + _case_section(of_case)
    text += _refine_section([row for row in rows if row["kind"] == "refine"])
    text += _growth_section([row for row in rows if row["kind"] == "growth"], folder)
    for row in rows:
        if row["kind"] == "profile":
            text += "\n" + _profile_section(row)
    return text


def _overview(timed: list[Row]) -> str:
    lines = []
    for of_case in _grouped(timed, "case").values():
        measured = [row for row in of_case if "skipped" not in row]
        ours = [row for row in measured if row["peer"].startswith(REFERENCE)]
        others = [row for row in measured if not row["peer"].startswith(REFERENCE)]
        if not ours:
            continue
        best = min(ours, key=_median)
        rival = min(others, key=_median, default=None)
        farthest = max(
            (row for row in measured if row["h_min"] is not None),
            key=lambda row: row["h_min"],
            default=None,
        )
        lines.append(
            [
                best["case"],
                f"{best['n']:,}",
                f"{best['budget']:,}",
                f"{best['peer']}: {_seconds(_median(best))}",
                NOTHING if rival is None else f"{rival['peer']}: {_median_cell(rival)}",
                NOTHING if rival is None else f"{_median(rival) / _median(best):.3g}",
                NOTHING if farthest is None else f"{farthest['peer']}: {farthest['h_min']:.4f}",
            ]
        )
    header = ["case", "rows", "budget", "fastest engine, s", "fastest other, s", "ratio"]
    return "\n" + markdown_table([*header, "largest h_min"], lines) if lines else ""


def _case_section(rows: list[Row]) -> str:
    first = rows[0]
    measured = sorted((row for row in rows if "skipped" not in row), key=_median)
    text = (
        f"### {first['case']}: {first['budget']:,} of {first['n']:,} rows\n\n"
        f"{first['pool'][0].upper()}{first['pool'][1:]}: {first['n']:,} × {first['d']}, "
        f"{first['dtype']}"
    )
    options = {row["memory_option"] for row in rows} - {None}
    text += "".join(f'; memory="{option}"' for option in options) + ".\n"
    if measured:
        header = ["peer", "seconds", "first call", "speed", "h_min", "same picks", "same rows"]
        header += ["memory"]
        text += "\n" + markdown_table(header, [_peer_line(row) for row in measured])
    notes = [_note(row) for row in rows]
    listed = "".join(f"- {note}\n" for note in notes if note)
    return text + (f"\n{listed}" if listed else "")


def _peer_line(row: Row) -> list[str]:
    seconds = row["seconds"]
    spread = f"{_seconds(seconds['min'])} to {_seconds(seconds['max'])}"
    return [
        row["peer"],
        _median_cell(row) + (f" ({spread})" if row["repeats"] > 1 else ""),
        NOTHING if row["first_seconds"] is None else _seconds(row["first_seconds"]),
        NOTHING if row["ratio"] is None else f"{row['ratio']:.3g}",
        NOTHING if row["h_min"] is None else f"{row['h_min']:.6f}",
        percent(row["same_picks"]),
        percent(row["same_rows"]),
        _bytes(row["peak_memory_bytes"])
        + ("" if row["peak_gpu_bytes"] is None else f" + {_bytes(row['peak_gpu_bytes'])} GPU"),
    ]


def _note(row: Row) -> str:
    """Return what the table cannot show about a row; empty for most rows."""
    name = f"`{row['peer']}`"
    if "skipped" in row:
        return f"{name} was not measured: {row['skipped']}."
    notes = []
    if row["extrapolated_from"] is not None:
        notes.append(f"stopped after {row['extrapolated_from']:,} picks and extrapolated")
    elif row["distinct_rows"] < row["budget"]:
        notes.append(f"chose only {row['distinct_rows']:,} distinct rows")
    if row["read"] is not None:
        notes.append(_bytes_read(row["read"]))
    return f"{name} {', and '.join(notes)}." if notes else ""


def _bytes_read(read: Row) -> str:
    parts = [
        f"{_bytes(read[key])} {words}"
        for key, words in (
            ("told_bytes", "by its own account"),
            ("called_bytes", "in read calls, which do not include mapped pages"),
            ("storage_bytes", "from storage, mapped pages included"),
        )
        if read[key] is not None
    ]
    return "read " + (", ".join(parts) or "an unknown number of bytes")


def _refine_section(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = []
    for of_group in _grouped(rows, "group").values():
        greedy = {row["case"]: row["h_min"] for row in of_group if row["peer"] == "greedy"}
        for of_peer in _grouped(of_group, "peer").values():
            gains = [row["h_min"] / greedy[row["case"]] for row in of_peer]
            known = [row["h_min"] / row["best_known"] for row in of_peer if row["best_known"]]
            proven = sum(bool(row["proven"]) for row in of_peer)
            one = of_peer[0]
            lines.append(
                [
                    one["group"],
                    one["peer"]
                    + (f", at most {one['seconds_given']:g} s" if one["seconds_given"] else ""),
                    f"{len(of_peer)}",
                    f"{100 * (sum(gains) / len(gains) - 1):+.2f} %",
                    f"{sum(known) / len(known):.5f} ({min(known):.5f})" if known else NOTHING,
                    f"{proven}" if one["peer"] == "exact" else NOTHING,
                    _seconds(statistics.median(row["seconds"] for row in of_peer)),
                ]
            )
    header = ["pool", "peer", "instances", "h_min over greedy's"]
    header += ["of the best known (smallest)", "proven", "seconds"]
    return (
        "\n### Beyond greedy\n\nAs many rows of the same pool with a larger h_min: means over the "
        "instances of a pool, medians of seconds, one run each.\nPublished values of the best "
        "known h_min are rounded.\n\n" + markdown_table(header, lines)
    )


def _growth_section(rows: list[Row], folder: Path | None) -> str:
    if not rows:
        return ""
    lines = [
        [
            row["peer"],
            "rows, a tenth of them chosen" if row["along"] == "n" else "budget, from the same rows",
            f"{row['points'][0][row['along']]:,} to {row['points'][-1][row['along']]:,}",
            f"{_seconds(row['points'][0]['seconds'])} to {_seconds(row['points'][-1]['seconds'])}",
            f"{row['exponent']:.2f}",
        ]
        for row in rows
    ]
    text = "\n### Growth\n\n" + markdown_table(
        ["peer", "what grows", "from, to", "seconds", "exponent"], lines
    )
    pool = ", ".join(dict.fromkeys(row["pool"] for row in rows))
    fixed = {f"{p['n']:,}" for row in rows if row["along"] == "budget" for p in row["points"]}
    text += f"\n{pool[0].upper()}{pool[1:]}."
    text += f" For growing budgets there are {', '.join(fixed)} rows." if fixed else ""
    text += " Exponents are least-squares fits over all points, on logarithmic axes.\n"
    for plot in dict.fromkeys(row["plot"] for row in rows):
        if plot is not None and folder is not None and (folder / plot).exists():
            text += f"\n![Seconds against rows and against budget]({plot})\n"
    return text


def _profile_section(row: Row) -> str:
    peaks, products = row["peaks"], row["products"]
    lines = [
        [
            part["name"],
            part["group"],
            f"{part['calls']:,}",
            _seconds(part["seconds"]),
            percent(part["seconds"] / row["seconds_profiled"]),
        ]
        for part in row["parts"]
    ]
    text = (
        f"### Where the time goes: {row['case']}\n\n"
        f"{row['pool'][0].upper()}{row['pool'][1:]}, {row['budget']:,} of {row['n']:,} rows of "
        f"{row['d']} dimensions, on one thread, because the profiler observes only one: "
        f"{_seconds(row['seconds_one_thread'])} s, with the profiler "
        f"{_seconds(row['seconds_profiled'])} s; on all {row['threads']} threads "
        f"{_seconds(row['seconds_all_threads'])} s.\n\n"
    )
    groups = [
        [name, _seconds(seconds), percent(seconds / row["seconds_profiled"])]
        for name, seconds in row["groups"].items()
    ]
    text += markdown_table(["what", "seconds", "share"], groups) + "\n"
    text += markdown_table(["function", "what", "calls", "own seconds", "share"], lines)
    text += (
        f"\nAt best, the thread multiplies float32 matrices at {peaks['float32_gflops']:.0f} "
        f"GFLOP/s, 16-bit integers at {peaks['int16_gops']:.0f} billion operations per second"
        + (
            ""
            if peaks["bfloat16_gflops"] is None
            else f" and bfloat16 matrices at {peaks['bfloat16_gflops']:.0f}"
        )
        + f", and a large matrix by a vector at {peaks['memory_gb_per_second']:.1f} GB/s. "
    )
    if products["gflops"] is not None:
        text += (
            f"The calls of `numpy.matmul` ran at {products['gflops']:.0f} GFLOP/s, "
            f"{percent(products['gflops'] / peaks['float32_gflops'])} of that, and multiplied "
            f"{percent(products['share_of_all_pairs'])} of what comparing every row with every "
            "pick would need. "
        )
    integers = row["integers"]
    if integers["gflops"] is not None:
        text += (
            f"The products of 16-bit integers ran at {integers['gflops']:.0f} billion operations "
            f"per second, {percent(integers['gflops'] / peaks['int16_gops'])} of that, exact "
            f"decisions included, and multiplied {percent(integers['share_of_all_pairs'])}. "
        )
    text += (
        f"Reading the vectors once for each pick would take {_seconds(row['seconds_of_reading'])} "
        f"s at that speed, {row['seconds_of_reading'] / row['seconds_one_thread']:.3g} times "
        "as long as the whole selection took.\n"
    )
    return text


def _median(row: Row) -> float:
    return float(row["seconds"]["median"])


def _median_cell(row: Row) -> str:
    note = " extrapolated" if row["extrapolated_from"] is not None else ""
    return _seconds(_median(row)) + note


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"


def percent(share: float | None) -> str:
    if share is None:
        return NOTHING
    # Only an exact 1 is shown as 100 %.
    return f"{100 * share:.1f} %" if share in (0.0, 1.0) else f"{min(100 * share, 99.99):.2f} %"


def _bytes(count: int | None) -> str:
    if count is None:
        return NOTHING
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def main(arguments: Sequence[str] | None = None) -> None:
    """Render the rows of the files that the command line names."""
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=described)
    parser.add_argument("rows", nargs="+", type=Path, help="files of rows (.jsonl)")
    parser.add_argument("--docs", type=Path, help="write the page to this file, do not print it")
    options = parser.parse_args(arguments)
    rows = read_rows(options.rows)
    if options.docs is None:
        print(page(rows), end="")
    else:
        write_page(rows, options.docs)


if __name__ == "__main__":
    main()
