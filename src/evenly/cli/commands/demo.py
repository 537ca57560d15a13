"""`evenly demo`: select among the docstrings of the installed packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evenly.cli.forms import number
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import LOUDNESS, declared_options, own_option, with_options
from evenly.options import InputOptions, MeasuringOptions, RuleOptions, UniformOptions

_SHOWN = 5


@main.command()
@own_option(
    "-b",
    "--budget",
    callback=lambda ctx, param, value: number(value),
    default="0.1",
    show_default=True,
    section=Section.CHOOSING,
    metavar="ROWS|FRACTION",
    help="How many rows to choose.",
)
@own_option(
    "-o",
    "--output",
    default="evenly-demo/chosen.jsonl",
    show_default=True,
    help="Where to write the chosen records; those of an earlier demo are overwritten.",
    section=Section.OUTPUT,
    type=click.Path(dir_okay=False, path_type=Path),
)
@with_options(declared_options(InputOptions, "encoder"), LOUDNESS)
@click.pass_context
def demo(ctx: click.Context, budget: int | float, output: Path, encoder: str) -> None:
    """Select among the docstrings of the installed numerical packages: no network, no data."""
    from evenly.samples.docstrings import docstring_records

    inputs = InputOptions(text="text", encoder=encoder, progress=ctx.obj)
    click.echo(run_demo(docstring_records, RuleOptions(budget=budget), inputs, output))


def run_demo(read: Any, rules: RuleOptions, inputs: InputOptions, output: Path) -> str:
    """Select among records, write the chosen ones to `output`, and describe the result.

    `read` returns the records, each with "name" and "text".
    """
    import numpy as np

    from evenly.cli.outputs import check_output, manifest_path, write_output
    from evenly.geometry import nearest_chosen
    from evenly.metrics.measure import measure_prepared
    from evenly.report import selection_table
    from evenly.selection.uniform import prepare_uniform, select_prepared

    check_output(output, force=True)
    records, how = read(), UniformOptions()
    prepared = prepare_uniform(records, inputs, rules, how)
    selection = select_prepared(prepared, rules, how)
    measures = measure_prepared(prepared, selection.indices, MeasuringOptions())
    write_output(selection, output, force=True)

    found = nearest_chosen(prepared.points, selection.indices)
    left_out = np.flatnonzero(~found.chosen)
    nearest_first = left_out[np.argsort(found.distances[left_out], kind="stable")]
    shown = nearest_first[:: max(1, len(nearest_first) // (4 * _SHOWN))][:_SHOWN]
    lines = [
        "The pool: what the installed numerical packages say about themselves.",
        "",
        selection_table(selection, measures),
        "",
        f"The first {_SHOWN} chosen, each the farthest from those above it:",
        *(f"  {_line(records[row])}" for row in selection.indices[:_SHOWN].tolist()),
        "",
        "Left out, because a chosen row says nearly the same:",
    ]
    for row in shown.tolist():
        representative = int(found.nearest[row])
        lines.append(f"  {_line(records[row])}")
        lines.append(f"    {found.distances[row]:.3f} from {_line(records[representative])}")
    lines += ["", f"Written: {output} and {manifest_path(output)}"]
    return "\n".join(lines)


def _line(record: dict[str, Any]) -> str:
    text = record["text"]
    return f"{record['name']}: {text if len(text) <= 70 else text[:69] + '…'}"
