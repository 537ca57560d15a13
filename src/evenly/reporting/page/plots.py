"""All plots of a page as one document of Bokeh, so that they can share axes and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def document_of(plots: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return a document as JSON, and the element in which each of its plots stands, by its id.

    Args:
        plots: the name of a plot, which is part of the id of its element -> the plot.
    """
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document

    document = Document(title="")
    for plot in plots.values():
        document.add_root(plot)
    elements = {plot.id: f"plot-{name}" for name, plot in plots.items()}
    return serialize_json(document.to_json(deferred=False)), elements


def libraries() -> list[str]:
    """Return the scripts that draw the plots."""
    from bokeh.resources import Resources

    return list(Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw)
