"""The verbs that choose rows, and the result, `Selection`."""

from evenly.selection.results.selection import Selection
from evenly.selection.uniform import select_uniform

__all__ = ["Selection", "select_uniform"]
