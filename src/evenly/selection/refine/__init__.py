"""Search for a larger h_min at the same budget, starting from farthest-first picks."""

from evenly.selection.refine.search import Refine, Refined, refine

__all__ = ["Refine", "Refined", "refine"]
