"""A selection and its vectors in, numbers that say how good it is out."""

from evenly.metrics.measure import Measures, measure
from evenly.metrics.rows_at import RowsAt, rows_at

__all__ = ["Measures", "RowsAt", "measure", "rows_at"]
