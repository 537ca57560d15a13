"""The inner loop of packings: rows that keep a distance from all kept before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.compiled import _FAST, _limit, _ruled_out, _squared_distance

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["keep_apart"]


@numba.njit(**_FAST)  # type: ignore[untyped-decorator]
def keep_apart(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    between: Float32[np.ndarray, "m m"],
    stand_ins: Float32[np.ndarray, "m w"],
    width: int,
    chunk: int,
    allowance: tuple[float, float, float, float],
    coincident: float,
    reach: float,
    owed: int,
) -> Int[np.ndarray, " p"]:
    """Keep each row, in order, whose squared distance to all kept before it is `reach` or more.

    Args:
        stored, factors: the rows.
        between: what products of the first `width` coordinates of the stand-ins make of the
            squared distances; only what is right of the diagonal is read.
        stand_ins: all coordinates.
        chunk: how many of those behind `width` are added up at once.
        allowance: scale, stretch, error and rounding; see `Allowance`.
        coincident: squared distances below this are 0.
        reach: see above.
        owed: stop after so many.

    Returns:
        Positions of the rows that are kept.
    """
    scale, stretch, error, rounding = allowance
    limit = _limit(reach, scale, stretch, error, rounding)
    out = np.zeros(len(between), np.bool_)
    kept = np.empty(min(owed, len(between)), np.int64)
    terms = np.empty(stored.shape[1])
    count = 0
    for here in range(len(between)):
        if count == len(kept):
            break
        if out[here]:
            continue
        kept[count] = here
        count += 1
        for there in range(here + 1, len(between)):
            product = between[here, there]
            if product >= limit or out[there]:
                continue
            if width < stand_ins.shape[1] and _ruled_out(
                stand_ins, there, stand_ins, here, width, chunk, product, limit
            ):
                continue
            if (
                _squared_distance(stored, factors, there, stored, factors, here, coincident, terms)
                < reach
            ):
                out[there] = True
    return kept[:count]
