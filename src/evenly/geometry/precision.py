"""Which precision multiplies: whichever is fastest here. The answer does not depend on it."""

from __future__ import annotations

import functools
import sys
import time

import numpy as np

from evenly.geometry.columns import Columns
from evenly.geometry.exact import Points
from evenly.geometry.nearest import lower_to_nearest
from evenly.geometry.standins import Frame, StandIns

__all__ = ["choose_precision"]

# Multiplications from which loading torch (a second or two) pays, and the measurement.
_WORTH_LOADING_TORCH = 5e11
_WORTH_MEASURING = 1e10
# What is measured: products of so many rows, columns and coordinates, so often.
_ROWS, _COLUMNS, _COORDINATES = 384, 512, 128
_TIMES = 5


def choose_precision(frame: Frame, squared_radius: float, work: float) -> str:
    """Say "float32", "bfloat16" or "int16", for comparing rows at distances about the radius.

    Args:
        frame: of the stand-ins.
        squared_radius: what products are compared with.
        work: how many multiplications there will be.
    """
    if work < _WORTH_MEASURING:
        return "float32"

    def fits(precision: str) -> bool:
        """Whether rounding is small against the radius, so that little is left to decide."""
        allowance = frame.allowance(precision)
        return allowance.rounding <= squared_radius * allowance.scale**2 / 8

    seconds = {"float32": _seconds("float32")}
    if fits("int16"):
        seconds["int16"] = 1.1 * _seconds("int16")
    if fits("bfloat16") and ("torch" in sys.modules or work > _WORTH_LOADING_TORCH):
        seconds["bfloat16"] = 1.5 * _seconds("bfloat16")
    return min(seconds, key=seconds.__getitem__)


@functools.cache
def _seconds(precision: str) -> float:
    """How long comparing takes this processor where every pair is ruled out."""
    rows = np.zeros((_ROWS + _COLUMNS, _COORDINATES), np.float32)
    rows[_ROWS:, 0] = 1.0
    points = Points(rows, None, np.ones(len(rows), bool), 1.0)
    stand_ins = StandIns(points, Frame.about(points, np.zeros(_COORDINATES)))
    columns = Columns(stand_ins, _COLUMNS, precision)
    columns.append(points.take(np.arange(_ROWS, len(rows))), np.arange(_COLUMNS))
    numbers = np.arange(_ROWS)
    left = stand_ins[numbers]
    squared, nearest = np.zeros(_ROWS), np.zeros(_ROWS, np.int64)
    seconds = []
    for _ in range(1 + _TIMES):  # the first to compile, or to load what is compiled
        began = time.perf_counter()
        lower_to_nearest(columns, 0, _COLUMNS, numbers, left, squared, nearest)
        seconds.append(time.perf_counter() - began)
    return min(seconds)
