"""`select_stream`: choose rows of a stream in one pass, in memory for a few times the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

from evenly.errors import OptionError
from evenly.options import (
    DEFAULT_ENCODER,
    InputOptions,
    OnInvalid,
    StreamOptions,
    TextColumns,
    documented,
)
from evenly.progress import new_bar
from evenly.samples import can_be_read_again, check_paths, column_of, read_batches
from evenly.selection.results.stream import StreamSelection
from evenly.selection.streaming.uniform_stream import UniformStream


@documented(InputOptions, StreamOptions)
def select_stream(
    batches: Any,
    budget: int,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool = True,
    on_invalid: OnInvalid = "error",
    keep: int = 4,
    batch_size: int = 8192,
    second_pass: bool = False,
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> StreamSelection:
    """Choose `budget` rows of a stream in one pass, with memory for `keep`·budget rows.

    For data that come only once, or that are too large for `select_uniform`, which chooses
    better: here the chosen rows cover the stream within 8 times the smallest radius that any
    `budget` points reach (there within 2 times). In practice h_min and coverage are within a few
    per cent of those of `select_uniform`. As long as at most keep·budget different rows arrive,
    the answer is that of `select_uniform`.

    Args:
        batches: an iterable of batches: lists of texts or records, vectors (n, d), frames,
            tables or record batches, dicts of columns, paths, globs or folders, binary streams
            of JSON Lines; or a single one of these; or an IterableDataset.
        budget: how many rows to choose.

    Returns:
        StreamSelection: row numbers in the order of arrival, their records, and bounds.

    Raises:
        BudgetError: fewer usable rows arrived than the budget.
        DataError: a batch cannot be used; the message says which.
        OptionError: a second pass over data that can be read only once.

    Cost: at most n·keep·budget·d multiplications, as matrix products, in addition to the encoder's.
        Memory: keep·budget rows with their records, and one batch.

    Sources: see `UniformStream`.
    """
    arguments = locals()
    inputs, how = InputOptions.of(arguments), StreamOptions.of(arguments)
    return choose_from_stream(batches, budget, inputs, how)


def choose_from_stream(
    batches: Any, budget: int, inputs: InputOptions, how: StreamOptions
) -> StreamSelection:
    """Choose rows of a stream; see `select_stream`."""
    if how.second_pass and not can_be_read_again(batches):
        raise OptionError(
            f"second_pass needs batches that can be read twice, but this {type(batches).__name__} "
            "cannot be. Pass a list, paths, or an object whose __iter__ starts again."
        )
    of_batches = column_of(inputs.vectors)
    stream = UniformStream.of(budget, replace(inputs, vectors=of_batches), how)
    check_paths(batches)
    with _bar("choosing", inputs.progress) as bar:
        for samples in read_batches(batches, how.batch_size, inputs.vectors):
            stream.add(samples)
            bar.update(len(samples))
            bar.set_postfix_str(f"{stream.candidates:,} candidates", refresh=False)
    found = stream.result()
    if not how.second_pass:
        return found
    with _bar("measuring", inputs.progress) as bar:
        radius = stream.coverage_radius(
            read_batches(batches, how.batch_size, inputs.vectors), found, progress=bar.update
        )
    return replace(found, coverage_radius=radius)


def _bar(name: str, progress: bool | None) -> Any:
    return new_bar(desc=name, unit="row", shown=progress)
