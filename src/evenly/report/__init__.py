"""Turn numbers into tables to read."""

from evenly.report.compare import Comparison, compare, compare_subsets
from evenly.report.deduplication import deduplication_table
from evenly.report.selection import selection_table
from evenly.report.stream import stream_table

__all__ = [
    "Comparison",
    "compare",
    "compare_subsets",
    "deduplication_table",
    "selection_table",
    "stream_table",
]
