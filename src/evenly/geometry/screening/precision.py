"""Choice of the precision of products: the fastest on this machine. It never changes an answer."""

from __future__ import annotations

import sys
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

# Multiplications from which loading torch (a second or two, and 150 MB) pays.
_WORTH_LOADING_TORCH = 2e12


# Multiplications from which measuring pays.
_WORTH_MEASURING = 1e10


# Rows and targets that are compared to measure a precision, and how often.
_ROWS, _TARGETS = 192, 512


_TIMES = 3


# bfloat16 must be clearly faster, because its rounding leaves more pairs to decide.
_HANDICAP = {"float32": 1.0, "int16": 1.0, "bfloat16": 1.5}


# Seconds by precision, measured once a process, by the first pool that is large enough.
_measured: dict[str, float] = {}


def choose_precision(
    points: Points,
    work: float,
    transform: ProxyTransform | None = None,
    squared_radius: float = np.inf,
) -> str:
    """Return "float32", "int16" or "bfloat16", for comparing rows at distances about a radius.

    Args:
        points: the pool.
        work: multiplications to come.
        transform: that of the proxies; None if rows are so far apart that any precision will do.
        squared_radius: what products are compared with.
    """
    if work < _WORTH_MEASURING:
        return "float32"

    def is_fine(precision: str) -> bool:
        """Return whether rounding is small against the radius, so that few pairs are decided."""
        if transform is None:
            return True
        error_bound = transform.error_bound(precision)
        return error_bound.rounding <= squared_radius * error_bound.scale**2 / 8

    found = ["float32"] + ["int16"] * is_fine("int16")
    if "torch" in sys.modules or work > _WORTH_LOADING_TORCH:
        found += ["bfloat16"] * is_fine("bfloat16")
    if not _measured.keys() >= set(found):
        _measured.update(_seconds(points, found))
    return min(found, key=lambda precision: _HANDICAP[precision] * _measured[precision])


def _seconds(points: Points, precisions: list[str]) -> dict[str, float]:
    """Measure comparisons that rule every pair out.

    The precisions take turns, so that other work of the machine hits all of them.
    """
    if not points.in_memory:
        points = points.take(np.arange(min(_ROWS, len(points))))
    compare = {precision: _comparison(points, precision) for precision in precisions}
    seconds = dict.fromkeys(precisions, np.inf)
    for turn in range(1 + _TIMES):
        for precision in precisions:
            began = time.perf_counter()
            compare[precision]()
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
