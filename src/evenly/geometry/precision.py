"""Which precision proposes: whichever is faster here. The answer does not depend on it."""

from __future__ import annotations

import functools
import sys
import time

import numpy as np

from evenly.geometry.exact import Points
from evenly.geometry.proposals import Float32Proposals, Proposals

__all__ = ["make_proposals"]

# Multiplications from which loading torch (a second or two) pays.
_WORTH_LOADING_TORCH = 5e11
_WORTH_MEASURING = 1e9


def make_proposals(points: Points, others: int) -> Proposals:
    """Proposals for comparing the points with about `others` rows, in the faster precision."""
    work = float(len(points)) * others * points.dimension
    loaded = "torch" in sys.modules and work > _WORTH_MEASURING
    if (loaded or work > _WORTH_LOADING_TORCH) and _bfloat16_is_faster():
        from evenly.geometry.torch_proposals import Bfloat16Proposals

        return Bfloat16Proposals(points)
    return Float32Proposals(points)


@functools.cache
def _bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 matrices at least twice as fast as float32."""
    import torch

    rows = np.ones((4096, 384), np.float32)
    columns = np.ones((256, 384), np.float32)
    short_rows, short_columns = (torch.from_numpy(m).bfloat16() for m in (rows, columns))
    float32, bfloat16 = [], []
    for _ in range(4):
        began = time.perf_counter()
        rows @ columns.T
        middle = time.perf_counter()
        short_rows @ short_columns.T
        float32.append(middle - began)
        bfloat16.append(time.perf_counter() - middle)
    return min(bfloat16) * 2 < min(float32)
