"""`evenly select-by-quality`: choose the best rows that are far enough apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_FILES,
    ENCODING,
    MEASURES,
    OUTPUT,
    PACKING_INPUTS,
    ROWS,
    declared_options,
    with_options,
)
from evenly.cli.outputs import Output, finish_selection
from evenly.options import InputOptions, QualityOptions, RuleOptions

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData
    from evenly.selection import Selection


@main.command("select-by-quality")
@DATA_FILES
@with_options(
    declared_options(QualityOptions, "quality", required=True),
    declared_options(RuleOptions, "budget"),
    declared_options(QualityOptions, "min_distance", "method", "diversity_weight"),
    ROWS,
    ENCODING,
    PACKING_INPUTS,
    OUTPUT,
    MEASURES,
)
@click.pass_context
def select_by_quality(ctx: click.Context, /, data: str, **options: Any) -> None:
    """Choose the best rows of DATA that are far enough apart.

    Rows are considered in order of descending quality, and a row is kept if it is at least a
    distance from every row kept before it. DATA, the output and its manifest are as for
    `evenly select`.
    """
    output = Output.take(ctx, options)
    arguments = library_options(ctx, options)
    prepared, selection = choose_by_quality(data_or_stdin(data), arguments, output)
    finish_selection(selection, prepared, output, options)


def choose_by_quality(
    data: Any, arguments: Mapping[str, Any], output: Output
) -> tuple[PreparedData, Selection]:
    """Choose by quality with the options of the library; `evenly select` reproduces with it."""
    from evenly.selection import by_quality

    rules, how = by_quality.rules_by_quality(arguments), QualityOptions.of(arguments)
    inputs = InputOptions.of(arguments)
    prepared = by_quality.prepare_by_quality(output.open(data), inputs, rules, how)
    return prepared, by_quality.choose_by_quality(prepared, rules, how)
