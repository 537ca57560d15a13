"""`evenly compare`: measure several subsets side by side."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, given, library_options
from evenly.cli.main import main
from evenly.cli.options import DATA, ENCODING, IDS, JSON, LOUDNESS, declared_options, with_options
from evenly.cli.subsets import names_of
from evenly.options import InputOptions, MeasuringOptions


@main.command()
@DATA
@click.argument("subsets", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@with_options(
    ENCODING,
    IDS,
    declared_options(InputOptions, "normalize", "on_invalid"),
    declared_options(MeasuringOptions, "random_subsets", "certificate", "exact", "seed"),
    JSON,
    LOUDNESS,
)
@click.pass_context
def compare(ctx: click.Context, /, data: str, subsets: tuple[str, ...], **options: Any) -> None:
    """Measure several subsets of DATA side by side with random ones of the same sizes.

    Each of SUBSETS is a file as for `evenly measure`, and is called like it. Manifests must
    agree on how texts become vectors, unless options say it.
    """
    from evenly.reporting import compare_subsets

    as_json = options.pop("as_json")
    arguments = library_options(ctx, options)
    inputs = {**given(ctx, arguments), "progress": arguments["progress"]}
    measuring = MeasuringOptions.of({**options, "details": True})
    comparison = compare_subsets(names_of(subsets), data_or_stdin(data), inputs, measuring)
    click.echo(json.dumps(comparison.as_dict(), indent=1) if as_json else str(comparison))
