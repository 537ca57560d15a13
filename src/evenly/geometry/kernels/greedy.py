"""Farthest first among the rows of one frontier, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import _squared_distance
from evenly.geometry.kernels.screening import FAST, _limit, _ruled_out

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["NOT_BLOCKED", "OUT_OF_PURSE", "greedy_within"]


NOT_BLOCKED = -1


OUT_OF_PURSE = -2


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def greedy_within(
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " m"],
    between: np.ndarray[Any, Any],
    proxies: Float32[np.ndarray, "m w"],
    chunk: int,
    error_bound: tuple[float, float, float, float],
    between_decides: bool,
    coincident: float,
    numbers: Int[np.ndarray, " m"],
    ceiling: float,
    ceiling_number: int,
    tie: float,
    squared: Float[np.ndarray, " m"],
    weights: Float[np.ndarray, " m"],
    keys: Float[np.ndarray, " m"],
    met: Int[np.ndarray, " m"],
    kinds: Int[np.ndarray, " m"],
    room: Int[np.ndarray, " t"],
    costs: Int[np.ndarray, " m"],
    purse: int,
    reserve: int,
    positions: Int[np.ndarray, " p"],
    radii: Float[np.ndarray, " p"],
    count: int,
    owed: int,
) -> tuple[int, float, int]:
    """Farthest first among the rows of a frontier, for as long as picks are certain.

    A row is compared with picks it has not met only when it could be the next: what is known
    of it bounds its distance from above. `between` rules out pairs, where there are any; where
    it decides, it holds the squared distances themselves. What it does not rule out,
    `proxies` may. See `selection.farthest_first` for when a pick is certain.

    Args:
        stored, factors, between, proxies, numbers, ceiling, ceiling_number: as in `Frontier`.
        chunk, allowance, between_decides, coincident, tie: how pairs are compared.
        squared: squared distance to the nearest of the chosen rows that a row has met.
        weights: what squared distances are multiplied by; empty where nothing is.
        keys: the two multiplied; -inf for rows that are out.
        met: how many of this frontier's picks a row has met.
        kinds, room: the kind of each row, and how many more of each kind may be picked; empty
            where any may.
        costs, purse: the cost of each row, and how much is left; empty where rows cost nothing.
        reserve: while more than this is left, rows that do not fit are passed over. After that
            the first pick that does not fit ends the selection.
        positions, radii: the picks and their squared distances.
        count: how many picks there are already.
        owed: how many there may be.

    Returns:
        How many picks there are; the largest key that is left; and the kind that had no room
        for the next pick, NOT_BLOCKED, or OUT_OF_PURSE. The arrays hold the state to go on.
    """
    scale, stretch, error, rounding = error_bound
    terms = np.empty(stored.shape[1])
    while True:
        # The largest bound first: brought up to date, it spares most others the same.
        first = 0
        for row in range(len(keys)):
            if len(costs) > 0 and purse > reserve and costs[row] > purse:
                keys[row] = -np.inf
            if keys[row] > keys[first]:
                first = row
        largest = -np.inf
        for turn in range(-1, len(keys)):
            row = first if turn < 0 else turn
            if keys[row] < largest * (1.0 - tie) or keys[row] == -np.inf:
                continue
            if met[row] < count:
                limit = _limit(max(squared[row], 0.0), scale, stretch, error, rounding)
                weight = weights[row] if len(weights) > 0 else 1.0
                for pick in range(met[row], count):
                    met[row] = pick + 1
                    position = positions[pick]
                    one, other = min(row, position), max(row, position)
                    if between_decides:
                        squared[row] = min(squared[row], np.float64(between[one, other]))
                        continue
                    if len(between) > 0 and between[one, other] >= limit:
                        continue
                    if _ruled_out(proxies, row, proxies, position, 0, chunk, np.float32(0), limit):
                        continue
                    decided = _squared_distance(
                        stored, factors, row, stored, factors, position, coincident, terms
                    )
                    if decided < squared[row]:
                        squared[row] = decided
                        limit = _limit(decided, scale, stretch, error, rounding)
                        if decided * weight < largest * (1.0 - tie):
                            break  # not the next: the others can wait
                keys[row] = squared[row] * weight
            largest = max(largest, keys[row])
        if count == owed or largest == -np.inf:
            return count, largest, NOT_BLOCKED
        position = 0
        while keys[position] < largest * (1.0 - tie):
            position += 1
        if ceiling >= largest * (1.0 - tie) and (
            keys[position] < ceiling * (1.0 - tie) or numbers[position] > ceiling_number
        ):
            return count, largest, NOT_BLOCKED
        if len(kinds) > 0:
            kind = kinds[position]
            if room[kind] <= 0:
                return count, largest, kind
        if len(costs) > 0:
            if costs[position] > purse:
                return count, largest, OUT_OF_PURSE
            purse -= costs[position]
        if len(kinds) > 0:
            room[kinds[position]] -= 1
        positions[count] = position
        radii[count] = squared[position]
        count += 1
        keys[position] = -np.inf
