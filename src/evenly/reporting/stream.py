"""A table of what was chosen from a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenly.reporting.provenance import is_normalized
from evenly.tables import count, two_columns, with_cosine

if TYPE_CHECKING:
    from evenly.selection.results.stream import StreamSelection


def stream_table(found: StreamSelection) -> str:
    """Return the rows chosen from a stream as a table to read in a terminal."""
    provenance, normalized = found.provenance, is_normalized(found.provenance)
    rows, stream = provenance.input.rows, provenance.details["stream"]
    dropped = f"{stream['dropped']:,}" if stream["dropped"] else "none"
    lines = []
    if provenance.encoder is not None:
        lines.append(("text", f"{provenance.text}, embedded with {provenance.encoder.name}"))
    lines += [
        ("chosen", f"{len(found):,} of {count(rows, 'row')} in one pass; {dropped} dropped"),
        ("candidates", f"{count(stream['candidates'], 'row')} kept to choose from"),
        ("h_min", with_cosine(found.h_min, normalized=normalized)),
        ("", f"at most {found.h_min_bound:.4f} for any {count(len(found), 'row')}"),
        ("covered within", with_cosine(found.coverage_bound, normalized=normalized)),
    ]
    if found.coverage_radius is not None:
        radius = with_cosine(found.coverage_radius, normalized=normalized)
        lines.append(("coverage radius", f"{radius}, from a second pass"))
    return two_columns(lines)
