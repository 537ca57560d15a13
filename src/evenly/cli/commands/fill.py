"""`evenly fill`: choose as many rows as can be found at the h_min of a manifest."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    MEASURES,
    OUTPUT,
    ROWS,
    RUNNING,
    VECTORS,
    declared_options,
    manifest_and_data,
    with_options,
)
from evenly.cli.outputs import Output, check_written, finish_selection
from evenly.options import FillOptions, InputOptions


@main.command()
@manifest_and_data
@with_options(
    declared_options(FillOptions),
    VECTORS,
    RUNNING,
    ROWS,
    declared_options(InputOptions, "engine", "memory"),
    OUTPUT,
    MEASURES,
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
    check_written(ctx, read=[earlier])
    arguments = library_options(ctx, options)
    how = FillOptions.of(arguments)
    del arguments["min_distance"]  # the search's own, not a rule
    earlier, source = output.open_again(earlier, data_or_stdin(data))
    resumed = resume_to_fill(earlier, source, Again.of(arguments), how)
    selection = fill_resumed(earlier, resumed, how)
    finish_selection(selection, resumed.prepared, output, options)
