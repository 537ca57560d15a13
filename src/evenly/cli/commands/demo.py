"""`evenly demo`: select among requests that repeat one another, and show what that does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evenly.cli.forms import number
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import LOUDNESS, declared_options, own_option, with_options
from evenly.cli.steps import step
from evenly.options import (
    InputOptions,
    MeasuringOptions,
    ReportOptions,
    RuleOptions,
    UniformOptions,
)

if TYPE_CHECKING:
    from evenly.geometry.search.nearest_chosen import Nearest

_SHOWN = 5
_RANDOM_SUBSETS = 20


@main.command()
@own_option(
    "-b",
    "--budget",
    callback=lambda ctx, param, value: number(value),
    default="80",
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
    """Show what evenly does, with a thousand requests that it makes up: no network, no data."""
    inputs = InputOptions(text="text", encoder=encoder, progress=False)
    quiet = ctx.obj is False
    click.echo(run_demo(RuleOptions(budget=budget), inputs, output, quiet=quiet))


def run_demo(rules: RuleOptions, inputs: InputOptions, output: Path, *, quiet: bool) -> str:
    """Select among made-up requests, write the chosen ones to `output`, and describe them.

    If the packages for it are installed, a page about them is written beside it.
    """
    from evenly.cli.outputs import check_output, manifest_path, write_output
    from evenly.reporting.page import has_packages, make_report
    from evenly.reporting.page.subject import Subject

    check_output(output, force=True)
    with step("loading the libraries", quiet=quiet):
        from evenly.geometry import nearest_chosen
        from evenly.metrics.measure import measure_prepared
        from evenly.reporting import selection_table
        from evenly.samples.requests import demo_requests
        from evenly.selection.uniform import prepare_uniform, select_prepared

    records, how = demo_requests(), UniformOptions()
    with step(f"embedding {len(records):,} requests with {inputs.encoder}", quiet=quiet):
        prepared = prepare_uniform(records, inputs, rules, how)
    with step("choosing and measuring", quiet=quiet):
        selection = select_prepared(prepared, rules, how)
        found = nearest_chosen(prepared.points, selection.indices)
        measures = measure_prepared(prepared, selection.indices, MeasuringOptions(), nearest=found)
    write_output(selection, output, force=True)
    page = output.with_suffix(".html")
    see = "To see it on a page: pip install 'evenly[report]', then evenly demo again"
    if has_packages():
        with step("drawing the page", quiet=quiet):
            shown = ReportOptions(color_by="task")
            subject = Subject(selection, prepared, found, measures, str(manifest_path(output)))
            made = make_report(subject, MeasuringOptions(), shown)
            made.save(page, force=True)
        see = f"See it: open {page} in a browser"

    rows = selection.indices.tolist()
    wordings = Counter(record["task"] for record in records)
    tasks, most, fewest = len(wordings), max(wordings.values()), min(wordings.values())
    return "\n".join(
        [
            f"The pool: {len(records):,} requests to an assistant, about {tasks} tasks. As in real "
            "data, they repeat",
            f"one another: the most common task comes in {most} wordings, the rarest in {fewest}.",
            "",
            selection_table(selection, measures),
            "",
            f"The {len(rows):,} chosen requests are about {_tasks_of(records, rows)} of the "
            f"{tasks} tasks; {len(rows):,} random ones are about {_random_tasks(records, rows)}.",
            "",
            f"The first {min(_SHOWN, len(rows))} chosen, each the farthest from those above it:",
            *(f"  {records[row]['text']}" for row in rows[:_SHOWN]),
            "",
            "Left out, because a chosen request says nearly the same:",
            *_left_out(records, found),
            "",
            f"Written: {output} and {manifest_path(output)}",
            see,
            "Your own data: evenly select FILE.jsonl --budget 0.1 -o subset.jsonl",
        ]
    )


def _tasks_of(records: list[dict[str, str]], rows: list[int]) -> int:
    return len({records[row]["task"] for row in rows})


def _random_tasks(records: list[dict[str, str]], rows: list[int]) -> int:
    """Return how many tasks a random subset of the same size is about, on average."""
    import numpy as np

    drawn = [
        np.random.default_rng(seed).choice(len(records), len(rows), replace=False).tolist()
        for seed in range(_RANDOM_SUBSETS)
    ]
    return round(sum(_tasks_of(records, one) for one in drawn) / len(drawn))


def _left_out(records: list[dict[str, str]], found: Nearest) -> list[str]:
    """Return lines about rows that are very near to a chosen one, each of another task."""
    import numpy as np

    lines: list[str] = []
    shown: set[str] = set()
    left_out = np.flatnonzero(~found.chosen)
    for place in left_out[np.argsort(found.distances[left_out], kind="stable")].tolist():
        record, kept = records[found.rows[place]], records[found.nearest[place]]
        if record["task"] not in shown and len(shown) < _SHOWN:
            shown.add(record["task"])
            distance = found.distances[place]
            lines.append(f"  {record['text']}")
            lines.append(f"    {distance:.3f} from the chosen one: {kept['text']}")
    return lines
