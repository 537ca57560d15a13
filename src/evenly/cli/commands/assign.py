"""`evenly assign`: write the chosen row nearest to every row."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.atomic import check_writable
from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import (
    FORCE,
    JSON,
    LOUDNESS,
    RUNNING,
    VECTORS,
    manifest_and_data,
    own_option,
    with_options,
)
from evenly.cli.outputs import check_written


@main.command()
@manifest_and_data
@own_option(
    "-o",
    "--output",
    required=True,
    section=Section.OUTPUT,
    metavar="FILE",
    help="Where to write the table: .csv, .tsv, .jsonl, .json or .parquet.",
)
@with_options(FORCE, VECTORS, RUNNING, JSON, LOUDNESS)
@click.pass_context
def assign(
    ctx: click.Context,
    /,
    manifest: str,
    data: str | None,
    output: str,
    *,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the chosen row of MANIFEST that represents each row of its input, and its distance.

    One line for each row of the input: row, nearest, distance, rank (the position of the nearest
    chosen row in the order picked, from 0). DATA is as for `evenly explain`.
    """
    from evenly.samples import check_table_path
    from evenly.selection import Selection
    from evenly.selection.assign import assign as assign_rows
    from evenly.selection.resume import Again
    from evenly.tables import count

    check_table_path(output)
    check_writable(output, force=force)
    earlier = Selection.load(manifest)
    check_written(ctx, read=[earlier], manifest=False)
    again = Again.of(library_options(ctx, options))
    found = assign_rows(earlier, data_or_stdin(data), again)
    found.write(output, force=force)
    if as_json:
        numbers = {"rows": len(found), "chosen": found.chosen.tolist()}
        click.echo(json.dumps({**numbers, "sizes": found.sizes.tolist(), "output": output}))
        return
    click.echo(
        f"{count(len(found), 'row')}, {len(found.chosen):,} of them chosen; each represents "
        f"{found.sizes.min():,} to {count(int(found.sizes.max()), 'row')}.\n"
        f"Written: {output}, a line for each row."
    )
