"""Compiled farthest-first traversal of the rows of one frontier."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.exact import TIE, Vectors, squared_distance
from evenly.geometry.kernels.screening import FAST, Screen, is_ruled_out, limit_of
from evenly.shapes import Float, Float32, Int

NOT_BLOCKED = -1
OUT_OF_TOKENS = -2
_NOTHING = np.float32(0)


class FrontierArrays(NamedTuple):
    """The rows of a frontier, m of them; see `evenly.engines.protocol.Frontier`.

    Attributes:
        vectors: the rows; not read if `between` is exact.
        between: (m, k) what products make of the squared distances between the rows, read right
            of the diagonal only; empty to do without.
        is_exact: whether `between` holds the squared distances themselves.
        proxies: (m, W) float32 proxies.
        screen: how proxies rule out what `between` does not; its width is 0.
        numbers: (m,) row numbers in the pool.
        weights: (m,) factors of the squared distances; empty if there are none.
        ceiling: no row outside has a larger squared distance times its weight.
        ceiling_number: the smallest row number outside that may tie with the ceiling.
    """

    vectors: Vectors
    between: np.ndarray[Any, Any]
    is_exact: bool
    proxies: Float32[np.ndarray, "m W"]
    screen: Screen
    numbers: Int[np.ndarray, " m"]
    weights: Float[np.ndarray, " m"]
    ceiling: float
    ceiling_number: int


class PickLimits(NamedTuple):
    """What may be picked.

    Attributes:
        strata: (m,) stratum of each row; empty if there are no quotas.
        room: (t,) how many more rows of each stratum may be picked; lowered in place.
        costs: (m,) tokens of each row; empty if rows cost nothing.
        tokens_left: tokens that may still be spent.
        reserve: while more tokens than this are left, rows that do not fit are passed over;
            after that the first pick that does not fit ends the selection.
    """

    strata: Int[np.ndarray, " m"]
    room: Int[np.ndarray, " t"]
    costs: Int[np.ndarray, " m"]
    tokens_left: int
    reserve: int


class PickState(NamedTuple):
    """How far the traversal has come; changed in place.

    Attributes:
        squared: (m,) squared distance to the nearest chosen row that a row was compared with.
        keys: (m,) the same times the weight; -inf for a row that cannot be picked any more.
        compared: (m,) how many picks of this frontier a row was compared with.
        positions: (p,) the picks.
        radii: (p,) their squared distances when they were picked.
    """

    squared: Float[np.ndarray, " m"]
    keys: Float[np.ndarray, " m"]
    compared: Int[np.ndarray, " m"]
    positions: Int[np.ndarray, " p"]
    radii: Float[np.ndarray, " p"]


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def greedy_within(
    frontier: FrontierArrays, limits: PickLimits, state: PickState, count: int, most: int
) -> tuple[int, float, int]:
    """Pick the farthest row again and again, for as long as picks are certain.

    A row is compared with further picks only when it could be the next pick: what is known of it
    bounds its distance from above. `evenly.selection.greedy.driver` defines when a pick is
    certain.

    Args:
        frontier: the rows.
        limits: what may be picked.
        state: the picks so far, and what is known of the rows.
        count: how many picks there are already.
        most: how many there may be.

    Returns:
        How many picks there are; the largest key among the other rows; and the stratum that had
        no room for the next pick, or NOT_BLOCKED, or OUT_OF_TOKENS.
    """
    vectors, between = frontier.vectors, frontier.between
    proxies, screen = frontier.proxies, frontier.screen
    squared, keys, compared, positions = state.squared, state.keys, state.compared, state.positions
    strata, room, costs, tokens_left = limits.strata, limits.room, limits.costs, limits.tokens_left
    weights, numbers, bound = frontier.weights, frontier.numbers, screen.error_bound
    ceiling, ceiling_number, radii = frontier.ceiling, frontier.ceiling_number, state.radii
    terms = np.empty(vectors.stored.shape[1])
    while True:
        # The largest bound first: once up to date, it spares most other rows a comparison.
        first = 0
        for row in range(len(keys)):
            if len(costs) > 0 and tokens_left > limits.reserve and costs[row] > tokens_left:
                keys[row] = -np.inf
            if keys[row] > keys[first]:
                first = row
        largest = -np.inf
        for turn in range(-1, len(keys)):
            row = first if turn < 0 else turn
            if keys[row] < largest * (1.0 - TIE) or keys[row] == -np.inf:
                continue
            if compared[row] < count:
                limit = limit_of(max(squared[row], 0.0), bound)
                weight = weights[row] if len(weights) > 0 else 1.0
                for pick in range(compared[row], count):
                    compared[row] = pick + 1
                    position = positions[pick]
                    one, other = min(row, position), max(row, position)
                    if frontier.is_exact:
                        squared[row] = min(squared[row], np.float64(between[one, other]))
                        continue
                    if len(between) > 0 and between[one, other] >= limit:
                        continue
                    if is_ruled_out(proxies, row, proxies, position, screen, _NOTHING, limit):
                        continue
                    decided = squared_distance(vectors, row, vectors, position, terms)
                    if decided < squared[row]:
                        squared[row] = decided
                        limit = limit_of(decided, bound)
                        if decided * weight < largest * (1.0 - TIE):
                            break  # not the next pick: the other comparisons can wait
                keys[row] = squared[row] * weight
            largest = max(largest, keys[row])
        if count == most or largest == -np.inf:
            return count, largest, NOT_BLOCKED
        position = 0
        while keys[position] < largest * (1.0 - TIE):
            position += 1
        if ceiling >= largest * (1.0 - TIE) and (
            keys[position] < ceiling * (1.0 - TIE) or numbers[position] > ceiling_number
        ):
            return count, largest, NOT_BLOCKED
        if len(strata) > 0:
            stratum = strata[position]
            if room[stratum] <= 0:
                return count, largest, stratum
        if len(costs) > 0:
            if costs[position] > tokens_left:
                return count, largest, OUT_OF_TOKENS
            tokens_left -= costs[position]
        if len(strata) > 0:
            room[strata[position]] -= 1
        positions[count] = position
        radii[count] = squared[position]
        count += 1
        keys[position] = -np.inf
