"""A table of what became of duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenly.report.provenance import input_line, is_normalized, seconds_line, text_line
from evenly.report.table import two_columns, with_cosine

if TYPE_CHECKING:
    from evenly.selection.results.deduplication import Deduplication


def deduplication_table(found: Deduplication) -> str:
    """Return the rows that were kept and merged as a table to read in a terminal."""
    provenance = found.provenance
    total, dropped = len(found.representative), len(provenance.dropped)
    left_out = f"; {dropped:,} rows dropped as unusable" if dropped else ""
    near = found.merged - found.exact_duplicates
    lines = [
        ("input", input_line(provenance)),
        ("text", text_line(provenance)),
        ("kept", f"{len(found):,} rows ({len(found) / total:.1%}){left_out}"),
        ("duplicates", f"{found.exact_duplicates:,} rows repeat another exactly"),
    ]
    if found.min_distance:
        distance = with_cosine(found.min_distance, normalized=is_normalized(provenance))
        lines.append(("", f"{near:,} more are nearer than {distance} to a kept row"))
    elif near:
        lines.append(("", f"{near:,} more are at distance 0 from a kept row"))
    if found.groups:
        row, group = max(found.groups.items(), key=lambda group: len(group[1]))
        others = f"{len(group):,} other{'s' if len(group) > 1 else ''}"
        away = f"at most {found.distances[group[-1]]:.4f} away"
        lines.append(("largest group", f"row {row} represents {others}, {away}"))
    return two_columns([*lines, ("seconds", seconds_line(provenance.seconds))])
