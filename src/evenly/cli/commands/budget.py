"""`evenly budget`: what every budget gives, and how many rows to choose."""

from __future__ import annotations

import json
from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.main import keep_at, main
from evenly.cli.options import (
    DATA_FILES,
    ENCODING,
    JSON,
    LOUDNESS,
    declared_options,
    refused_options,
    with_options,
)
from evenly.options import BudgetOptions, InputOptions, RuleOptions, UniformOptions

_COSTS = ("costs", "count", "tokenizer")
_WEIGHTS = (
    *("quality", "quality_weight", "density_weight", "density_neighbours", "density_search"),
)


@main.command()
@DATA_FILES
@with_options(
    declared_options(
        RuleOptions,
        "budget",
        budget="The largest budget to look at; by default half of the rows, at most 20,000.",
    ),
    declared_options(BudgetOptions),
    declared_options(RuleOptions, "include", "exclude", "away_from", "id_column"),
    declared_options(RuleOptions, *_WEIGHTS, *_COSTS),
    declared_options(UniformOptions, "start", "drop_outliers", "checkpoint", "seed"),
    refused_options(RuleOptions, *("groups", "quotas", "balance", "token_budget", "min_distance")),
    refused_options(UniformOptions, "refine"),
    ENCODING,
    declared_options(InputOptions, "normalize", "on_invalid", "engine", "memory"),
    JSON,
    LOUDNESS,
)
@click.pass_context
def budget(ctx: click.Context, /, data: str, *, as_json: bool, **options: Any) -> None:
    """Show what every budget gives for DATA, from one run, and suggest how many rows to choose.

    For each budget: how far apart the rows are (h_min), how much of the best possible that is
    for certain, how far any row is from a chosen one (coverage radius) and is on average, and
    tokens; with random rows beside them. To find a budget: --h-min, --coverage-radius, --tokens.
    """
    from evenly.metrics.suggest import NOT_FOR_ALL_BUDGETS, refuse_options, suggest

    refused = {name: options.pop(name) for name in NOT_FOR_ALL_BUDGETS}
    refuse_options({name: value for name, value in refused.items() if value is not None})
    keep_at(ctx, options["checkpoint"])
    arguments = library_options(ctx, options)
    found = suggest(
        data_or_stdin(data),
        InputOptions.of(arguments),
        RuleOptions.of(arguments),
        UniformOptions.of(arguments),
        BudgetOptions.of(arguments),
    )
    click.echo(json.dumps(found.as_dict(), indent=1) if as_json else str(found))
