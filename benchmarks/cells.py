"""Cells and tables of the page docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTHING = "–"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Render a table; all columns but the first are right-aligned."""
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [header, ruler, *lines])


def as_time(seconds: float) -> str:
    """Return seconds with three digits."""
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage."""
    if share is None:
        return NOTHING
    # Only an exact 1 is shown as 100 %.
    return f"{100 * share:.1f} %" if share in (0.0, 1.0) else f"{min(100 * share, 99.99):.2f} %"


def as_bytes(count: int | None) -> str:
    """Return a number of bytes in GB or MB."""
    if count is None:
        return NOTHING
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
