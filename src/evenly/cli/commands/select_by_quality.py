"""`evenly select-by-quality`: choose the best rows that are far enough apart."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    ENCODING,
    JSON,
    LOUDNESS,
    OUTPUT,
    ROWS,
    declared_options,
    with_options,
)
from evenly.cli.outputs import Output, measure_and_write, print_selection
from evenly.options import InputOptions, MeasuringOptions, QualityOptions, RuleOptions

_ENGINE = "Where the vectors are: auto, memory, mapped or distances."


@main.command("select-by-quality")
@click.argument("data")
@with_options(
    declared_options(QualityOptions, "quality", required=True),
    declared_options(RuleOptions, "budget"),
    declared_options(QualityOptions, "min_distance", "method", "diversity_weight"),
    ROWS,
    ENCODING,
    declared_options(InputOptions, "normalize", "on_invalid", "engine", "memory", engine=_ENGINE),
    OUTPUT,
    declared_options(MeasuringOptions, "random_subsets", "certificate"),
    JSON,
    LOUDNESS,
)
@click.pass_context
def select_by_quality(ctx: click.Context, /, data: str, **options: Any) -> None:
    """Choose the best rows of DATA that are far enough apart.

    Rows are considered in order of descending quality, and a row is kept if it is at least a
    distance from every row kept before it. DATA, the output and its manifest are as for
    `evenly select`.
    """
    from evenly.selection.by_quality import (
        choose_by_quality,
        prepare_by_quality,
        rules_by_quality,
    )

    output = Output.take(ctx, options)
    arguments = library_options(ctx, options)
    rules, how = rules_by_quality(arguments), QualityOptions.of(arguments)
    inputs = InputOptions.of(arguments)
    prepared = prepare_by_quality(data_or_stdin(data), inputs, rules, how)
    selection = choose_by_quality(prepared, rules, how)
    measures = measure_and_write(selection, prepared, output, MeasuringOptions.of(options))
    print_selection(selection, measures, output)
