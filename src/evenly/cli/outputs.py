"""What a command leaves behind: records with their manifest, and a table of measures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from evenly.atomic import abandoned, check_writable, sha256_of
from evenly.cli.main import keep_at, keep_rows
from evenly.cli.streams import standard_output
from evenly.errors import OutputError
from evenly.options import MeasuringOptions, ReportOptions
from evenly.paths import is_one_file, spare_inputs
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData
    from evenly.reporting.page.subject import Subject
    from evenly.selection import Selection
    from evenly.selection.results.base import Order, Result

# The options that name files to write, and those that name folders of a model.
_WRITTEN = ("output", "checkpoint", "state", "report")
_MODELS = ("encoder", "tokenizer")

_OF_PLAIN_SELECTIONS = {
    *("budget", "start", "engine", "memory", "seed"),
    *(
        "text",
        "roles",
        "vectors",
        "id_column",
        "encoder",
        "encoder_options",
        "normalize",
        "on_invalid",
    ),
}


@dataclass(frozen=True)
class Output:
    """Where and how the result of a command is written and printed.

    Attributes:
        name: the file that was given; "-" for standard output, None for none.
        order: the order of the records.
        force: whether existing files are overwritten.
        as_json: whether numbers are printed as JSON.
        page: the file of a page about the result; None for none.
    """

    name: str | None
    order: Order
    force: bool
    as_json: bool
    page: str | None = None

    @classmethod
    def take(cls, ctx: click.Context, options: dict[str, Any]) -> Output:
        """Take the options of `OUTPUT` and `JSON` out of the others, and check them all."""
        output = cls(
            options.pop("output"),
            options.pop("order", "picked"),
            options.pop("force"),
            options.pop("as_json", False),
            options.pop("report", None),
        )
        keep_at(ctx, options.get("checkpoint"))
        MeasuringOptions.of(options)
        if output.file is not None:
            output = replace(output, force=check_output(output.file, force=output.force))
        if output.page is not None:
            check_page(output.page, force=output.force)
        for kept in ("checkpoint", "state"):
            if options.get(kept) is not None:
                check_writable(options[kept], force=True)
        check_written(ctx)
        return output

    def open(self, data: Any) -> Any:
        """Return the data, opened if there is an output, to which all of them can be written.

        Raises:
            OutputError: the format of the output cannot hold a column.
        """
        if data is None or self.file is None:
            return data
        from evenly.samples import check_output, open_samples

        samples = open_samples(data)
        check_output(samples, self.file)
        return samples

    def check_sources(self, sources: Sequence[Any]) -> None:
        """Check files of a stream that need not be read for it: all that are not read by lines."""
        from evenly.samples.formats import STREAM_FORMATS, split_suffix

        for source in sources:
            if isinstance(source, str) and Path(source).is_file():
                format, _ = split_suffix(source)
                if format is not None and format not in STREAM_FORMATS:
                    self.open(source)

    def open_again(self, earlier: Selection, data: Any) -> tuple[Selection, Any]:
        """Return a selection and its data as `open` does; its own input is opened without data."""
        if data is None and self.file is not None:
            return replace(earlier, samples=self.open(earlier.samples_again())), None
        return earlier, self.open(data)

    @property
    def file(self) -> str | None:
        """The file to write records to; None for a stream or none."""
        return None if self.name == "-" else self.name

    @property
    def manifest(self) -> str | None:
        """The manifest that is written beside the file."""
        return None if self.file is None else str(manifest_path(self.file))

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


def check_output(output: str | PathLike[str], *, force: bool) -> bool:
    """Reject, before any work, an output that could not be written after it.

    Returns:
        Whether existing files are overwritten: with `force`, and those of a killed run.

    Raises:
        OutputError: the suffix is unknown, or the place cannot be written.
        OutputExistsError: it or its manifest exists and `force` is not set.
    """
    from evenly.samples.formats import output_format

    output_format(output)
    force = force or _is_half_written(output)
    for path in (output, manifest_path(output)):
        check_writable(path, force=force)
    return force


def check_page(path: str, *, force: bool) -> None:
    """Reject, before any work, a page that could not be made or written after it.

    Raises:
        OutputError: it is not called .html, or the place cannot be written.
        OutputExistsError: it exists and `force` is not set.
        MissingExtraError: a package that pages need is not installed.
    """
    if not path.lower().endswith((".html", ".htm")):
        raise OutputError(f"a page is an HTML file, so its name must end in .html, got {path}.")
    check_writable(path, force=force)
    from evenly.reporting.page import check_packages

    check_packages()


def _is_half_written(output: str | PathLike[str]) -> bool:
    """Return whether a run was killed when only the manifest was in its place."""
    try:
        if Path(output).exists():
            return False
        sha256 = json.loads(manifest_path(output).read_bytes())["output"]["sha256"]
        return any(sha256_of(path) == sha256 for path in abandoned(output))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_written(
    ctx: click.Context, *, read: Iterable[Result] = (), manifest: bool = True
) -> None:
    """Reject, before any work, a file to write that the command reads or writes already.

    Every word of the command line that names a file, a folder or a pattern counts as read, and
    so does what the results in `read` were made from. `manifest` is whether the command writes
    one beside its output.

    Raises:
        OutputError: an output is an input, or two outputs are one file.
    """
    words = dict(ctx.params)
    written = {name: words.pop(name) for name in _WRITTEN if words.get(name) is not None}
    output = written.pop("output", None)
    files: list[str | PathLike[str]] = [*written.values()]
    if output == "-":
        files.append("/dev/stdout")
    elif output is not None:
        outputs = [output, manifest_path(output)] if manifest else [output]
        for (name, other), own in itertools.product(written.items(), outputs):
            if is_one_file(own, other):
                raise OutputError(f"{other} cannot be both output and {name}. Name another file.")
        files.extend(outputs)
    if not any(Path(file).exists() for file in files):
        return
    folders = [words.pop(name) for name in _MODELS if isinstance(words.get(name), str)]
    folders.append(_cached_vectors(words))
    values = [value if isinstance(value, tuple) else (value,) for value in words.values()]
    named = [word for value in values for word in value if isinstance(word, str)]
    inputs = ["/dev/stdin" if word == "-" else word for word in named]
    for file in files:
        spare_inputs(file, inputs, folders=folders)
        for result in read:
            result.spare_inputs(file)


def _cached_vectors(words: Mapping[str, Any]) -> str:
    from evenly.embedding import open_cache

    cache = open_cache(words.get("cache_dir"))
    assert cache is not None  # only cache_dir=False means none
    return str(cache.embeddings)


def write_output(
    result: Result,
    target: str | PathLike[str] | BinaryIO | None,
    *,
    order: Order = "picked",
    force: bool,
    before: Callable[[], object] | None = None,
) -> None:
    """Write the records; to a file with the manifest beside it.

    `before` is called when what can fail has been written, before a file takes its place.
    """
    if isinstance(target, str | PathLike):
        manifest = manifest_path(target)
        result.write_with_manifest(target, manifest, order=order, force=force, before=before)
        return
    if target is not None:
        result.write_to(target, order)
        target.flush()
    if before is not None:
        before()


def is_plain(selection: Selection) -> bool:
    """Whether farthest-first alone chose the rows, so that radii are covering radii."""
    provenance = selection.provenance
    options = {name for name, value in provenance.options.items() if value not in (None, False)}
    return not provenance.rules and options <= _OF_PLAIN_SELECTIONS


def finish_selection(
    selection: Selection,
    prepared: PreparedData,
    output: Output,
    options: Mapping[str, Any],
    *,
    reproduces: str | None = None,
) -> None:
    """Write a selection if there is an output, then measure it, and print what was selected.

    If measuring is interrupted, what is known is printed, and the output stays. `reproduces` is the
    manifest whose rows came out again, if there is one.
    """
    import numpy as np

    from evenly.distributed.gathering import gathered
    from evenly.geometry import nearest_chosen
    from evenly.metrics.curve import Curve
    from evenly.metrics.measure import measure_prepared
    from evenly.reporting import selection_table

    seed = selection.provenance.options.get("seed", options.get("seed", 0))
    measuring = MeasuringOptions.of({**options, "seed": seed})
    provenance, curve, known = selection.provenance, None, {}
    if is_plain(selection):
        rows = int(np.count_nonzero(prepared.points.eligible))
        curve = Curve(selection.radii, rows, selection.near)
    bound = (provenance.refined or {}).get("upper_bound")
    if bound is not None and not provenance.rules:  # with rules it holds for other rows
        known = {"proof": bound}
    write_output(selection, output.target, order=output.order, force=output.force)
    if output.manifest is not None:
        keep_rows(output.manifest)
    summary: dict[str, Any] = {"selection": selection.as_dict(), "measures": None}
    notes = []
    if reproduces is not None:
        summary["reproduces"] = reproduces
        notes = [f"Reproduced: these are the rows of {reproduces}, in the same order."]
    measures = nearest = None
    try:
        if output.page is not None:  # shows distances of all rows
            prepared = gathered(prepared, "--report")
            nearest = nearest_chosen(prepared.points, selection.indices)
        measures = measure_prepared(
            prepared,
            selection.indices,
            measuring,
            curve=curve,
            radii=None if curve is None or provenance.taken_over else selection.radii,
            known_bounds=known,
            nearest=nearest,
            rules=tuple(provenance.rules),
        )
        summary["measures"] = measures.as_dict()
    finally:  # also if measuring is interrupted
        print_result(selection_table(selection, measures), summary, output, len(selection), notes)
    if nearest is not None and measures is not None:
        from evenly.reporting.page.subject import Subject

        subject = Subject(selection, prepared, nearest, measures, output.manifest)
        write_page(subject, measuring, output)


def write_page(subject: Subject, measuring: MeasuringOptions, output: Output) -> None:
    """Write the page about a subset that is measured, and say where it is."""
    from evenly.reporting.page import make_report

    assert output.page is not None
    page = make_report(subject, measuring, ReportOptions())
    page.save(output.page, force=output.force)
    click.echo(f"Page: {output.page}", err=output.as_json or output.name == "-")


def print_result(
    table: str, summary: dict[str, Any], output: Output, records: int, notes: Sequence[str] = ()
) -> None:
    """Print a table and what was written, or both as JSON.

    They go to stderr if the records go to standard output.
    """
    if output.as_json:
        summary = {**summary, "output": output.name, "manifest": output.manifest}
        table = json.dumps(summary, ensure_ascii=False, indent=1)
    else:
        table = "\n".join([table, "", *notes, _written(output, records)])
    click.echo(table, err=output.name == "-")


def _written(output: Output, records: int) -> str:
    """Say where the records are, or how to get them."""
    written = f"Written: {count(records, 'record')} to"
    if output.name is None:
        return "Nothing was written: -o FILE writes the records, and a manifest beside them."
    if output.file is None:
        return f"{written} standard output."
    return f"{written} {output.file}, and the manifest {output.manifest}."
