"""The commands: each parses, calls and prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.main import keep_at, main
from evenly.cli.options import (
    BUDGET,
    CHECKPOINT,
    ENGINE,
    FORCE,
    LOUDNESS,
    MEASURING,
    MODEL,
    OUTLIERS,
    OUTPUT,
    REFINE,
    RUNNING,
    SPACE,
    TEXT,
    embedding_arguments,
    given,
    number,
    row_or_name,
    with_options,
)
from evenly.cli.rule_options import ROWS, RULES, given_rules, rule_arguments

if TYPE_CHECKING:
    from evenly.metrics import Measures
    from evenly.selection import Selection

__all__ = [
    "cache",
    "compare",
    "data_or_stdin",
    "demo",
    "embed",
    "extend",
    "fill",
    "main",
    "measure",
    "select",
    "take_outcome",
    "tell_selection",
]


@main.command()
@click.argument("data", required=False)
@with_options(BUDGET, OUTLIERS, TEXT, MODEL, SPACE)
@click.option(
    "--start",
    default="farthest-from-mean",
    show_default=True,
    callback=row_or_name,
    metavar="ROW|farthest-from-mean|medoid|random",
    help="The first pick.",
)
@with_options(RULES, REFINE, ENGINE, CHECKPOINT, OUTPUT)
@click.option(
    "--from-manifest",
    type=click.Path(exists=True, dir_okay=False),
    help="Do again what this manifest says, and check that the same rows come out.",
)
@with_options(MEASURING, LOUDNESS)
@click.pass_context
def select(ctx: click.Context, /, data: str | None, **options: Any) -> None:
    """Choose rows of DATA: .jsonl, .json, .csv, .tsv, .parquet, .npy, a glob, a folder, or -.

    The chosen records are written as they are, in their own format, and beside them a manifest
    (OUTPUT.manifest.json): versions, options, hashes, indices and radii.
    """
    from evenly.cli.jobs import run_selection

    manifest = options.pop("from_manifest")
    if manifest is None:
        if data is None:
            raise click.UsageError(
                "Missing argument 'DATA' (a file, a glob, a folder, or - for stdin)."
            )
        if all(options[name] is None for name in ("budget", "min_distance", "token_budget")):
            raise click.UsageError(
                "Missing option '--budget' (500, or 0.5 for half of the rows), '--min-distance' or "
                "'--token-budget'."
            )
    output, as_json = options["output"], options.pop("as_json")
    outcome = take_outcome(ctx, options)
    arguments = rule_arguments(embedding_arguments(_refinement(options)))
    found = run_selection(
        data_or_stdin(data),
        arguments if manifest is None else given(ctx, arguments),
        manifest=manifest,
        **outcome,
    )
    tell_selection(*found, output=output, as_json=as_json)


@main.command()
@click.argument("data")
@with_options(BUDGET, TEXT, MODEL, ENGINE, LOUDNESS)
@click.option("--json", "as_json", is_flag=True, help="Print numbers for machines, as JSON.")
@click.pass_context
def estimate(ctx: click.Context, /, data: str, *, as_json: bool, **options: Any) -> None:
    """Say how much memory and time `evenly select` would take for DATA, and with which engine."""
    from evenly.report.table import format_seconds, two_columns
    from evenly.selection.estimate import estimate as forecast

    if options["budget"] is None:
        raise click.UsageError("Missing option '--budget' (500, or 0.5 for half of the rows).")
    arguments = embedding_arguments(options)
    del arguments["cache_dir"]
    told = forecast(data_or_stdin(data), **arguments)
    if as_json:
        click.echo(json.dumps(told.as_dict(), indent=1))
        return
    rows = [
        ("engine", told.engine),
        ("rows", f"{told.budget:,} of {told.rows:,}, {told.dimension} dimensions"),
        ("memory", f"{told.memory / 1e6:,.0f} MB, beside the interpreter and a model"),
        ("embedding", f"{format_seconds(told.embedding_seconds)}, where nothing is cached"),
        ("selection", format_seconds(told.selection_seconds)),
    ]
    click.echo(two_columns(rows))


@main.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@click.argument("data", required=False)
@with_options(BUDGET, RUNNING, RULES, ENGINE, CHECKPOINT, OUTPUT, MEASURING, LOUDNESS)
@click.pass_context
def extend(ctx: click.Context, /, manifest: str, data: str | None, **options: Any) -> None:
    """Choose more rows after those of MANIFEST, to --budget rows in all.

    What comes out, all rows and not only the new ones, is what `evenly select` would have
    given with the larger budget. The options are those of the manifest; rules are given again
    only where it says that they were too long to keep. DATA is the input it names, where that is
    no longer in its place.
    """
    from evenly.selection.extend import extend_and_keep

    if options["budget"] is None:
        raise click.UsageError("Missing option '--budget' (how many rows there will be in all).")
    options["to"] = options.pop("budget")
    _run_again(ctx, extend_and_keep, manifest, data, options)


@main.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@click.argument("data", required=False)
@click.option(
    "--min-distance",
    type=float,
    metavar="DISTANCE",
    help="How far apart rows are to be; by default the h_min of the manifest.",
)
@click.option(
    "--seconds",
    type=float,
    metavar="SECONDS",
    help="The most the search may take; else it ends when nothing more is found.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the search.")
@with_options(RUNNING, ROWS, ENGINE, OUTPUT, MEASURING, LOUDNESS)
@click.pass_context
def fill(ctx: click.Context, /, manifest: str, data: str | None, **options: Any) -> None:
    """Choose as many rows as can be found that are as far apart as those of MANIFEST.

    The options are those of the manifest; rules are given again only where it says that they
    were too long to keep. DATA is the input it names, where that is no longer in its place.
    """
    from evenly.selection.fill import fill_and_keep

    _run_again(ctx, fill_and_keep, manifest, data, options)


def _run_again(
    ctx: click.Context, again: Any, manifest: str, data: str | None, options: dict[str, Any]
) -> None:
    """Extend or fill the selection of a manifest, and tell what came of it."""
    from evenly.cli.jobs import run_again

    output, as_json = options["output"], options.pop("as_json")
    outcome = take_outcome(ctx, options)
    arguments = given_rules(rule_arguments(embedding_arguments(options)))
    found = run_again(again, manifest, data_or_stdin(data), arguments, **outcome)
    tell_selection(*found, output=output, as_json=as_json)


def _refinement(options: dict[str, Any]) -> dict[str, Any]:
    """The options, those of a refinement as the library takes them."""
    method, seconds = options.pop("refine"), options.pop("refine_seconds")
    if method is None:
        if seconds is not None:
            raise click.UsageError("--refine-seconds needs --refine search or --refine exact.")
        return {**options, "refine": None}
    refine = {"method": method, "seconds": seconds, "seed": options["seed"]}
    return {**options, "refine": refine}


def data_or_stdin(data: str | None) -> Any:
    """What DATA names: - is standard input."""
    return sys.stdin.buffer if data == "-" else data


def take_outcome(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Take the options that say what becomes of a selection out of the others."""
    names = ("output", "order", "force", "random_subsets", "certificate", "checkpoint")
    outcome = {name: options.pop(name) for name in names if name in options}
    if outcome["output"] == "-":
        outcome["output"] = sys.stdout.buffer
    keep_at(ctx, outcome.get("checkpoint"))
    return {**outcome, "progress": ctx.obj}


