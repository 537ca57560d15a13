"""Which precision multiplies: whichever is faster here. The answer does not depend on it."""

from __future__ import annotations

import functools
import sys
import time

import numpy as np

from evenly.geometry.standins import Frame

__all__ = ["choose_precision"]

# Multiplications from which loading torch (a second or two) pays, and the measurement.
_WORTH_LOADING_TORCH = 5e11
_WORTH_MEASURING = 1e10


def choose_precision(frame: Frame, squared_radius: float, work: float) -> str:
    """Say "float32" or "bfloat16", for comparing rows at distances about the radius.

    Args:
        frame: of the stand-ins.
        squared_radius: what products are compared with.
        work: how many multiplications there will be.
    """
    loaded = "torch" in sys.modules and work > _WORTH_MEASURING
    if not (loaded or work > _WORTH_LOADING_TORCH):
        return "float32"
    # Rounding must be small against the radius, or too much is left to decide.
    allowance = frame.allowance(bfloat16=True)
    if allowance.rounding > squared_radius * allowance.scale**2 / 8:
        return "float32"
    return "bfloat16" if _bfloat16_is_faster() else "float32"


@functools.cache
def _bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 matrices at least twice as fast as float32."""
    from evenly.geometry.bfloat16 import as_bfloat16, product

    rows = np.ones((1024, 128), np.float32)
    columns = np.ones((512, 128), np.float32)
    short = as_bfloat16(columns)
    float32, bfloat16 = [], []
    for _ in range(6):
        began = time.perf_counter()
        rows @ columns.T
        middle = time.perf_counter()
        product(rows, short)
        float32.append(middle - began)
        bfloat16.append(time.perf_counter() - middle)
    return min(bfloat16) * 1.5 < min(float32)
