"""`report`: one HTML file that shows whether a subset is good, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, Literal

from evenly.atomic import atomic_write
from evenly.errors import OptionError
from evenly.geometry import nearest_chosen
from evenly.inputs.prepare import PreparedData
from evenly.metrics import Measures
from evenly.metrics.measure import Certificate, measure_prepared
from evenly.metrics.space import prepare_subsets
from evenly.options import InputOptions, MeasuringOptions, TextColumns, documented
from evenly.reporting.page.budgets import Budgets
from evenly.reporting.page.curves import budget_plots
from evenly.reporting.page.origin import command, origin_lines
from evenly.reporting.page.packages import check_packages
from evenly.reporting.page.plots import document_of, libraries
from evenly.reporting.page.render import render
from evenly.reporting.page.rows import Isolated, tables_of_rows
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.texts import shown
from evenly.reporting.page.words import figures, headline
from evenly.selection.results.base import Result
from evenly.selection.results.row_files import load_result
from evenly.selection.results.selection import SelectionData
from evenly.selection.results.stream import StreamSelection
from evenly.selection.resume import check_same_vectors


@dataclass(frozen=True, eq=False)
class Report:
    """A page about a subset, in one HTML file that loads nothing from anywhere.

    Attributes:
        headline: the page's first sentence: how good the subset is.
        html: the page.
    """

    headline: str
    html: str = field(repr=False)
    result: Result = field(repr=False)

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Write the page to a file.

        Args:
            path: the file, which should end in .html.
            force: overwrite an existing file.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself.
        """
        self.result.spare_inputs(path)
        with atomic_write(path, force=force) as stream:
            stream.write(self.html.encode())


@documented(InputOptions, MeasuringOptions)
def report(
    selection: Any,
    data: Any = None,
    *,
    text: TextColumns = None,
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = None,
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    random_subsets: int = 3,
    certificate: Certificate = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Report:
    """Return a page that shows whether a subset is good, what was left out, and why.

    The page holds the beginnings of the texts: whoever reads it reads the data. It loads nothing
    from anywhere, and texts in it are shown, never run.

    Args:
        selection: a `Selection` or a `Deduplication`, or the path of the manifest of one.
        data: what the rows were selected from, if the selection was loaded from a file and the
            input is no longer where it was.
        text, vectors, encoder, encoder_options: the same again, if they were objects, or if
            their files have moved; by default as the selection was made.

    Returns:
        Report: `save` writes it.

    Raises:
        MissingExtraError: the packages of the extra `report` are not installed.
        OptionError: the input cannot be opened again, and `data` is not passed; or `selection`
            is of another kind.
        ManifestError: the input has changed, or gives other vectors.

    Cost: that of `measure`, and about one more selection.
    """
    check_packages()
    arguments = locals()
    measuring = MeasuringOptions.of(arguments)
    manifest = fspath(selection) if isinstance(selection, str | PathLike) else None
    result = selection if manifest is None else load_result(manifest)
    check_result(result)
    samples = result.samples_again(data)
    subsets = prepare_subsets(samples, {"": result}, arguments)
    prepared = subsets.prepared.without(dict(result.provenance.dropped))
    if isinstance(result, SelectionData):
        check_same_vectors(result, prepared)
    measures = measure_prepared(
        prepared, result.indices, measuring, rules=tuple(result.provenance.rules)
    )
    return make_report(result, prepared, measures, measuring, manifest=manifest)


def check_result(result: Any) -> None:
    """Raise OptionError unless a page can show this result."""
    if isinstance(result, StreamSelection):
        raise OptionError(
            "a page needs all rows at once, and a stream was read in passes. Measure its rows "
            "(evenly measure), or select from the data at once and report on that."
        )
    if not isinstance(result, Result):
        raise OptionError(
            "selection must be a Selection, a Deduplication or the path of a manifest, got "
            f"{type(result).__name__}. To report on row numbers, measure or compare them."
        )


def make_report(
    result: Result,
    prepared: PreparedData,
    measures: Measures,
    measuring: MeasuringOptions,
    *,
    manifest: str | None = None,
) -> Report:
    """Return the page of a result that is measured; see `report`."""
    found = nearest_chosen(prepared.points, result.indices)
    subject = Subject(result, prepared, found, measures, manifest)
    budgets = Budgets.of(subject, measuring)
    plots = {} if budgets is None else budget_plots(budgets)
    document, elements = document_of(plots)
    said = headline(subject)
    content = {
        "title": shown(result.provenance.input.origin),
        "headline": said,
        "figures": figures(subject),
        "budgets": budgets,
        "tables": tables_of_rows(subject, Isolated.of(subject)),
        "origin": origin_lines(subject),
        "command": command(subject),
    }
    values = {"elements": elements, "budgets": [] if budgets is None else budgets.sentences()}
    return Report(said, render(content, values, document, libraries()), result)
