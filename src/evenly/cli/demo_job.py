"""The demonstration: a pool that is on every machine, selected and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evenly.cli.jobs import check_output, manifest_path, write_output
from evenly.geometry import nearest_chosen
from evenly.metrics.measure import MeasureOptions, measure_prepared
from evenly.report import selection_table
from evenly.samples.docstrings import docstring_records
from evenly.selection.uniform import select_and_keep

__all__ = ["run_demo"]


_SHOWN = 5


def run_demo(
    budget: int | float, output: Path, encoder: str, *, progress: bool | None = None
) -> str:
    """Select among docstrings, write the chosen ones, and tell what happened."""
    check_output(output, force=True)
    records = docstring_records()
    selection, prepared = select_and_keep(
        records, budget, text="text", encoder=encoder, progress=progress
    )
    options = MeasureOptions(random_subsets=3, progress=progress)
    measures = measure_prepared(prepared, selection.indices, options)
    write_output(selection, output, force=True)

    reached = nearest_chosen(prepared.points, selection.indices)
    left_out = np.flatnonzero(~reached.chosen)
    nearest_first = left_out[np.argsort(reached.distances[left_out], kind="stable")]
    shown = nearest_first[:: max(1, len(nearest_first) // (4 * _SHOWN))][:_SHOWN]
    lines = [
        "The pool: what the installed numerical packages say about themselves.",
        "",
        selection_table(selection, measures),
        "",
        f"The first {_SHOWN} chosen, each the farthest from those above it:",
        *(f"  {_tell(records[row])}" for row in selection.indices[:_SHOWN].tolist()),
        "",
        "Left out, because a chosen row says nearly the same:",
    ]
    for row in shown.tolist():
        stand_in = int(reached.nearest[row])
        lines.append(f"  {_tell(records[row])}")
        lines.append(f"    {reached.distances[row]:.3f} from {_tell(records[stand_in])}")
    lines += ["", f"Written: {output} and {manifest_path(output)}"]
    return "\n".join(lines)


def _tell(record: dict[str, Any]) -> str:
    text = record["text"]
    return f"{record['name']}: {text if len(text) <= 70 else text[:69] + '…'}"
