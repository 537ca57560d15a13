"""What became of duplicates, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenly.report.summary import input_of, seconds_of, text_of, with_cosine
from evenly.report.table import two_columns

if TYPE_CHECKING:
    from evenly.selection.results.deduplication import Deduplication

__all__ = ["deduplication_table"]


def deduplication_table(found: Deduplication) -> str:
    """The rows that are kept and those that are merged, to read in a terminal."""
    provenance = found.provenance
    total, dropped = len(found.representative), len(provenance["dropped"])
    left_out = f"; {dropped:,} rows dropped as unusable" if dropped else ""
    rows = [
        ("input", input_of(provenance)),
        ("text", text_of(provenance)),
        ("kept", f"{len(found):,} rows ({len(found) / total:.1%}){left_out}"),
        ("duplicates", f"{found.exact_duplicates:,} rows repeat another exactly"),
    ]
    if found.min_distance:
        normalized = provenance["options"]["normalize"]
        near = found.merged - found.exact_duplicates
        distance = with_cosine(found.min_distance, normalized=normalized)
        rows.append(("", f"{near:,} more are nearer than {distance} to one that is kept"))
    elif found.merged > found.exact_duplicates:
        more = found.merged - found.exact_duplicates
        rows.append(("", f"{more:,} more are at distance 0 of one that is kept"))
    if found.groups:
        row, group = max(found.groups.items(), key=lambda group: len(group[1]))
        farthest = found.distances[group[-1]]
        rows.append(
            (
                "largest group",
                f"row {row} stands for {len(group):,} others, at most {farthest:.4f} from it",
            )
        )
    return two_columns([*rows, ("seconds", seconds_of(provenance["seconds"]))])
