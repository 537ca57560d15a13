"""Aligned plain-text tables, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape


def two_columns(rows: Iterable[tuple[str, str]]) -> str:
    """Put labels and values side by side; a row without a label continues the one above."""
    kept = list(rows)
    width = max(len(label) for label, _ in kept)
    return "\n".join(f"{label:<{width}}  {value}".rstrip() for label, value in kept)


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Align the first column of a table to the left and all others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def html_table(
    caption: str, lines: Iterable[Sequence[str]], heading: Sequence[str] | None = None
) -> str:
    """Return a table for a notebook: plain HTML, in which every text is shown as it is.

    Args:
        caption: what stands above it.
        lines: the cells of each line; the first is its label.
        heading: the names of the columns.
    """
    rows = [] if heading is None else [_html_row(heading, "th", "th")]
    rows += [_html_row(line, "th", "td") for line in lines]
    above = f'<caption style="text-align:left">{escape(caption)}</caption>'
    return f"<table>{above}{''.join(rows)}</table>"


def _html_row(cells: Sequence[str], first: str, others: str) -> str:
    tags = [first, *[others] * (len(cells) - 1)]
    return "".join(
        [
            "<tr>",
            *(
                f'<{tag} style="text-align:left">{escape(cell)}</{tag}>'
                for tag, cell in zip(tags, cells, strict=True)
            ),
            "</tr>",
        ]
    )


def format_seconds(seconds: float) -> str:
    """Format a duration: 0.42 s, 12.3 s, 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def with_cosine(distance: float, *, normalized: bool) -> str:
    """Format a distance; between normalised rows, add the cosine distance that it equals."""
    if not math.isfinite(distance):
        return f"{distance}"
    cosine = f" (cosine distance {distance**2 / 2:.4f})" if normalized else ""
    return f"{distance:.4f}{cosine}"


def count(number: int, noun: str) -> str:
    """Write a number of things: 1 row, 2 rows, 1,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