def tell_selection(
    selection: Selection, measures: Measures, *, output: str | None, as_json: bool
) -> None:
    """Print what was selected, for people or as JSON."""
    from evenly.report import selection_table

    told = selection_table(selection, measures)
    if as_json:
        summary = {"selection": selection.as_dict(), "measures": measures.as_dict()}
        del summary["selection"]["indices"], summary["selection"]["radii"]
        told = json.dumps({**summary, "output": output}, ensure_ascii=False, indent=1)
    click.echo(told, err=output == "-")


@main.command()
@click.argument("data")
@click.argument("subset", type=click.Path(exists=True, dir_okay=False))
@with_options(TEXT, MODEL, SPACE, MEASURING)
@click.option(
    "--details", is_flag=True, help="Also the pool's dimension, and measures of diversity."
)
@with_options(LOUDNESS)
@click.pass_context
def measure(ctx: click.Context, /, data: str, subset: str, **options: Any) -> None:
    """Measure how evenly rows of DATA are spread, beside random subsets of the same size.

    SUBSET names the rows: a manifest of `evenly select`, whose options are taken unless others
    are given; a .npy array of row numbers; or a text file with one row number (from 0) a line.
    """
    from evenly.cli.measure_jobs import run_measure
    from evenly.report import measures_table

    as_json = options.pop("as_json")
    names = ("random_subsets", "certificate", "details", "seed")
    measuring = {name: options.pop(name) for name in names}
    arguments = embedding_arguments(options)
    measures, normalized = run_measure(
        data_or_stdin(data),
        subset,
        given(ctx, arguments),
        arguments,
        **measuring,
        progress=ctx.obj,
    )
    if as_json:
        click.echo(json.dumps(measures.as_dict(), indent=1))
    else:
        click.echo(measures_table(measures, normalized=normalized))


