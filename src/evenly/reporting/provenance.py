"""Lines about where a result came from, for the tables of all results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evenly.tables import count, format_seconds

if TYPE_CHECKING:
    from evenly.selection.results.provenance import Provenance


def is_normalized(provenance: Provenance) -> bool:
    """Return whether distances are between normalised rows."""
    return bool(provenance.options["normalize"])


def input_line(provenance: Provenance) -> str:
    """Describe the input."""
    source = provenance.input
    dimension = f", {count(source.dimension, 'dimension')}" if source.dimension else ""
    return f"{source.origin}: {count(source.rows, 'row')}{dimension}"


def text_line(provenance: Provenance) -> str:
    """Describe which text was embedded, and by which encoder."""
    encoder = provenance.encoder
    if provenance.input.vectors is not None:
        return f"not embedded: the vectors are {provenance.input.vectors.origin}"
    if encoder is None:
        return provenance.text or "none: the rows are vectors"
    line = f"{provenance.text}, embedded with {encoder.name}"
    if encoder.truncated:
        line += f" ({count(encoder.truncated, 'text')} longer than its window, and cut)"
    return line


def seconds_line(seconds: Mapping[str, float]) -> str:
    """List how long each step took."""
    return ", ".join(f"{step} {format_seconds(spent)}" for step, spent in seconds.items())
