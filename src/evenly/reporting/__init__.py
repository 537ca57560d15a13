"""Turn numbers into tables to read."""

from evenly.reporting.compare import Comparison, compare, compare_subsets
from evenly.reporting.deduplication import deduplication_table
from evenly.reporting.selection import selection_table
from evenly.reporting.stream import stream_table

__all__ = [
    "Comparison",
    "compare",
    "compare_subsets",
    "deduplication_table",
    "selection_table",
    "stream_table",
]
