"""`evenly measure`: measure a subset beside random ones."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, given, library_options
from evenly.cli.main import main
from evenly.cli.options import DATA, ENCODING, IDS, JSON, LOUDNESS, declared_options, with_options
from evenly.options import InputOptions, MeasuringOptions


@main.command()
@DATA
@click.argument("subset", type=click.Path(exists=True, dir_okay=False))
@with_options(
    ENCODING,
    IDS,
    declared_options(InputOptions, "normalize", "on_invalid", "cluster"),
    declared_options(MeasuringOptions),
    JSON,
    LOUDNESS,
)
@click.pass_context
def measure(ctx: click.Context, /, data: str, subset: str, **options: Any) -> None:
    """Measure how evenly rows of DATA are spread, compared with random subsets of the same size.

    SUBSET is a manifest of `evenly select`, `deduplicate` or `stream`, whose options apply unless
    others are given; row numbers (from 0) as a .npy array or as text with one a line, or ids with
    --id-column; or a file of records that are rows of DATA, found by --id-column or by their text.
    """
    from evenly.metrics.measure import measure_prepared
    from evenly.metrics.space import prepare_subsets

    as_json = options.pop("as_json")
    arguments = library_options(ctx, options)
    inputs = {**given(ctx, arguments), "progress": arguments["progress"]}
    measuring = MeasuringOptions.of(options)
    found = prepare_subsets(data_or_stdin(data), {"": subset}, inputs)
    measures = measure_prepared(found.prepared, found.rows[""], measuring, rules=found.rules[""])
    if as_json:
        click.echo(json.dumps(measures.as_dict(), indent=1))
    else:
        click.echo(str(measures))
