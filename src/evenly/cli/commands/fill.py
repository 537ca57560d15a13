"""`evenly fill`: choose as many rows as can be found at the h_min of a manifest."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    JSON,
    LOUDNESS,
    OUTPUT,
    ROWS,
    RUNNING,
    declared_options,
    with_options,
)
from evenly.cli.outputs import Output, measure_and_write, print_selection
from evenly.options import FillOptions, InputOptions, MeasuringOptions


@main.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@click.argument("data", required=False)
@with_options(
    declared_options(FillOptions),
    RUNNING,
    ROWS,
    declared_options(InputOptions, "engine", "memory"),
    OUTPUT,
    declared_options(MeasuringOptions, "random_subsets", "certificate"),
    JSON,
    LOUDNESS,
)
@click.pass_context
def fill(ctx: click.Context, /, manifest: str, data: str | None, **options: Any) -> None:
    """Choose as many rows as can be found that are as far apart as those of MANIFEST.

    The options are those of the manifest; rules are given again only if it says that they were
    too long to keep. DATA is the input that the manifest names, if that has moved.
    """
    from evenly.selection import Selection
    from evenly.selection.fill import fill_resumed, resume_to_fill
    from evenly.selection.resume import Again

    output = Output.take(ctx, options)
    earlier = Selection.load(manifest)
    arguments = library_options(ctx, options)
    how = FillOptions.of(arguments)
    for name in ("min_distance", "seconds", "seed"):
        del arguments[name]
    resumed = resume_to_fill(earlier, data_or_stdin(data), Again.of(arguments), how)
    selection = fill_resumed(earlier, resumed, how)
    seed = selection.provenance.options["seed"]
    measuring = MeasuringOptions.of({**options, "seed": seed})
    measures = measure_and_write(selection, resumed.prepared, output, measuring)
    print_selection(selection, measures, output)
