"""Turn a selection and its vectors into numbers that show how good it is."""

from evenly.metrics.measure import measure
from evenly.metrics.measures import Measures
from evenly.metrics.rows_at import RowsAt, rows_at
from evenly.metrics.suggest import suggest_budget
from evenly.metrics.suggestion import BudgetSuggestion

__all__ = ["BudgetSuggestion", "Measures", "RowsAt", "measure", "rows_at", "suggest_budget"]
