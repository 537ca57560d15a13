"""`evenly stream`: choose rows of data that are read once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
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
from evenly.options import InputOptions, StreamOptions, in_words
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.selection.results.stream import StreamSelection
    from evenly.selection.streaming.uniform_stream import UniformStream

log = logging.getLogger("evenly")


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
    from evenly.reporting import stream_table
    from evenly.selection.stream import choose_from_stream

    output = Output.take(ctx, options)
    state, budget = options.pop("state"), options.pop("budget")
    arguments = library_options(ctx, options)
    inputs = InputOptions.of(arguments)
    how = StreamOptions.of({**arguments, "batch_size": arguments["rows_at_once"]})
    sources = [data_or_stdin(one) for one in data]
    output.check_sources(sources)
    if state is None:
        save = None
        found = choose_from_stream(sources, budget, inputs, how)
    else:
        found, save = _continue(state, sources, budget, inputs, how)
    write_output(found, output.target, order=output.order, force=output.force, before=save)
    kept = [] if state is None else [f"Kept: the stream is in {state}, to be continued."]
    print_result(stream_table(found), found.as_dict(), output, len(found), kept)


def _continue(
    state: str, sources: list[Any], budget: int, inputs: InputOptions, how: StreamOptions
) -> tuple[StreamSelection, Callable[[], object]]:
    """Continue the stream in a file, or start it; return its rows, and a call that saves it.

    If a command was killed after it had saved the stream, its rows are recognised when it is
    run again, and count once.
    """
    from evenly.samples import check_paths, read_batches

    if how.second_pass:
        raise OptionError(
            "a second pass needs all of the data, which a saved stream does not have: omit one."
        )
    check_paths(sources)
    current = _opened(state, budget, inputs, how)
    seen, arrived = current.seen, hashlib.sha256()
    for samples in read_batches(sources, how.batch_size, inputs.vectors):
        current.add(samples)
        arrived.update(samples.content_hash().encode())
        if samples.beside is not None:
            arrived.update(samples.beside.rows.content_hash().encode())
    if current.last_arrival == arrived.hexdigest():
        log.warning(
            "%s took in the same %s last time: they count once",
            state,
            count(current.seen - seen, "row"),
        )
        current = _opened(state, budget, inputs, how)
    current.last_arrival = arrived.hexdigest()
    save = partial(current.save, state, force=True)
    try:
        return current.result(), save
    except BudgetError as error:
        save()
        raise BudgetError(f"{error} They are kept in {state}: continue with more.") from None


def _opened(state: str, budget: int, inputs: InputOptions, how: StreamOptions) -> UniformStream:
    """Return the stream in a file, or a new one."""
    from evenly.samples import column_of
    from evenly.selection.streaming.uniform_stream import UniformStream

    new = UniformStream.of(budget, replace(inputs, vectors=column_of(inputs.vectors)), how)
    if not Path(state).exists():
        return new
    before = UniformStream.load(
        state,
        encoder_options=inputs.encoder_options,
        device=inputs.device,
        cache_dir=inputs.cache_dir,
    )
    for name, value in before.settings.items():
        if value != new.settings[name]:
            raise CheckpointError(
                f"{state} was started with other options: {name} was {in_words(value)} then, and "
                f"is {in_words(new.settings[name])} now. Give the same, or name another file."
            )
    return before
