"""`evenly explain`: why a row was chosen or left out."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_IF_MOVED,
    JSON,
    LOUDNESS,
    MANIFEST,
    RUNNING,
    VECTORS,
    with_options,
)


@main.command()
@MANIFEST
@click.argument("row", type=int)
@DATA_IF_MOVED
@with_options(VECTORS, RUNNING, JSON, LOUDNESS)
@click.pass_context
def explain(
    ctx: click.Context, /, manifest: str, row: int, data: str | None, as_json: bool, **options: Any
) -> None:
    """Explain why ROW (from 0) was chosen or left out by the selection of MANIFEST.

    DATA is the input that the manifest names, if that has moved.
    """
    from evenly.selection import Selection
    from evenly.selection.explain import explain as explain_row
    from evenly.selection.resume import Again

    again = Again.of(library_options(ctx, options))
    found = explain_row(Selection.load(manifest), row, data_or_stdin(data), again)
    text = json.dumps(found.as_dict(), ensure_ascii=False, indent=1) if as_json else str(found)
    click.echo(text)
