"""Numbers into something to read: tables."""

from evenly.report.summary import measures_table, selection_table, stream_table

__all__ = ["measures_table", "selection_table", "stream_table"]
