"""A larger h_min for the same budget, beyond what farthest-first finds."""

from evenly.selection.refine.search import Refine, Refined, refine

__all__ = ["Refine", "Refined", "refine"]
