"""`evenly report`: one HTML page about a subset."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_IF_MOVED,
    FORCE,
    IDS,
    LOUDNESS,
    MANIFEST,
    RUNNING,
    VECTORS,
    declared_options,
    own_option,
    with_options,
)
from evenly.cli.outputs import check_page, check_written
from evenly.cli.subsets import names_of
from evenly.options import MeasuringOptions, ReportOptions, declared


@main.command()
@MANIFEST
@DATA_IF_MOVED
@with_options(VECTORS, RUNNING, IDS)
@own_option(
    "-o",
    "--output",
    required=True,
    section=Section.OUTPUT,
    metavar="FILE",
    help="Where to write the page: a name that ends in .html.",
)
@with_options(
    FORCE,
    [
        own_option(
            "--beside",
            multiple=True,
            section=Section.OUTPUT,
            type=click.Path(exists=True, dir_okay=False),
            help=declared(ReportOptions)["beside"][1].help,
        )
    ],
    declared_options(ReportOptions),
    declared_options(MeasuringOptions, "random_subsets", "certificate", "seed"),
    LOUDNESS,
)
@click.pass_context
def report(
    ctx: click.Context, /, manifest: str, data: str | None, output: str, force: bool, **options: Any
) -> None:
    """Write a page that shows whether the subset of MANIFEST is good, and what was left out.

    MANIFEST is that of `evenly select` or `evenly deduplicate`. DATA is the input that it names,
    if that has moved. The page is one HTML file that loads nothing from anywhere. It holds the
    beginnings of the texts.
    """
    check_page(output, force=force)
    check_written(ctx, manifest=False)
    from evenly.reporting.page import report as make

    options["beside"] = names_of(options["beside"])
    page = make(manifest, data_or_stdin(data), **library_options(ctx, options))
    page.save(output, force=force)
    click.echo(page.headline)
    click.echo(f"Written: {output}. Open it in any browser.")
