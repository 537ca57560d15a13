"""Distances and their rounding errors: the only package that computes distances.

There is one distance, Euclidean, and one way to compute it: subtract, square, sum, in float64
(`kernels/exact.py`). Everything faster only *rules out*: matrix products of short proxies, in
float32 or less (`screening/proxies.py`), whose errors are bounded. Pairs that they do not rule
out are decided exactly (`screening/nearest.py`), so speed never changes an answer.
"""

from evenly.geometry import compiler  # noqa: F401
from evenly.geometry.distance_matrix import DistanceMatrix
from evenly.geometry.kernels.exact import TIE
from evenly.geometry.kernels.screening import Best, ErrorBound, Queries
from evenly.geometry.points import (
    LARGEST,
    MEAN_ROWS,
    Points,
    RowSums,
    blocks,
    first_of_the_farthest,
    reach_of,
    row_lengths,
    squared_distances_between,
)
from evenly.geometry.running_mean import RunningMean
from evenly.geometry.screening.nearest import (
    lower_to_nearest_of_all,
    lower_until_below,
)
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.search.approximate_neighbours import approximate_mean_distances
from evenly.geometry.search.closest_pair import closest_pair
from evenly.geometry.search.farthest import Cover, farthest_rows
from evenly.geometry.search.incremental import keep_arrivals
from evenly.geometry.search.knn_bound import are_near_enough, median_distance_at_least
from evenly.geometry.search.knn_distance import (
    mean_distances_of_all,
    mean_distances_to_nearest,
    most_isolated,
    pair_distances,
)
from evenly.geometry.search.nearest_chosen import nearest_chosen
from evenly.geometry.threads import (
    in_background,
    parallel_for,
    single_threaded_blas,
    usable_threads,
)

__all__ = [
    "LARGEST",
    "MEAN_ROWS",
    "TIE",
    "Best",
    "Cover",
    "DistanceMatrix",
    "ErrorBound",
    "Points",
    "ProxyTransform",
    "ProxyVectors",
    "Queries",
    "RowSums",
    "RunningMean",
    "Targets",
    "approximate_mean_distances",
    "are_near_enough",
    "blocks",
    "closest_pair",
    "farthest_rows",
    "first_of_the_farthest",
    "in_background",
    "keep_arrivals",
    "lower_to_nearest_of_all",
    "lower_until_below",
    "mean_distances_of_all",
    "mean_distances_to_nearest",
    "median_distance_at_least",
    "most_isolated",
    "nearest_chosen",
    "pair_distances",
    "parallel_for",
    "reach_of",
    "row_lengths",
    "single_threaded_blas",
    "squared_distances_between",
    "usable_threads",
]
