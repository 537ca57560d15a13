"""Plain text tables, aligned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["format_seconds", "grid", "two_columns"]


def two_columns(rows: Iterable[tuple[str, str]]) -> str:
    """Labels and values side by side; a row without a label continues the one above."""
    kept = list(rows)
    width = max(len(label) for label, _ in kept)
    return "\n".join(f"{label:<{width}}  {value}".rstrip() for label, value in kept)


def grid(lines: Sequence[Sequence[str]]) -> str:
    """A table: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def format_seconds(seconds: float) -> str:
    """A duration to read: 0.42 s, 12.3 s, 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
