"""The command line's jobs that pack: choosing by quality, removing duplicates."""

from __future__ import annotations

from typing import Any, BinaryIO

from evenly.cli.jobs import check_output, measure_and_write, write_output
from evenly.metrics import Measures
from evenly.selection.by_quality import by_quality_and_keep
from evenly.selection.deduplicate import deduplicate
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.selection import Selection

__all__ = ["run_by_quality", "run_deduplication"]


def run_by_quality(
    data: Any,
    arguments: dict[str, Any],
    *,
    output: str | BinaryIO | None,
    force: bool,
    progress: bool | None,
    **after: Any,
) -> tuple[Selection, Measures]:
    """Select by quality, measure, and write the records with their manifest beside them."""
    check_output(output, force=force)
    selection, prepared = by_quality_and_keep(data, **arguments, progress=progress)
    measures = measure_and_write(
        selection, prepared, output=output, force=force, progress=progress, **after
    )
    return selection, measures


def run_deduplication(
    data: Any,
    arguments: dict[str, Any],
    *,
    output: str | BinaryIO | None,
    force: bool,
    progress: bool | None,
) -> Deduplication:
    """Remove duplicates, and write the records that are kept with their manifest beside them."""
    check_output(output, force=force)
    found = deduplicate(data, **arguments, progress=progress)
    write_output(found, output, force=force)
    return found
