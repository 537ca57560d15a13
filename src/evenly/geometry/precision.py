"""Which precision multiplies: whichever is fastest here. The answer does not depend on it."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.standins import Frame

if TYPE_CHECKING:
    from jaxtyping import Float32

__all__ = ["choose_precision", "seconds_by_precision"]

# Multiplications from which loading torch (a second or two) pays, and the measurement.
_WORTH_LOADING_TORCH = 5e11
_WORTH_MEASURING = 1e10
# What is measured: products of so many rows, columns and coordinates, so often.
_ROWS, _COLUMNS, _COORDINATES = 384, 512, 128
_TIMES = 5
# Float32 is given up for what is clearly faster: rounding leaves more pairs to decide.
_HANDICAP = {"float32": 1.0, "int16": 1.1, "bfloat16": 1.5}


def choose_precision(frame: Frame, squared_radius: float, work: float) -> str:
    """Say "float32", "int16" or "bfloat16", for comparing rows at distances about the radius.

    Args:
        frame: of the stand-ins.
        squared_radius: what products are compared with.
        work: how many multiplications there will be.
    """

    def is_fine(precision: str) -> bool:
        """Whether rounding is small against the radius, so that little is left to decide."""
        allowance = frame.allowance(precision)
        return allowance.rounding <= squared_radius * allowance.scale**2 / 8

    seconds = seconds_by_precision(work)
    fine = [precision for precision in seconds if precision == "float32" or is_fine(precision)]
    return min(fine, key=lambda precision: _HANDICAP[precision] * seconds[precision])


def seconds_by_precision(work: float) -> dict[str, float]:
    """How long this processor takes for some products, in each precision that comes in question.

    Args:
        work: how many multiplications there will be: of few, only "float32" does.
    """
    measures = {"float32": _seconds_in_float32}
    if work >= _WORTH_MEASURING:
        measures["int16"] = _seconds_in_int16
        if "torch" in sys.modules or work > _WORTH_LOADING_TORCH:
            measures["bfloat16"] = _seconds_in_bfloat16
    if len(measures) == 1:
        return {"float32": 0.0}
    return {precision: seconds() for precision, seconds in measures.items()}


@functools.cache
def _seconds_in_float32() -> float:
    rows, columns = np.ones((_ROWS, _COORDINATES), np.float32), _columns()
    products = np.empty((_ROWS, _COLUMNS), np.float32)
    return _seconds_of(lambda: np.matmul(rows, columns.T, out=products))


@functools.cache
def _seconds_in_int16() -> float:
    from evenly.geometry.compiled import BLOCK
    from evenly.geometry.int16 import (
        TOGETHER,
        fill_panels,
        multiply_by_int16,
        panels_for,
        round_rows,
    )

    rows, columns = np.ones((TOGETHER, _COORDINATES), np.float32), _columns()
    panels = panels_for(_COLUMNS, _COORDINATES)
    one = np.float32(1)
    fill_panels(columns, one, 0, _COLUMNS, panels)
    short = np.zeros((TOGETHER, _COORDINATES), np.int16)
    lengths, column_lengths = np.empty(TOGETHER, np.float32), np.ones(_COLUMNS, np.float32)
    products = np.empty((TOGETHER, _COLUMNS), np.float32)
    smallest = np.empty((TOGETHER, _COLUMNS // BLOCK), np.float32)

    def multiply() -> None:
        for _ in range(_ROWS // TOGETHER):
            round_rows(rows, _COORDINATES, one, short, lengths)
            multiply_by_int16(short, TOGETHER, panels, one, column_lengths, products, smallest)

    return _seconds_of(multiply)


@functools.cache
def _seconds_in_bfloat16() -> float:
    from evenly.geometry.bfloat16 import as_bfloat16, product

    rows, short = np.ones((_ROWS, _COORDINATES), np.float32), as_bfloat16(_columns())
    return _seconds_of(lambda: product(rows, short))


def _columns() -> Float32[np.ndarray, "k w"]:
    return np.ones((_COLUMNS, _COORDINATES), np.float32)


def _seconds_of(multiply: Callable[[], object]) -> float:
    multiply()  # the first time compiles, or loads what is compiled
    seconds = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
