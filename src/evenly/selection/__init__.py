"""Choose rows: the verbs, one file each, and the packages that they are made of."""

from evenly.selection.selection import Selection
from evenly.selection.uniform import select_uniform

__all__ = ["Selection", "select_uniform"]
