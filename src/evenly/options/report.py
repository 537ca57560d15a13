"""The options of `report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evenly.errors import OptionError
from evenly.options import checks
from evenly.options.declaration import Options, option


def _beside(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise OptionError(
            f'{name} must be a dict of other subsets, {{"name": row numbers, a result or a path}}, '
            f"got {checks.shown(value)}."
        )


def _color_by(name: str, value: Any) -> None:
    if value is not None and not checks.are_words(value):
        raise OptionError(
            f"{name} must be the name of a column, or a list of names, got {checks.shown(value)}."
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReportOptions(Options):
    """What a page shows in addition to the subset."""

    beside: Mapping[str, Any] | None = option(
        None,
        "Another subset of the same data to show beside it; may be given several times.",
        "other subsets of the same data to show beside it: name -> what `measure` takes, such as "
        "row numbers, a result or the path of a file.",
        check=_beside,
        flags=(),
    )
    color_by: str | Sequence[str] | None = option(
        None,
        "Columns of groups or numbers to colour the map by, joined by commas.",
        "the column of groups or of numbers to colour the map by, or several, among which the "
        "reader chooses; by default those of `groups` and `quality`. The page also counts groups "
        "before and after.",
        check=_color_by,
        form="columns",
        metavar="COLUMN[,COLUMN]",
    )
    projection: Literal["pca", "umap"] = option(
        "pca",
        "How the map is made: pca, or umap, which keeps neighbours together but takes minutes.",
        'how the map is made: "pca", or "umap" (with the extra `umap`), which keeps neighbours '
        "together but takes minutes for large pools.",
        choices=("pca", "umap"),
        flags=("--map",),
    )
