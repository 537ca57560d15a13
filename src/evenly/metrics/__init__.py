"""Turn a selection and its vectors into numbers that show how good it is."""

from evenly.metrics.measure import measure
from evenly.metrics.measures import Measures
from evenly.metrics.rows_at import RowsAt, rows_at

__all__ = ["Measures", "RowsAt", "measure", "rows_at"]
