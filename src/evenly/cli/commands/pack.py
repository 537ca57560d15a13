"""The commands that pack: the best rows that are far enough apart, and rows without duplicates."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from evenly.cli.commands.select import data_or_stdin, take_outcome, tell_selection
from evenly.cli.main import main
from evenly.cli.options import (
    BUDGET,
    FORCE,
    LOUDNESS,
    MEASURING,
    MODEL,
    OUTPUT,
    PACKING_ENGINE,
    TEXT,
    VECTORS,
    embedding_arguments,
    number,
    with_options,
)
from evenly.cli.rule_options import ROWS, rule_arguments

__all__ = ["deduplicate", "select_by_quality"]


@main.command("select-by-quality")
@click.argument("data")
@click.option("--quality", required=True, metavar="COLUMN", help="How good each row is, 0 or more.")
@with_options(BUDGET)
@click.option(
    "--min-distance",
    type=float,
    metavar="DISTANCE",
    help="Leave out rows nearer than this to a better one; else it is found for the budget.",
)
@click.option(
    "--method",
    type=click.Choice(["packing", "gist"]),
    default="packing",
    show_default=True,
    help="gist: the largest sum of qualities + weight times h_min, of at most --budget rows.",
)
@click.option(
    "--diversity-weight", type=float, metavar="WEIGHT", help="For gist: what a distance is worth."
)
@with_options(ROWS, TEXT, MODEL, VECTORS, PACKING_ENGINE, OUTPUT, MEASURING, LOUDNESS)
@click.pass_context
def select_by_quality(ctx: click.Context, /, data: str, **options: Any) -> None:
    """Choose the best rows of DATA that are far enough apart.

    By falling quality, a row is kept when it is at least a distance from every row kept before
    it. DATA, the output and its manifest are as those of `evenly select`.
    """
    from evenly.cli.pack_jobs import run_by_quality

    output, as_json = options["output"], options.pop("as_json")
    outcome = take_outcome(ctx, options)
    arguments = rule_arguments(embedding_arguments(options))
    found = run_by_quality(data_or_stdin(data), arguments, **outcome)
    tell_selection(*found, output=output, as_json=as_json)


@main.command()
@click.argument("data")
@click.option(
    "--min-distance",
    type=float,
    metavar="DISTANCE",
    help="Rows nearer than this are duplicates; 0 for exact ones only.",
)
@click.option(
    "--to",
    callback=number,
    metavar="ROWS|FRACTION",
    help="Instead: how many rows are to be left at most, 500 or 0.8.",
)
@click.option(
    "--keep",
    type=click.Choice(["first", "longest", "best"]),
    default="first",
    show_default=True,
    help="Which of several: the first row, the longest text, or the best by --quality.",
)
@click.option("--quality", metavar="COLUMN", help="For best: how good each row is, 0 or more.")
@with_options(TEXT, MODEL, VECTORS, PACKING_ENGINE)
@click.option("-o", "--output", metavar="FILE|-", help="Where rows go that are kept; - for stdout.")
@with_options(FORCE)
@click.option("--json", "as_json", is_flag=True, help="Print numbers for machines, as JSON.")
@with_options(LOUDNESS)
@click.pass_context
def deduplicate(ctx: click.Context, /, data: str, **options: Any) -> None:
    """Keep rows of DATA of which no two are the same, or nearer than a distance.

    The rows that are kept are written in their order, as they are, and beside them a manifest
    (OUTPUT.manifest.json) that says for every row which one stands for it.
    """
    from evenly.cli.jobs import column_or_array
    from evenly.cli.pack_jobs import run_deduplication
    from evenly.report import deduplication_table

    output, as_json, force = (options.pop(name) for name in ("output", "as_json", "force"))
    arguments = embedding_arguments(options)
    arguments["quality"] = column_or_array(arguments["quality"])
    found = run_deduplication(
        data_or_stdin(data),
        arguments,
        output=sys.stdout.buffer if output == "-" else output,
        force=force,
        progress=ctx.obj,
    )
    told = deduplication_table(found)
    if as_json:
        summary = {**found.summary(), "output": output}
        told = json.dumps(summary, ensure_ascii=False, indent=1)
    click.echo(told, err=output == "-")
