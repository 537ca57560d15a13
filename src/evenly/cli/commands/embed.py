"""`evenly embed`: write the vectors of texts to a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click

from evenly.atomic import check_writable
from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_FILES,
    EMBEDDING,
    FORCE,
    JSON,
    LOUDNESS,
    own_option,
    with_options,
)
from evenly.cli.outputs import check_written
from evenly.errors import OutputError
from evenly.options import InputOptions


@main.command()
@DATA_FILES
@with_options(EMBEDDING)
@own_option(
    "-o",
    "--output",
    required=True,
    section=Section.OUTPUT,
    metavar="FILE.npy",
    help="Where to write the vectors; .safetensors too.",
)
@with_options(FORCE, JSON, LOUDNESS)
@click.pass_context
def embed(
    ctx: click.Context, /, data: str, output: str, *, force: bool, as_json: bool, **options: Any
) -> None:
    """Embed the texts of DATA and write the vectors, (n, d) float32, as .npy or .safetensors.

    They go through the same cache as in `select`, and `select` accepts the file as DATA.
    """
    from evenly.inputs.embed import embed_rows
    from evenly.samples import open_samples
    from evenly.samples.formats import split_suffix
    from evenly.tables import count, format_seconds

    if split_suffix(output)[0] not in ("npy", "safetensors"):
        raise OutputError(f"vectors are written as .npy or .safetensors, got {output!r}.")
    check_writable(output, force=force)
    check_written(ctx, manifest=False)
    inputs = replace(InputOptions.of(library_options(ctx, options)), normalize=False)
    found = embed_rows(data_or_stdin(data), inputs)
    open_samples(found.vectors).write(output, range(len(found)), force=force)
    rows, dimension = found.vectors.shape
    if as_json:
        numbers = {"rows": rows, "dimension": dimension, "encoder": found.encoder}
        numbers |= {"reused": found.reused, "truncated": found.truncated, "output": output}
        click.echo(json.dumps(numbers))
        return
    click.echo(
        f"{count(rows, 'vector')} of {count(dimension, 'dimension')} by {found.encoder} in "
        f"{format_seconds(found.seconds)}: {found.reused:,} from the cache, "
        f"{count(found.truncated, 'text')} longer than its window.\nWritten: {output}."
    )
