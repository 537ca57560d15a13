"""`evenly deduplicate`: merge rows that repeat others."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_FILES,
    ENCODING,
    FORCE,
    IDS,
    JSON,
    LOUDNESS,
    PACKING_INPUTS,
    declared_options,
    own_option,
    with_options,
)
from evenly.cli.outputs import Output, print_result, write_output
from evenly.options import DeduplicationOptions, InputOptions


@main.command()
@DATA_FILES
@with_options(
    declared_options(DeduplicationOptions),
    ENCODING,
    IDS,
    PACKING_INPUTS,
    declared_options(InputOptions, "cluster"),
)
@own_option(
    "-o",
    "--output",
    section=Section.OUTPUT,
    metavar="FILE|-",
    help="Where to write the kept records; - for stdout.",
)
@with_options(FORCE, JSON, LOUDNESS)
@click.pass_context
def deduplicate(ctx: click.Context, /, data: str, **options: Any) -> None:
    """Keep rows of DATA such that no two are equal, or nearer than a distance.

    The kept rows are written in their order, as they are, and beside them a manifest, such as
    subset.manifest.json, with the row that represents each row of the input.
    """
    from evenly.reporting import deduplication_table
    from evenly.selection.deduplicate import remove_duplicates

    output = Output.take(ctx, options)
    arguments = library_options(ctx, options)
    inputs, how = InputOptions.of(arguments), DeduplicationOptions.of(arguments)
    source = data_or_stdin(data)
    if inputs.cluster is None:  # else workers open it
        source = output.open(source)
    found = remove_duplicates(source, inputs, how)
    write_output(found, output.target, order=output.order, force=output.force)
    summary = {**found.summary(), "indices": found.indices.tolist(), "groups": found.groups}
    print_result(deduplication_table(found), summary, output, len(found))
