"""The commands that look into a selection: who stands for whom, and why a row was taken or left."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.cli.commands.select import data_or_stdin
from evenly.cli.main import main
from evenly.cli.options import FORCE, LOUDNESS, RUNNING, embedding_arguments, with_options

__all__ = ["assign", "explain"]


_MANIFEST = click.argument("manifest", type=click.Path(exists=True, dir_okay=False))


_DATA = click.argument("data", required=False)


@main.command()
@_MANIFEST
@click.argument("row", type=int)
@_DATA
@with_options(RUNNING)
@click.option("--json", "as_json", is_flag=True, help="Print it for machines, as JSON.")
@with_options(LOUDNESS)
@click.pass_context
def explain(
    ctx: click.Context, /, manifest: str, row: int, data: str | None, as_json: bool, **options: Any
) -> None:
    """Say why ROW (from 0) was taken or left by the selection of MANIFEST.

    DATA is the input that the manifest names, where that is no longer in its place.
    """
    from evenly.selection import Selection

    found = Selection.load(manifest).explain(
        row, data_or_stdin(data), progress=ctx.obj, **embedding_arguments(options)
    )
    told = json.dumps(found.as_dict(), ensure_ascii=False, indent=1) if as_json else str(found)
    click.echo(told)


@main.command()
@_MANIFEST
@_DATA
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where the table goes: .csv, .tsv, .jsonl, .json or .parquet.",
)
@with_options(FORCE, RUNNING, LOUDNESS)
@click.pass_context
def assign(
    ctx: click.Context, /, manifest: str, data: str | None, output: str, force: bool, **options: Any
) -> None:
    """Write which chosen row of MANIFEST stands for each row of its input, and how near it is.

    One line for each row of the input: row, nearest, distance, rank (the position of the nearest
    chosen row in the order picked, from 0). DATA is as in `evenly explain`.
    """
    from evenly.cli.jobs import run_assignments

    found = run_assignments(
        manifest,
        data_or_stdin(data),
        output,
        force=force,
        progress=ctx.obj,
        **embedding_arguments(options),
    )
    click.echo(
        f"{len(found):,} rows, {len(found.chosen):,} of them chosen; one stands for "
        f"{found.sizes.min():,} to {found.sizes.max():,} rows: {output}"
    )
