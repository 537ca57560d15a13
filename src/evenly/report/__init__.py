"""Numbers into something to read: tables."""

<<<<<<< HEAD
from evenly.report.summary import measures_table, selection_table, stream_table

__all__ = ["measures_table", "selection_table", "stream_table"]
=======
from evenly.report.compare import Comparison, compare
from evenly.report.summary import measures_table, selection_table

__all__ = ["Comparison", "compare", "measures_table", "selection_table"]
>>>>>>> 3ac974c (compare and rows_at; the bound in the tables)
