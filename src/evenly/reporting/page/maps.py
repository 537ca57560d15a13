"""Plots of the map: density first, then rows; and the same for several subsets side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenly.reporting.page.colouring import Colouring
from evenly.reporting.page.mapping import Map
from evenly.reporting.page.regions import Density, Region
from evenly.reporting.page.style import COLOURS, FONT, fill, plain_figure
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.texts import shown
from evenly.shapes import Bool, Int

_HEIGHT, _BESIDE = 620, 320
# The texts of hovers may take this many bytes together; each is at most and at least so long.
_BYTES = 3_300_000
_LONGEST, _SHORTEST = 180, 24
_MARGIN = 0.04


@dataclass(frozen=True)
class _Layer:
    """Rows that look the same: their name, marker, size, colour and opacity."""

    name: str
    marker: str
    size: int
    colour: str
    alpha: float
    line: float = 0.0

    @property
    def is_hollow(self) -> bool:
        """Whether lines alone draw the marker."""
        return self.marker != "circle"


_LAYERS = (
    _Layer("left out", "circle", 4, "left", 0.45),
    _Layer("near-duplicate", "x", 6, "near", 0.8, 1.4),
    _Layer("chosen", "circle", 6, "chosen", 0.85, 0.4),
    _Layer("isolated", "triangle", 15, "isolated", 0.95, 1.8),
)
_TOOLTIP = """
<div style="max-width: 22rem; font: 13px/1.45 system-ui, sans-serif; overflow-wrap: anywhere">
<div style="opacity: .75">row @row, {name}{more}</div><div dir="auto">@text</div></div>
"""
_LEFT_OUT = "; @distance{0.0000} from row @nearest, the nearest chosen"
_CHOSEN = "; the nearest other chosen row is @nearest, at @distance{0.0000}"


def layers_of(
    subject: Subject, drawn: Map, isolated: Int[np.ndarray, " i"]
) -> dict[str, Bool[np.ndarray, " p"]]:
    """Return which of the rows that are drawn belong to each layer of the map.

    Each row is in one of the first three; those that are isolated are marked once more.
    """
    chosen, near = subject.found.chosen[drawn.places], subject.near[drawn.places]
    return {
        "left out": ~chosen & ~near,
        "near-duplicate": near,
        "chosen": chosen,
        "isolated": np.isin(subject.found.rows[drawn.places], isolated),
    }


def map_plot(
    subject: Subject,
    drawn: Map,
    layers: Mapping[str, Bool[np.ndarray, " p"]],
    density: Density,
    regions: Sequence[Region],
    colourings: Sequence[Colouring],
) -> Any:
    """Return the map: density and the labels of its regions below rows that can be selected."""
    from bokeh.models import ColumnDataSource, HoverTool, LassoSelectTool

    lasso = LassoSelectTool(renderers=[])
    figure = _empty_map(
        density,
        height=_HEIGHT,
        tools=["pan", "wheel_zoom", "box_zoom", lasso, "reset"],
        toolbar_location="above",
        active_drag=lasso,
        active_scroll=None,
        output_backend="canvas",
    )
    columns = _columns_of(subject, drawn, colourings)
    for layer in _LAYERS:
        own = layers[layer.name]
        thin = _thinness(int(np.count_nonzero(own)))
        data = {name: _of(values, own) for name, values in columns.items()}
        source = ColumnDataSource(data, name=f"rows {layer.name}")
        part = "line" if layer.is_hollow else "fill"
        glyphs = figure.scatter(
            "x",
            "y",
            source=source,
            marker=layer.marker,
            size=layer.size * thin**0.5,
            alpha=layer.alpha * thin,
            fill_color=None if layer.is_hollow else COLOURS[layer.colour],
            line_color=COLOURS[layer.colour if layer.is_hollow else "left"],
            line_width=layer.line,
            name=f"layer {layer.name}",
            nonselection_alpha=0.08,
            tags=[f"{part}:{layer.colour}"],
        )
        if layer.name == "isolated":
            continue  # these rows are also in another layer, which is hovered over and selected
        more = _CHOSEN if layer.name == "chosen" else _LEFT_OUT
        tooltip = _TOOLTIP.replace("{name}", layer.name).replace("{more}", more)
        lasso.renderers = [*lasso.renderers, glyphs]
        figure.add_tools(
            HoverTool(renderers=[glyphs], tooltips=tooltip, visible=False, description=layer.name)
        )
    _draw_contours(figure, density)
    _write_labels(figure, regions)
    return figure


def beside_plots(
    drawn: Map, density: Density, subsets: Mapping[str, Bool[np.ndarray, " p"]], shared: Any
) -> dict[str, Any]:
    """Return a plot of each subset on the axes of the map `shared`, by their position."""
    made = {}
    for number, own in enumerate(subsets.values()):
        figure = _empty_map(
            density,
            height=_BESIDE,
            tools="pan,wheel_zoom,reset",
            active_scroll=None,
            x_range=shared.x_range,
            y_range=shared.y_range,
        )
        positions = drawn.positions[own].astype(np.float32)
        thin = _thinness(len(positions))
        figure.scatter(
            positions[:, 0],
            positions[:, 1],
            size=5 * thin**0.5,
            alpha=0.7 * thin,
            line_color=None,
            **fill("random" if number == 1 else "chosen"),
        )
        _draw_contours(figure, density)
        made[f"beside-{number}"] = figure
    return made


def _empty_map(density: Density, **kwargs: Any) -> Any:
    """Return a map with nothing but the density."""
    from bokeh.models import Range1d

    for name, centres in (("x_range", density.x), ("y_range", density.y)):
        low, high = float(centres[0]), float(centres[-1])
        margin = _MARGIN * (high - low)
        kwargs.setdefault(name, Range1d(low - margin, high + margin))
    figure = plain_figure("", **kwargs)
    figure.title.visible = False
    figure.grid.visible = False
    figure.axis.visible = False
    if len(density.levels) > 1:
        figure.contour(
            *_grid(density),
            fill_color=COLOURS["soft"],
            fill_alpha=np.linspace(0.06, 0.22, len(density.levels) - 1).tolist(),
        )
    return figure


def _draw_contours(figure: Any, density: Density) -> None:
    """Draw the lines between densities, above the rows, which may hide all else."""
    if len(density.levels) > 1:
        figure.contour(*_grid(density), line_color=COLOURS["soft"], line_alpha=0.55, line_width=0.9)


def _grid(density: Density) -> tuple[Any, ...]:
    levels = [*density.levels[:-1], float(density.values.max()) * 1.01]
    return density.x, density.y, density.values, levels


def _thinness(rows: int) -> float:
    """Return by how much markers of so many rows are smaller and paler, so that they mix."""
    return float(min(1.0, max(0.35, (2000 / max(rows, 1)) ** 0.5)))


def _write_labels(figure: Any, regions: Sequence[Region]) -> None:
    from bokeh.core.properties import value

    figure.text(
        x=[region.x for region in regions],
        y=[region.y for region in regions],
        text=[region.label for region in regions],
        text_align="center",
        text_baseline="middle",
        text_font=value(FONT),
        text_font_size="12px",
        background_fill_color="white",
        background_fill_alpha=0.75,
        padding=3,
        border_radius=4,
        tags=["text:ink", "background_fill:card"],
        name="labels",
    )


def _columns_of(subject: Subject, drawn: Map, colourings: Sequence[Colouring]) -> dict[str, Any]:
    """Return what is known of each row that is drawn, in few bytes."""
    found, places = subject.found, drawn.places
    rows = found.rows[places]
    distances = found.distances[places]
    columns: dict[str, Any] = {
        "x": drawn.positions[:, 0].astype(np.float32),
        "y": drawn.positions[:, 1].astype(np.float32),
        "row": rows.astype(np.int32),
        "distance": np.where(np.isfinite(distances), distances, np.nan).astype(np.float32),
        "nearest": found.nearest[places].astype(np.int32),
        "text": _hover_texts(subject, rows),
    }
    for number, colouring in enumerate(colourings):
        columns[f"colour{number}"] = colouring.colours[rows]
    return columns


def _hover_texts(subject: Subject, rows: Int[np.ndarray, " p"]) -> list[str]:
    """Return the texts of rows, all so short that they do not make the page heavy."""
    numbers = rows.tolist()
    if not subject.texts:
        return [""] * len(numbers)
    beginnings = subject.texts.beginnings(numbers, 4 * _LONGEST + 1)
    texts = [shown(text, _LONGEST) for text in beginnings]
    total = sum(len(text.encode()) for text in texts)
    if total <= _BYTES:
        return texts
    width = max(_SHORTEST, int(_LONGEST * _BYTES / total))
    while width > _SHORTEST and sum(len(text[:width].encode()) for text in texts) > _BYTES:
        width -= 8
    return [text if len(text) <= width else text[: width - 1] + "…" for text in texts]


def _of(values: Any, own: Bool[np.ndarray, " p"]) -> Any:
    if isinstance(values, list):
        return [values[place] for place in np.flatnonzero(own).tolist()]
    return values[own]
