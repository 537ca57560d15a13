"""The command that chooses from a stream."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from evenly.cli.commands.select import data_or_stdin
from evenly.cli.main import main
from evenly.cli.options import LOUDNESS, MODEL, OUTPUT, TEXT, embedding_arguments, with_options

__all__ = ["stream"]


@main.command()
@click.argument("data", nargs=-1, required=True)
@click.option("-b", "--budget", type=int, required=True, metavar="ROWS", help="How many rows.")
@with_options(TEXT, MODEL)
@click.option(
    "--normalize/--no-normalize",
    default=True,
    show_default=True,
    help="Divide rows by their length first.",
)
@click.option(
    "--on-invalid",
    type=click.Choice(["error", "drop"]),
    default="error",
    show_default=True,
    help="What to do with rows that have no usable text or vector.",
)
@click.option(
    "--keep",
    type=int,
    default=4,
    show_default=True,
    help="Candidates kept for each row of the budget: more choose better.",
)
@click.option(
    "--rows-at-once",
    "batch_size",
    type=click.IntRange(min=1),
    default=8192,
    show_default=True,
    help="Rows taken in at once, at most.",
)
@click.option(
    "--second-pass", is_flag=True, help="Read DATA again, to know the true coverage radius."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    metavar="FILE.npz",
    help="Keep the stream here; if it is there, go on from it.",
)
@with_options(OUTPUT)
@click.option("--json", "as_json", is_flag=True, help="Print numbers for machines, as JSON.")
@with_options(LOUDNESS)
@click.pass_context
def stream(ctx: click.Context, /, data: tuple[str, ...], **options: Any) -> None:
    """Choose rows of DATA in one pass, however large it is: files, globs, folders, or -.

    Memory is needed for the candidates and one batch. The chosen rows cover the stream within
    8 times the best radius there is; `evenly select` chooses better where the data fit.
    """
    from evenly.cli.jobs import run_stream
    from evenly.report import stream_table

    names = ("state", "second_pass", "batch_size", "output", "order", "force")
    outcome = {name: options.pop(name) for name in names}
    as_json, output = options.pop("as_json"), outcome["output"]
    if output == "-":
        outcome["output"] = sys.stdout.buffer
    found = run_stream(
        [data_or_stdin(one) for one in data],
        embedding_arguments(options),
        progress=ctx.obj,
        **outcome,
    )
    told = stream_table(found)
    if as_json:
        summary = found.as_dict()
        del summary["indices"], summary["radii"]
        told = json.dumps({**summary, "output": output}, ensure_ascii=False, indent=1)
    click.echo(told, err=output == "-")
