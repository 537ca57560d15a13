"""What a command leaves behind: records with their manifest, and a table of measures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from evenly.atomic import atomic_write, check_writable
from evenly.cli.main import keep_at
from evenly.cli.streams import standard_output
from evenly.errors import OutputError
from evenly.options import MeasuringOptions

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData
    from evenly.selection import Selection
    from evenly.selection.results.base import Order
    from evenly.selection.results.deduplication import Deduplication
    from evenly.selection.results.stream import StreamSelection

_OF_PLAIN_SELECTIONS = {
    *("budget", "start", "engine", "memory", "seed"),
    *("text", "roles", "vectors", "encoder", "encoder_options", "normalize", "on_invalid"),
}


@dataclass(frozen=True)
class Output:
    """Where and how the result of a command is written and printed.

    Attributes:
        name: the file that was given; "-" for standard output, None for none.
        order: the order of the records.
        force: whether an existing file may be overwritten.
        as_json: whether numbers are printed as JSON.
    """

    name: str | None
    order: Order
    force: bool
    as_json: bool

    @classmethod
    def take(cls, ctx: click.Context, options: dict[str, Any]) -> Output:
        """Take the options of `OUTPUT` and `JSON` out of the others, and check them all."""
        output = cls(
            options.pop("output"),
            options.pop("order", "picked"),
            options.pop("force"),
            options.pop("as_json", False),
        )
        keep_at(ctx, options.get("checkpoint"))
        MeasuringOptions.of(options)
        also_written = options.get("checkpoint", options.get("state"))
        check_output(output.target, force=output.force, checkpoint=also_written)
        return output

    @property
    def target(self) -> str | BinaryIO | None:
        """The file or stream to write records to; None for none."""
        return standard_output() if self.name == "-" else self.name


def manifest_path(output: str | PathLike[str]) -> Path:
    """Return the manifest of an output: subset.jsonl.gz -> subset.manifest.json."""
    from evenly.samples.formats import split_suffix

    path = Path(output)
    _, compression = split_suffix(path)
    name = path.with_suffix("") if compression else path
    return name.with_suffix(".manifest.json")


def check_output(
    output: str | PathLike[str] | BinaryIO | None,
    *,
    force: bool,
    checkpoint: str | PathLike[str] | None = None,
) -> None:
    """Reject, before any work, an output that could not be written after it.

    Raises:
        OutputError: the suffix is unknown, or the checkpoint would be overwritten.
        OutputExistsError: it or its manifest exists and `force` is not set.
    """
    from evenly.samples.formats import output_format

    if not isinstance(output, str | PathLike):
        return
    output_format(output)
    if checkpoint is not None and Path(checkpoint) in (Path(output), manifest_path(output)):
        raise OutputError(f"{checkpoint} cannot be both output and checkpoint. Name another file.")
    check_writable(output, force=force)
    check_writable(manifest_path(output), force=force)


def write_output(
    result: Selection | Deduplication | StreamSelection,
    target: str | PathLike[str] | BinaryIO | None,
    *,
    force: bool,
    **how: Any,
) -> None:
    """Write the records; to a file with the manifest beside it, both or neither."""
    if isinstance(target, str | PathLike):
        with atomic_write(manifest_path(target), force=force) as stream:
            result.save(stream)
            stream.flush()
            result.write(target, force=force, **how)
    elif target is not None:
        result.write(target, **how)
        target.flush()


def is_plain(selection: Selection) -> bool:
    """Whether farthest-first alone chose the rows, so that radii are covering radii."""
    provenance = selection.provenance
    options = {name for name, value in provenance.options.items() if value not in (None, False)}
    return not provenance.rules and options <= _OF_PLAIN_SELECTIONS


def finish_selection(
    selection: Selection, prepared: PreparedData, output: Output, options: Mapping[str, Any]
) -> None:
    """Measure a selection, write it if there is an output, and print what was selected."""
    import numpy as np

    from evenly.metrics.curve import Curve
    from evenly.metrics.measure import measure_prepared
    from evenly.report import selection_table

    seed = selection.provenance.options.get("seed", options.get("seed", 0))
    measuring = MeasuringOptions.of({**options, "seed": seed})
    provenance, curve, known = selection.provenance, None, {}
    if is_plain(selection):
        curve = Curve(selection.radii, int(np.count_nonzero(prepared.points.eligible)))
    bound = (provenance.refined or {}).get("upper_bound")
    if bound is not None and not provenance.rules:  # with rules it holds for other rows
        known = {"proof": bound}
    measures = measure_prepared(
        prepared, selection.indices, measuring, curve=curve, known_bounds=known
    )
    write_output(selection, output.target, order=output.order, force=output.force)
    summary = {"selection": selection.as_dict(), "measures": measures.as_dict()}
    del summary["selection"]["indices"], summary["selection"]["radii"]
    print_result(selection_table(selection, measures), summary, output)


def print_result(table: str, summary: dict[str, Any], output: Output) -> None:
    """Print a table, or its summary as JSON; on stderr if the records go to standard output."""
    if output.as_json:
        table = json.dumps({**summary, "output": output.name}, ensure_ascii=False, indent=1)
    click.echo(table, err=output.name == "-")
