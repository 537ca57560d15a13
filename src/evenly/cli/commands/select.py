"""`evenly select`: choose the rows that are spread most evenly."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.arguments import data_or_stdin, given, library_options
from evenly.cli.commands.select_by_quality import choose_by_quality
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import (
    DATA_FILES_IF_MOVED,
    ENCODING,
    MEASURES,
    OUTPUT,
    declared_options,
    own_option,
    with_options,
)
from evenly.cli.outputs import Output, check_written, finish_selection
from evenly.cli.reproduce import check_reproduced, options_as_before
from evenly.options import InputOptions, MeasuringOptions, RuleOptions, UniformOptions


@main.command()
@DATA_FILES_IF_MOVED
@with_options(
    declared_options(RuleOptions),
    declared_options(UniformOptions),
)
@own_option(
    "--refine-seconds",
    type=float,
    section=Section.CHOOSING,
    metavar="SECONDS",
    help="The most time for --refine; by default it ends when nothing more is found.",
)
@with_options(
    ENCODING,
    declared_options(InputOptions, "normalize", "on_invalid", "engine", "cluster", "memory"),
    OUTPUT,
)
@own_option(
    "--from-manifest",
    section=Section.OUTPUT,
    type=click.Path(exists=True, dir_okay=False),
    help="Select as this manifest says, and check that the same rows are chosen.",
)
@with_options(MEASURES)
@click.pass_context
def select(ctx: click.Context, /, data: str | None, **options: Any) -> None:
    """Choose the rows of DATA that are spread most evenly.

    DATA is a file (.jsonl, .json, .csv, .tsv, .txt, .parquet, .npy or .safetensors), several
    files of one format, a glob or a folder of them, or - for JSON Lines from standard input.

    With -o, the chosen records are written as they are, in their own format, and beside them a
    manifest, such as subset.manifest.json: versions, options, hashes, row numbers and radii.
    """
    from evenly.metrics.measure import needs_all_vectors
    from evenly.selection import Selection

    manifest = options.pop("from_manifest")
    if manifest is None:
        _check_complete(data, options)
    output = Output.take(ctx, options)
    _take_refinement(options)
    arguments = library_options(ctx, options)
    source = data_or_stdin(data)
    earlier = None
    if manifest is not None:
        earlier = Selection.load(manifest)
        check_written(ctx, read=[earlier])
        source, arguments = options_as_before(earlier, source, given(ctx, arguments), manifest)
        arguments["progress"] = ctx.obj
    by_quality = earlier is not None and earlier.provenance.by_quality is not None
    gather = needs_all_vectors(MeasuringOptions.of(options))
    if output.page is not None:
        gather.append("--report")
    if by_quality:
        prepared, selection = choose_by_quality(source, arguments, output)
    else:
        prepared, selection = _choose_uniform(source, arguments, output, gather)
    if earlier is not None:
        check_reproduced(earlier, selection, str(manifest))
    finish_selection(selection, prepared, output, options, reproduces=manifest)


def _check_complete(data: str | None, options: dict[str, Any]) -> None:
    if data is None:
        raise click.UsageError(
            "Missing argument 'DATA' (a file, a glob, a folder, or - for stdin)."
        )
    if all(options[name] is None for name in ("budget", "min_distance", "token_budget")):
        raise click.UsageError(
            "Missing option '--budget' (500, or 0.5 for half of the rows), '--min-distance' or "
            "'--token-budget'."
        )


def _take_refinement(options: dict[str, Any]) -> None:
    """Combine the options of a refinement as the library takes them."""
    method, seconds = options["refine"], options.pop("refine_seconds")
    if method is not None:
        options["refine"] = {"method": method, "seconds": seconds, "seed": options["seed"]}
    elif seconds is not None:
        raise click.UsageError("--refine-seconds needs --refine search or --refine exact.")


def _choose_uniform(data: Any, arguments: dict[str, Any], output: Output, gather: list[str]) -> Any:
    from evenly.distributed.gathering import check_gathered
    from evenly.selection.uniform import prepare_uniform, select_prepared

    rules, how = RuleOptions.of(arguments), UniformOptions.of(arguments)
    inputs = InputOptions.of(arguments)
    # What workers open is not opened here, too.
    source = data if inputs.cluster is not None else output.open(data)
    prepared = prepare_uniform(source, inputs, rules, how)
    for option in gather:  # an error afterwards would come late
        check_gathered(prepared, option)
    return prepared, select_prepared(prepared, rules, how)
