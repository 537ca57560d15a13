"""`evenly extend`: choose more rows after those of a manifest."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    MEASURES,
    OUTPUT,
    RUNNING,
    VECTORS,
    declared_options,
    manifest_and_data,
    with_options,
)
from evenly.cli.outputs import Output, check_written, finish_selection
from evenly.options import InputOptions, RuleOptions, UniformOptions

# The rules that a manifest may not have kept.
_AGAIN = (
    *("include", "exclude", "away_from", "id_column", "min_distance", "groups", "quotas"),
    *("costs", "count", "tokenizer", "quality"),
)


@main.command()
@manifest_and_data
@with_options(
    declared_options(RuleOptions, "budget", budget="How many rows there will be in all."),
    VECTORS,
    RUNNING,
    declared_options(RuleOptions, *_AGAIN),
    declared_options(InputOptions, "engine", "memory"),
    declared_options(UniformOptions, "checkpoint"),
    OUTPUT,
    MEASURES,
)
@click.pass_context
def extend(ctx: click.Context, /, manifest: str, data: str | None, **options: Any) -> None:
    """Choose more rows after those of MANIFEST, to --budget rows in all.

    All rows come out, not only the new ones: those that `evenly select` would have chosen with
    the larger budget. The options are those of the manifest; rules are given again only if it
    says that they were too long to keep. DATA is the input that the manifest names, if that has
    moved.
    """
    from evenly.selection import Selection
    from evenly.selection.extend import extend_resumed, resume_to_extend
    from evenly.selection.resume import Again

    if options["budget"] is None:
        raise click.UsageError("Missing option '--budget' (how many rows there will be in all).")
    output = Output.take(ctx, options)
    earlier = Selection.load(manifest)
    check_written(ctx, read=[earlier])
    arguments = library_options(ctx, options)
    to, checkpoint = arguments.pop("budget"), arguments.pop("checkpoint")
    again = Again.of(arguments)
    earlier, source = output.open_again(earlier, data_or_stdin(data))
    resumed = resume_to_extend(earlier, to, source, again, checkpoint=checkpoint)
    selection = extend_resumed(earlier, resumed, checkpoint=checkpoint)
    finish_selection(selection, resumed.prepared, output, options)
