"""Numbers into something to read: tables."""

from evenly.report.compare import Comparison, compare
from evenly.report.deduplication import deduplication_table
from evenly.report.summary import measures_table, selection_table, stream_table

__all__ = [
    "Comparison",
    "compare",
    "deduplication_table",
    "measures_table",
    "selection_table",
    "stream_table",
]
