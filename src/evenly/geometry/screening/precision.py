"""Which precision multiplies: whichever is fastest here. The answer does not depend on it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.points import Points
from evenly.geometry.screening.nearest import lower_to_nearest
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["choose_precision"]


# Multiplications from which loading torch (a second or two, and 150 MB) pays, and measuring.
_WORTH_LOADING_TORCH = 2e12


_WORTH_MEASURING = 1e10


# What is measured: so many rows with so many columns, so often.
_ROWS, _COLUMNS = 192, 256


_TIMES = 3


# Bfloat16 must be clearly faster: its rounding leaves more pairs to decide.
_HANDICAP = {"float32": 1.0, "int16": 1.0, "bfloat16": 1.5}


# Seconds by precision, measured once a process: by the first pool that is large enough.
_measured: dict[str, float] = {}


def choose_precision(
    points: Points,
    work: float,
    transform: ProxyTransform | None = None,
    squared_radius: float = np.inf,
) -> str:
    """Say "float32", "int16" or "bfloat16", for comparing rows at distances about a radius.

    Args:
        points: the pool.
        work: how many multiplications there will be.
        transform: of the stand-ins; None for any, where rows are far apart.
        squared_radius: what products are compared with.
    """
    if work < _WORTH_MEASURING:
        return "float32"

    def is_fine(precision: str) -> bool:
        """Whether rounding is small against the radius, so that little is left to decide."""
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
    """How long comparing takes this processor where every pair is ruled out.

    The precisions take turns, so that whatever else the machine does hits all of them.
    """
    if not points.in_memory:
        points = points.take(np.arange(min(_ROWS, len(points))))
    compare = {precision: _comparison(points, precision) for precision in precisions}
    seconds = dict.fromkeys(precisions, np.inf)
    for turn in range(1 + _TIMES):
        for precision in precisions:
            began = time.perf_counter()
            compare[precision]()
            if turn:  # the first compiles, or loads what is compiled
                seconds[precision] = min(seconds[precision], time.perf_counter() - began)
    return seconds


def _comparison(points: Points, precision: str) -> Callable[[], None]:
    """A comparison to be measured."""
    proxies = ProxyVectors(points, ProxyTransform.about(points, np.zeros(points.dimension)))
    rows, numbers = np.arange(_ROWS) % len(points), np.arange(_COLUMNS)
    targets = Targets(proxies, _COLUMNS, precision)
    targets.append(points.take(numbers % len(points)), numbers)
    left = proxies[rows]
    products = np.empty((_ROWS, _COLUMNS), np.float32)
    below_all, nearest = np.full(_ROWS, -1.0), np.zeros(_ROWS, np.int64)

    def compare() -> None:
        if precision == "float32":  # without what comes after
            np.matmul(left, targets.matrix.T, out=products)
        else:
            lower_to_nearest(targets, 0, _COLUMNS, rows, left, below_all, nearest)

    return compare
