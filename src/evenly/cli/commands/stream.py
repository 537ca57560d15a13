"""`evenly stream`: choose rows of data that are read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenly.cli.arguments import data_or_stdin, library_options
from evenly.cli.completion import completing
from evenly.cli.help import Section
from evenly.cli.main import main
from evenly.cli.options import (
    ENCODING,
    JSON,
    LOUDNESS,
    OUTPUT,
    declared_options,
    own_option,
    with_options,
)
from evenly.cli.outputs import Output, print_result, write_output
from evenly.errors import BudgetError, CheckpointError, OptionError
from evenly.options import InputOptions, StreamOptions

if TYPE_CHECKING:
    from evenly.selection.results.stream import StreamSelection


@main.command()
@click.argument("data", nargs=-1, required=True, shell_complete=completing())
@own_option(
    "-b",
    "--budget",
    type=int,
    required=True,
    section=Section.CHOOSING,
    metavar="ROWS",
    help="How many rows.",
)
@with_options(
    ENCODING,
    declared_options(InputOptions, "normalize", "on_invalid"),
    declared_options(StreamOptions, "keep"),
    # `batch_size` is that of the encoder.
    declared_options(StreamOptions, "batch_size", stored_as="rows_at_once"),
    declared_options(StreamOptions, "second_pass"),
)
@own_option(
    "--state",
    type=click.Path(dir_okay=False),
    section=Section.OUTPUT,
    metavar="FILE",
    help="Keep the stream in this file, and continue from it if it exists.",
)
@with_options(OUTPUT, JSON, LOUDNESS)
@click.pass_context
def stream(ctx: click.Context, /, data: tuple[str, ...], **options: Any) -> None:
    """Choose rows of data that do not fit in memory, in one pass.

    DATA are files, globs and folders, or - for standard input. Memory is needed for the candidates
    and one batch. The chosen rows cover the stream within 8 times the best possible radius;
    `evenly select` chooses better if the data fit in memory.
    """
    from evenly.report import stream_table
    from evenly.selection.stream import choose_from_stream

    output = Output.take(ctx, options)
    state, budget = options.pop("state"), options.pop("budget")
    arguments = library_options(ctx, options)
    inputs = InputOptions.of(arguments)
    how = StreamOptions.of({**arguments, "batch_size": arguments["rows_at_once"]})
    sources = [data_or_stdin(one) for one in data]
    if state is None:
        found = choose_from_stream(sources, budget, inputs, how)
    else:
        found = _continue(state, sources, budget, inputs, how)
    write_output(found, output.target, order=output.order, force=output.force)
    summary = found.as_dict()
    del summary["indices"], summary["radii"]
    print_result(stream_table(found), summary, output)


def _continue(
    state: str, sources: list[Any], budget: int, inputs: InputOptions, how: StreamOptions
) -> StreamSelection:
    """Continue the stream in a file, or start it, and save it there."""
    from evenly.samples import check_paths, column_of, read_batches
    from evenly.selection.streaming.uniform_stream import UniformStream

    if how.second_pass:
        raise OptionError(
            "a second pass needs all of the data, which a saved stream does not have: omit one."
        )
    of_batches = column_of(inputs.vectors)
    current = UniformStream.of(budget, replace(inputs, vectors=of_batches), how)
    check_paths(sources)
    if Path(state).exists():
        before = UniformStream.load(
            state,
            encoder_options=inputs.encoder_options,
            device=inputs.device,
            cache_dir=inputs.cache_dir,
        )
        for name, value in before.settings.items():
            if value != current.settings[name]:
                raise CheckpointError(
                    f"{state} was started with other options: {name} was {value!r} then, and is "
                    f"{current.settings[name]!r} now. Give the same, or name another file."
                )
        current = before
    for samples in read_batches(sources, how.batch_size, inputs.vectors):
        current.add(samples)
    current.save(state, force=True)
    try:
        return current.result()
    except BudgetError as error:
        raise BudgetError(f"{error} They are kept in {state}: continue with more.") from None
