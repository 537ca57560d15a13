"""`evenly estimate`: predict the engine, memory and time of a selection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_FILES,
    ENCODING,
    IDS,
    JSON,
    LOUDNESS,
    declared_options,
    with_options,
)
from evenly.options import InputOptions, RuleOptions

if TYPE_CHECKING:
    from evenly.selection.results.estimation import OnCluster


@main.command()
@DATA_FILES
@with_options(
    declared_options(RuleOptions, "budget"),
    ENCODING,
    IDS,
    declared_options(InputOptions, "engine", "cluster", "memory"),
    LOUDNESS,
    JSON,
)
@click.pass_context
def estimate(ctx: click.Context, /, data: str, *, as_json: bool, **options: Any) -> None:
    """Predict how much memory and time `evenly select` would take for DATA, and its engine."""
    from evenly.selection.estimate import estimate_selection
    from evenly.tables import count, format_seconds, two_columns

    if options["budget"] is None:
        raise click.UsageError("Missing option '--budget' (500, or 0.5 for half of the rows).")
    arguments = library_options(ctx, options)
    rules, inputs = RuleOptions.of(arguments), InputOptions.of(arguments)
    found = estimate_selection(data_or_stdin(data), rules, inputs)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1))
        return
    own = f"{found.memory / 1e6:,.0f} MB"
    rows = [
        ("engine", found.engine),
        ("rows", f"{found.budget:,} of {found.rows:,}, {count(found.dimension, 'dimension')}"),
        ("memory", f"{found.peak_memory / 1e6:,.0f} MB in all, {own} of it for vectors"),
        ("embedding", f"{format_seconds(found.embedding_seconds)}, if nothing is cached"),
        ("selection", format_seconds(found.selection_seconds)),
    ]
    if found.disk:
        where = f"{found.disk / 1e6:,.0f} MB in {found.disk_folder}, removed at the end"
        rows.insert(3, ("disk", f"{where}, and as much in the embedding cache"))
    if found.cluster is not None:
        rows += _lines_of_cluster(found.cluster)
    click.echo(two_columns(rows))


def _lines_of_cluster(cluster: OnCluster) -> list[tuple[str, str]]:
    """Return what happens between machines; memory and disk above are those of a worker."""
    from evenly.tables import count, format_seconds

    parts = [
        f"workers {format_seconds(cluster.worker_seconds)}",
        f"driver {format_seconds(cluster.driver_seconds)}",
        f"network {format_seconds(cluster.network_seconds)}",
    ]
    return [
        ("of it", ", ".join(parts)),
        (
            "workers",
            f"{cluster.workers}, of at most {count(cluster.rows, 'row')}; the above is "
            "that of the largest or slowest",
        ),
        ("driver", f"{cluster.driver_memory / 1e6:,.0f} MB of memory"),
        (
            "travels",
            f"{cluster.received / 1e6:,.0f} MB to the driver, {cluster.sent / 1e6:,.0f} MB "
            f"from it, in {count(cluster.rounds, 'round')}: guessed from other pools",
        ),
    ]
