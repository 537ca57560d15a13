"""Choice of the precision of products: the fastest on this machine. It never changes an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points
from evenly.geometry.screening.nearest import lower_to_nearest
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable

# Multiplications from which measuring pays, and from which another precision does if that was done.
_WORTH_MEASURING, _WORTH_CHANGING = 1e10, 1e9

# Rows and targets that are compared to measure a precision, and how often.
_ROWS, _TARGETS = 192, 512
_TIMES = 3

# Seconds by precision, measured once a process, by the first pool that is large enough.
_measured: dict[str, float] = {}


def choose_precision(
    points: Points,
    work: float,
    transform: ProxyTransform | None = None,
    squared_radius: float = np.inf,
) -> str:
    """Return "float32" or "int16", for comparing rows at distances about a radius.

    Args:
        points: the pool.
        work: multiplications to come.
        transform: that of the proxies; None if rows are so far apart that any precision will do.
        squared_radius: what products are compared with.
    """
    if work < (_WORTH_CHANGING if _measured else _WORTH_MEASURING):
        return "float32"
    if transform is not None:
        # Unless rounding is small against the radius, too many pairs would have to be decided.
        error_bound = transform.error_bound("int16")
        if error_bound.rounding > squared_radius * error_bound.scale**2 / 8:
            return "float32"
    if not _measured:
        _measured.update(_seconds(points))
    return min(_measured, key=_measured.__getitem__)


def _seconds(points: Points) -> dict[str, float]:
    """Measure comparisons that rule every pair out.

    The precisions take turns, so that other work of the machine hits all of them.
    """
    if not points.in_memory:
        points = points.take(np.arange(min(_ROWS, len(points))))
    comparisons = {name: _comparison(points, name) for name in ("float32", "int16")}
    seconds = dict.fromkeys(comparisons, np.inf)
    for turn in range(1 + _TIMES):
        for precision, compare in comparisons.items():
            began = time.perf_counter()
            compare()
            if turn:  # the first call compiles, or loads compiled code
                seconds[precision] = min(seconds[precision], time.perf_counter() - began)
    return seconds


def _comparison(points: Points, precision: str) -> Callable[[], None]:
    """Return a function to measure."""
    proxies = ProxyVectors(points, ProxyTransform.about(points, np.zeros(points.dimension)))
    numbers = np.arange(_TARGETS)
    targets = Targets(proxies, _TARGETS, precision)
    targets.append(points.take(numbers % len(points)), numbers)
    queries = targets.queries(np.arange(_ROWS) % len(points))
    products = np.empty((_ROWS, _TARGETS), np.float32)
    below_all = Best(np.full(_ROWS, -1.0), np.zeros(_ROWS, np.int64))

    def compare() -> None:
        if precision == "float32":  # the product alone
            np.matmul(queries.proxies, targets.matrix.T, out=products)
        else:
            lower_to_nearest(targets, 0, _TARGETS, queries, below_all)

    return compare
