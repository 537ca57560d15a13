"""`report`: one HTML file that shows whether a subset is good, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, Literal

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import OptionError
from evenly.geometry import nearest_chosen
from evenly.metrics.measure import Certificate, measure_prepared
from evenly.metrics.space import prepare_subsets
from evenly.options import InputOptions, MeasuringOptions, ReportOptions, TextColumns, documented
from evenly.reporting.page.beside import Beside
from evenly.reporting.page.budgets import Budgets
from evenly.reporting.page.colouring import Colouring
from evenly.reporting.page.curves import budget_plots
from evenly.reporting.page.distributions import distribution_plot, distributions_of, groups_of
from evenly.reporting.page.lengths import tokens_of
from evenly.reporting.page.mapping import map_of
from evenly.reporting.page.maps import beside_plots, layers_of, map_plot
from evenly.reporting.page.origin import command, origin_lines
from evenly.reporting.page.packages import check_packages
from evenly.reporting.page.plots import document_of, libraries
from evenly.reporting.page.regions import READ, Density, label_regions
from evenly.reporting.page.render import render
from evenly.reporting.page.rows import Isolated, tables_of_rows
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.texts import shown
from evenly.reporting.page.words import figures, headline
from evenly.samples.rows import check_columns
from evenly.selection.results.base import Result
from evenly.selection.results.row_files import load_result
from evenly.selection.results.selection import SelectionData
from evenly.selection.results.stream import StreamSelection
from evenly.selection.resume import check_same_vectors
from evenly.shapes import Int

_MOST_COLUMNS = 6


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


@documented(InputOptions, MeasuringOptions, ReportOptions)
def report(
    selection: Any,
    data: Any = None,
    *,
    beside: Mapping[str, Any] | None = None,
    color_by: str | Sequence[str] | None = None,
    projection: Literal["pca", "umap"] = "pca",
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
    arguments = locals()
    options, measuring = ReportOptions.of(arguments), MeasuringOptions.of(arguments)
    InputOptions.of({name: value for name, value in arguments.items() if value is not None})
    check_packages(projection)
    manifest = fspath(selection) if isinstance(selection, str | PathLike) else None
    result = selection if manifest is None else load_result(manifest)
    check_result(result)
    samples = result.samples_again(data)
    check_columns(_names(options.color_by), samples.columns, samples.origin)
    subsets = prepare_subsets(samples, {"": result, **(beside or {})}, arguments)
    others = {name: rows for name, rows in subsets.rows.items() if name != ""}
    prepared = subsets.prepared.without(dict(result.provenance.dropped))
    if isinstance(result, SelectionData):
        check_same_vectors(result, prepared)
    nearest = nearest_chosen(prepared.points, result.indices)
    rules = tuple(result.provenance.rules)
    measures = measure_prepared(prepared, result.indices, measuring, nearest=nearest, rules=rules)
    return make_report(
        Subject(result, prepared, nearest, measures, manifest), measuring, options, others=others
    )


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
    subject: Subject,
    measuring: MeasuringOptions,
    options: ReportOptions,
    *,
    others: Mapping[str, Int[np.ndarray, " k"]] | None = None,
) -> Report:
    """Return the page of a subset that is measured; see `report`.

    `others` are the rows of `options.beside`, by name.
    """
    result, prepared, found = subject.result, subject.prepared, subject.found
    isolated = Isolated.of(subject)
    budgets = Budgets.of(subject, measuring)
    tokens = tokens_of(subject, subject.chosen)
    beside = Beside.of(subject, others or {}, measuring)
    distributions = distributions_of(subject, measuring.seed)
    columns = _columns(result, options)
    plots = {} if budgets is None else budget_plots(budgets)
    drawn = map_of(subject, isolated.rows, options.projection, measuring.seed)
    colourings: list[Colouring] = []
    layers: dict[str, int] = {}
    if drawn is not None:
        colourings = [Colouring.of(name, prepared.column(name)) for name in columns]
        of_layers = layers_of(subject, drawn, isolated.rows)
        layers = {name: int(np.count_nonzero(own)) for name, own in of_layers.items()}
        density = Density.of(drawn)
        beginnings = subject.texts.beginnings(found.rows[drawn.places].tolist(), READ)
        regions = label_regions(drawn, density, beginnings, measuring.seed)
        plots["map"] = map_plot(subject, drawn, of_layers, density, regions, colourings)
        plots |= beside_plots(drawn, density, beside.on(subject, drawn), plots["map"])
    plots |= {one.name: distribution_plot(one) for one in distributions}
    document, elements = document_of(plots)
    said = headline(subject)
    content = {
        "title": shown(result.provenance.input.origin),
        "headline": said,
        "figures": figures(subject, None if tokens is None else int(tokens[subject.chosen].sum())),
        "budgets": budgets,
        "map": drawn,
        "layers": layers,
        "colourings": colourings,
        "beside": list(beside.rows) if drawn is not None else [],
        "beside_table": beside.table(subject),
        "distributions": distributions,
        "groups": {shown(name): groups_of(subject, prepared.column(name)) for name in columns},
        "tables": tables_of_rows(subject, isolated),
        "origin": origin_lines(subject),
        "command": command(subject),
    }
    values = {
        "elements": elements,
        "budgets": [] if budgets is None else budgets.sentences(),
        "colours": [
            {"name": one.name, "legend": one.legend, "isScale": one.is_scale} for one in colourings
        ],
    }
    return Report(said, render(content, values, document, libraries()), result)


def _names(columns: str | Sequence[str] | None) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns or ())


def _columns(result: Result, options: ReportOptions) -> list[str]:
    """Return the columns to colour by: those given, or those that the selection used."""
    names = _names(options.color_by)
    if options.color_by is None and result.samples is not None:
        used = (result.provenance.options.get(name) for name in ("groups", "quality"))
        names = [name for name in used if isinstance(name, str)]
    return names[:_MOST_COLUMNS]
