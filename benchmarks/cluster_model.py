"""A model of what a cluster costs, fitted to simulations, and the tables that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from benchmarks.run import Row
from evenly.distributed.costs import Costs, Network, Plan

BEGIN, END = "<!-- benchmarks.cluster: begin -->\n", "<!-- benchmarks.cluster: end -->\n"


class Model(Costs):
    """What a barrier and a comparison cost on the machine that was measured."""

    @classmethod
    def fit(cls, rows: Sequence[Row], worker_row: float) -> Model:
        """Fit the constants: non-negative least squares of the relative errors."""
        driver = np.array(
            [
                np.array([1.0, row["shards"], row["rows_per_barrier"] * row["d"],
                          row["products_per_barrier"] * row["d"]]) * row["barriers"]
                for row in rows
            ]
        )  # fmt: skip
        worker = np.array([_worker_terms(row) for row in rows])
        of_driver = _fitted(driver, [row["seconds"]["driver"] for row in rows])
        slowest = [row["seconds"]["slowest worker"] for row in rows]
        passes = [row["barriers"] * row["n"] / row["shards"] * worker_row for row in rows]
        others = [max(0.1 * all_, all_ - own) for all_, own in zip(slowest, passes, strict=True)]
        of_worker = _fitted(worker, others)
        return cls(
            float(np.median([row["picks_per_barrier"] for row in rows])),
            float(np.median([row["rows_per_barrier"] for row in rows])),
            float(np.sqrt(np.median([row["products_per_barrier"] for row in rows]))),
            *of_driver,
            worker_row,
            *of_worker,
        )


def _worker_terms(row: Row) -> np.ndarray:
    return np.array([row["barriers"], row["n"] / row["shards"] * row["budget"] * row["d"]])


def _fitted(terms: np.ndarray, seconds: Sequence[float]) -> list[float]:
    measured = np.array(seconds)
    weighted = terms / measured[:, None]
    scale = weighted.max(axis=0)
    found, _ = nnls(weighted / scale, np.ones(len(measured)))
    return list((found / scale).tolist())


def errors(rows: Sequence[Row], worker_row: float, network: Network | None = None) -> list[float]:
    """Return how far the model is off for each row, relatively, fitted to all the others."""
    found = []
    for number, row in enumerate(rows):
        model = Model.fit([*rows[:number], *rows[number + 1 :]], worker_row)
        plan = Plan(row["n"], row["d"], row["budget"], row["shards"])
        parts = model.predict(plan, network or Network())
        found.append(parts["all"] / row["seconds"]["all"] - 1.0)
    return found


PLANS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "10⁸ × 768, float16, 100,000 picks, 16 GPUs",
        {"n": 1e8, "d": 768, "budget": 1e5, "shards": 16, "pair_speed": 1000, "row_speed": 100},
    ),
    (
        "10⁸ × 768, float16, 1,000,000 picks, 16 GPUs",
        {"n": 1e8, "d": 768, "budget": 1e6, "shards": 16, "pair_speed": 1000, "row_speed": 100},
    ),
    (
        "10⁹ × 384, float16, 100,000 picks, 64 machines of 32 cores",
        {"n": 1e9, "d": 384, "budget": 1e5, "shards": 64, "pair_speed": 32},
    ),
    (
        "10⁹ × 384, float16, 1,000,000 picks, 64 machines of 32 cores",
        {"n": 1e9, "d": 384, "budget": 1e6, "shards": 64, "pair_speed": 32},
    ),
)
"""What is predicted: a GPU compares rows 1,000 times and passes over bounds 100 times as fast as a
core (assumed, from its products in bfloat16 and its memory); 32 cores share comparisons, and
passes are on one core."""


def section(rows: Sequence[Row], worker_row: float) -> str:
    """Return the tables of the page."""
    off = errors(rows, worker_row)
    model, common = Model.fit(rows, worker_row), rows[0]
    lines = [
        BEGIN,
        f"Measured on {common['machine']['cpu']} by `{common['command']}`; not edited by hand.\n",
        "\n| pool | workers | barriers | picks a barrier | rows received a barrier | bytes a pick, "
        "received | bytes a pick, sent to each | driver | slowest worker | network | model |",
        "\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    ]
    for row, error in zip(rows, off, strict=True):
        seconds = row["seconds"]
        lines.append(
            f"| {row['pool'].replace('_', ' ')}, {row['budget']:,} of {row['n']:,} × {row['d']} "
            f"| {row['shards']} | {row['barriers']} | {row['picks_per_barrier']:.0f} "
            f"| {row['rows_per_barrier']:,.0f} | {row['bytes_per_pick']['received']:,.0f} "
            f"| {row['bytes_per_pick']['sent']:,.0f} | {seconds['driver']:.2f} s "
            f"| {seconds['slowest worker']:.2f} s | {seconds['network']:.2f} s "
            f"| {100 * error:+.0f} % |\n"
        )
    lines.append(
        f"\nThe model, fitted to all rows but one, predicts the seconds of that one within "
        f"{100 * max(map(abs, off)):.0f} % (median: {100 * np.median(np.abs(off)):.0f} %). "
        f"A barrier makes {model.picks:.0f} picks and brings {model.rows:,.0f} rows to the "
        f"driver, which spends {1e3 * model.driver_barrier:.1f} ms, "
        f"{1e6 * model.driver_worker:.0f} µs for each worker, "
        f"{1e9 * model.driver_number:.2f} ns for each coordinate of these rows and "
        f"{1e9 * model.driver_product:.3f} ns for each of a product. A worker spends "
        f"{1e3 * model.worker_barrier:.2f} ms, {1e9 * model.worker_row:.1f} ns for each of its "
        f"rows (measured by itself), and in all {1e12 * model.worker_pair:.2f} ps for each "
        "coordinate of a row times the budget, on one core.\n"
    )
    lines.append(
        "\n| predicted | barriers | driver | passes over all bounds | comparisons | messages "
        "| moving vectors | all |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    for name, plan in PLANS:
        parts = model.predict(Plan(**plan, itemsize=2), Network())
        cells = " | ".join(
            f"{parts[part]:,.0f} s"
            for part in ("driver", "passes", "comparisons", "messages", "moving", "all")
        )
        lines.append(f"| {name} | {parts['barriers']:,.0f} | {cells} |\n")
    return "".join([*lines, END])


def write_section(path: Path, made: str) -> None:
    """Replace a section of a page: what is between the marks that it begins and ends with."""
    begin, *_, end = made.splitlines(keepends=True)
    before, _, rest = path.read_text("utf-8").partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path} has no marks to write between.")
    path.write_text(before + made + after, "utf-8")
