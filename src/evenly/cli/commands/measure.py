"""`evenly measure`: measure a subset beside random ones."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, given, library_options, read_row_numbers
from evenly.cli.main import main
from evenly.cli.options import DATA, ENCODING, JSON, LOUDNESS, declared_options, with_options
from evenly.cli.subsets import options_for
from evenly.options import InputOptions, MeasuringOptions


@main.command()
@DATA
@click.argument("subset", type=click.Path(exists=True, dir_okay=False))
@with_options(
    ENCODING,
    declared_options(InputOptions, "normalize", "on_invalid"),
    declared_options(MeasuringOptions),
    JSON,
    LOUDNESS,
)
@click.pass_context
def measure(ctx: click.Context, /, data: str, subset: str, **options: Any) -> None:
    """Measure how evenly rows of DATA are spread, compared with random subsets of the same size.

    SUBSET names the rows: a manifest of `evenly select`, whose options apply unless others are
    given; a .npy array of row numbers; or a text file with one row number (from 0) a line.
    """
    from evenly.metrics.measure import measure_prepared, prepare_rows
    from evenly.samples import open_samples

    as_json = options.pop("as_json")
    arguments = library_options(ctx, options)
    samples, rows = open_samples(data_or_stdin(data)), read_row_numbers(subset)
    inputs = options_for(samples, rows, given(ctx, arguments), arguments)
    measuring = MeasuringOptions.of(options)
    prepared, chosen = prepare_rows(samples, rows, inputs)
    measures = measure_prepared(prepared, chosen, measuring)
    if as_json:
        click.echo(json.dumps(measures.as_dict(), indent=1))
    else:
        click.echo(str(measures))
