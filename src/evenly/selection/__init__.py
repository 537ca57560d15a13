"""The verbs that choose rows, and the result, `Selection`."""

from evenly.selection.select import select_uniform
from evenly.selection.selection import Selection

__all__ = ["Selection", "select_uniform"]