@main.command()
@click.argument("data")
@click.argument("subsets", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@with_options(TEXT, MODEL, SPACE, MEASURING, LOUDNESS)
@click.pass_context
def compare(ctx: click.Context, /, data: str, subsets: tuple[str, ...], **options: Any) -> None:
    """Measure several subsets of DATA side by side, beside random ones of the same sizes.

    Each of SUBSETS names rows as for `evenly measure`, and is called as its file. Manifests must
    agree on how texts become vectors, unless options say it.
    """
    from evenly.cli.measure_jobs import run_compare

    as_json = options.pop("as_json")
    measuring = {name: options.pop(name) for name in ("random_subsets", "certificate", "seed")}
    arguments = embedding_arguments(options)
    comparison = run_compare(
        data_or_stdin(data),
        subsets,
        given(ctx, arguments),
        arguments,
        **measuring,
        progress=ctx.obj,
    )
    click.echo(json.dumps(comparison.as_dict(), indent=1) if as_json else str(comparison))


@main.command()
@click.argument("data")
@with_options(TEXT, MODEL)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE.npy",
    help="Where the vectors go; .safetensors too.",
)
@with_options(FORCE, LOUDNESS)
@click.pass_context
def embed(ctx: click.Context, /, data: str, output: str, *, force: bool, **options: Any) -> None:
    """Embed the texts of DATA and write the vectors, (n, d) float32, as .npy or .safetensors.

    They go through the same cache as `select`, and `select` takes the file as DATA.
    """
    from evenly.cli.jobs import run_embedding
    from evenly.report.table import format_seconds

    embeddings = run_embedding(
        data_or_stdin(data), output, force=force, progress=ctx.obj, **embedding_arguments(options)
    )
    click.echo(
        f"{len(embeddings):,} × {embeddings.vectors.shape[1]} vectors by {embeddings.encoder} "
        f"in {format_seconds(embeddings.seconds)} ({embeddings.reused:,} from the cache, "
        f"{embeddings.truncated:,} texts over the window): {output}"
    )


@main.group()
def cache() -> None:
    """Look at or empty the embedding cache."""


_CACHE_OPTION = click.option(
    "--cache-dir", type=click.Path(file_okay=False), help="The folder; by default the user's cache."
)


@cache.command("info")
@_CACHE_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def cache_info(*, cache_dir: str | None, as_json: bool) -> None:
    """Say where the cache is and what it holds."""
    from evenly.cli.jobs import cache_table

    click.echo(cache_table(cache_dir, as_json=as_json))


@cache.command("clear")
@_CACHE_OPTION
def cache_clear(*, cache_dir: str | None) -> None:
    """Delete every cached embedding."""
    from evenly.embedding import open_cache

    opened = open_cache(cache_dir)
    assert opened is not None
    click.echo(f"{opened.clear() / 1e6:.1f} MB freed in {opened.folder}")


@main.command()
@click.option(
    "-b", "--budget", callback=number, default="0.1", show_default=True, metavar="ROWS|FRACTION"
)
@click.option(
    "-o",
    "--output",
    default="evenly-demo/chosen.jsonl",
    show_default=True,
    help="Where the chosen records go; an earlier demo's are overwritten.",
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option(
    "--encoder", default="all-MiniLM-L6-v2", show_default=True, metavar="NAME|PATH|static"
)
@with_options(LOUDNESS)
@click.pass_context
def demo(ctx: click.Context, budget: int | float, output: Path, encoder: str) -> None:
    """Select among the docstrings of the installed numerical packages: no network, no data."""
    from evenly.cli.demo_job import run_demo

    click.echo(run_demo(budget, output, encoder, progress=ctx.obj))
