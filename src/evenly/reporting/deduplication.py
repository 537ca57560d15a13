"""A table of what became of duplicates, and the rows that were merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenly.reporting.provenance import input_line, is_normalized, seconds_line, text_line
from evenly.samples import excerpt, texts_of_rows
from evenly.tables import count, two_columns

if TYPE_CHECKING:
    from evenly.selection.results.deduplication import Deduplication

_GROUPS, _ROWS = 5, 3


def deduplication_table(found: Deduplication) -> str:
    """Return the rows that were kept and merged as a table to read in a terminal."""
    provenance = found.provenance
    total, dropped = len(found.representative), len(provenance.dropped)
    left_out = f"; {count(dropped, 'row')} dropped as unusable" if dropped else ""
    near = found.merged - found.exact_duplicates
    repeats = "repeats" if found.exact_duplicates == 1 else "repeat"
    are = "is" if near == 1 else "are"
    lines = [
        ("input", input_line(provenance)),
        ("text", text_line(provenance)),
        ("kept", f"{count(len(found), 'row')} ({len(found) / total:.1%}){left_out}"),
        ("duplicates", f"{count(found.exact_duplicates, 'row')} {repeats} another exactly"),
    ]
    if found.min_distance:
        lines.append(("", f"{near:,} more {are} nearer than {_distance(found)} to a kept row"))
    elif near:
        lines.append(("", f"{near:,} more {are} at distance 0 from a kept row"))
    lines.append(("seconds", seconds_line(provenance.seconds)))
    return "\n".join([two_columns(lines), *merged_lines(found)])


def _distance(found: Deduplication) -> str:
    """Write the distance, and the cosine similarity that it is between rows of length 1."""
    distance = found.min_distance
    if not is_normalized(found.provenance):
        return f"{distance:.4f}"
    return f"{distance:.4f} (cosine similarity {1.0 - distance**2 / 2.0:.4f})"


def merged_lines(found: Deduplication) -> list[str]:
    """Return the largest groups: the kept row, and below it the nearest rows merged into it."""
    groups = sorted(found.groups.items(), key=lambda group: (-len(group[1]), group[0]))
    if not groups:
        return []
    lines = ["", "Merged, in the largest groups:" if len(groups) > _GROUPS else "Merged:"]
    rows = {row for kept, others in groups[:_GROUPS] for row in (kept, *others[:_ROWS])}
    texts = _texts(found, sorted(rows))
    width = max(len(str(row)) for row in rows)
    for kept, others in groups[:_GROUPS]:
        lines.append(f"  row {kept:>{width}} is kept{texts.get(kept, '')}")
        lines += [
            f"    {found.distances[row]:.4f}  row {row:>{width}}{texts.get(row, '')}"
            for row in others[:_ROWS]
        ]
        if len(others) > _ROWS:
            lines.append(f"    and {count(len(others) - _ROWS, 'more row')}")
    if len(groups) > _GROUPS:
        more = count(len(groups) - _GROUPS, "more group")
        lines.append(f"  and {more}: --json and the manifest have them all")
    return lines


def _texts(found: Deduplication, rows: list[int]) -> dict[int, str]:
    """Return the beginnings of texts, as they are shown; none for vectors."""
    samples, options = found.samples, found.provenance.options
    if samples is None or samples.holds_vectors:
        return {}
    texts = list(texts_of_rows(samples, rows, options["text"], options["roles"]))
    return {row: f": {excerpt(text)}" for row, text in zip(rows, texts, strict=True)}
