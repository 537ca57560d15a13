"""How all plots look: plain, and in colours that the page sets for light and dark.

The names of colours are those of page.css; page.js replaces them by what they are there. A model
that is drawn in such a colour has it as a tag, "line:chosen" for the colour of its lines.
"""

from __future__ import annotations

from typing import Any

HEIGHT = 260
FONT = "system-ui, sans-serif"
# What page.js replaces; plots are legible in both themes without it.
COLOURS = {
    "chosen": "#2a8ccb",
    "random": "#a8861d",
    "near": "#c9780a",
    "isolated": "#d2553f",
    "left": "#8f96a1",
    "soft": "#7d838e",
}


def plain_figure(title: str, **kwargs: Any) -> Any:
    """Return an empty figure in the style of the page.

    The title must not come from data: a title may hold formulas, which are typeset.
    """
    from bokeh.plotting import figure

    made = figure(
        title=title,
        height=kwargs.pop("height", HEIGHT),
        sizing_mode="stretch_width",
        toolbar_location=kwargs.pop("toolbar_location", None),
        tools=kwargs.pop("tools", ""),
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        min_border_left=8,
        min_border_right=12,
        **kwargs,
    )
    made.title.text_font = FONT
    made.title.text_font_size = "13px"
    made.title.text_font_style = "normal"
    made.grid.grid_line_alpha = 0.5
    for axis in made.axis:
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_font = axis.axis_label_text_font = FONT
        axis.major_label_text_font_size = "11px"
        axis.axis_label_text_font_size = "11px"
        axis.axis_label_text_font_style = "normal"
    made.toolbar.logo = None
    return made


def line(name: str, **more: Any) -> dict[str, Any]:
    """Return the properties of lines in a colour of the page."""
    return {"line_color": COLOURS[name], "tags": [f"line:{name}"], **more}


def fill(name: str, **more: Any) -> dict[str, Any]:
    """Return the properties of areas in a colour of the page."""
    return {"fill_color": COLOURS[name], "tags": [f"fill:{name}"], **more}
