"""Draw results with matplotlib (extra `plot`); every function returns the axes it drew on.

Nothing is saved or shown: `axes.figure.savefig("curve.png")` saves, and a notebook shows what a
cell has drawn. Pass `ax` to draw on axes of your own. Colours are those of Okabe and Ito, which
are told apart with any kind of colour vision.
"""

from evenly.plot.of_budgets import curve
from evenly.plot.of_distances import distances
from evenly.plot.of_pool import map
from evenly.plot.of_subsets import compare

__all__ = ["compare", "curve", "distances", "map"]
