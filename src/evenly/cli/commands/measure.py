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
    declared_options(InputOptions, "normalize", "on_invalid"),
    declared_options(MeasuringOptions),
    JSON,
    LOUDNESS,
)
@click.pass_context
def measure(ctx: click.Context, /, data: str, subset: str, **options: Any) -> None:
    """Measure how evenly rows of DATA are spread, compared with random subsets of the same size.

    SUBSET names the rows: a manifest of `evenly select`, `deduplicate` or `stream`, whose options
    apply unless others are given; a .npy array of row numbers; or a text file with one row
    number (from 0) a line.
    """
    from evenly.metrics.measure import measure_prepared
    from evenly.metrics.space import prepare_subsets, rules_of
    from evenly.selection.results.row_files import rows_in_file

    as_json = options.pop("as_json")
    arguments = library_options(ctx, options)
    inputs = {**given(ctx, arguments), "progress": arguments["progress"]}
    measuring = MeasuringOptions.of(options)
    subsets = {"": rows_in_file(subset, by_id=False)}
    prepared, chosen = prepare_subsets(data_or_stdin(data), subsets, inputs)
    measures = measure_prepared(prepared, chosen[""], measuring, rules=rules_of(subsets[""]))
    if as_json:
        click.echo(json.dumps(measures.as_dict(), indent=1))
    else:
        click.echo(str(measures))
