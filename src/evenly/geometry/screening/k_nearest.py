"""The exact distances to the several nearest columns: products rule out, float64 decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT, _squared_distance
from evenly.geometry.kernels.screening import FAST, _limit, _ruled_out
from evenly.geometry.screening.targets import Targets

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["lower_to_several_nearest"]


_INFINITE = np.float32(np.inf)


_TWO = np.float32(2)


_BLOCK = 16


def lower_to_several_nearest(
    targets: Targets,
    begin: int,
    end: int,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "m W"],
    squared: Float[np.ndarray, "m k"],
    nearest: Int[np.ndarray, " m"],
    *,
    skip: Int[np.ndarray, " m"],
    groups: tuple[Int[np.ndarray, " m"], Int[np.ndarray, " c"]],
) -> None:
    """Lower `squared` in place to the squared distances of the k nearest columns so far.

    Args:
        targets: what to compare with, those from `begin` to `end`, whole chunks, none of which
            the rows have met.
        begin: see `targets`.
        end: see `targets`.
        rows: (m,) row numbers in the pool.
        left: their stand-ins, whole.
        squared: exact squared distances to the k nearest columns so far, ascending; inf where
            there are not so many.
        nearest: the number of the nearest of them; of several as near, any.
        skip: for each row the number of a column that it is not compared with.
        groups: for each row, and for each column, a group: those of one group are not compared;
            none where it is below 0.

    Cost: m·k·K multiplications, and about k·log(K) exact distances a row.
    """
    proxies = targets.proxies
    width = proxies.width
    used = left[:, :width]
    stored, factors = proxies.points.arrays
    chosen, chosen_factors = targets.points.arrays
    _lower_several(
        used @ targets.matrix[begin:end, :width].T,
        np.einsum("ij,ij->i", used, used),
        targets.lengths[begin:end],
        left,
        targets.matrix[begin:end],
        width,
        proxies.transform.chunk,
        tuple(proxies.transform.error_bound()),
        stored,
        factors,
        rows,
        chosen[begin:end],
        chosen_factors[begin:end],
        targets.numbers[begin:end],
        skip,
        groups[0],
        _padded(groups[1][begin:end], end - begin),
        proxies.points.coincident,
        squared,
        nearest,
    )


def _padded(groups: Int[np.ndarray, " c"], count: int) -> Int[np.ndarray, " c"]:
    return np.pad(groups, (0, count - len(groups)), constant_values=-1)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _insert(known: Float[np.ndarray, " k"], decided: float) -> int:
    """Put a distance in its place among the known ones; the largest of them falls out."""
    place = len(known) - 1
    while place > 0 and known[place - 1] > decided:
        known[place] = known[place - 1]
        place -= 1
    known[place] = decided
    return place


@numba.njit(**FAST)  # type: ignore[untyped-decorator]
def _lower_several(
    products: Float32[np.ndarray, "m c"],
    lengths: Float32[np.ndarray, " m"],
    column_lengths: Float32[np.ndarray, " c"],
    left: Float32[np.ndarray, "m w"],
    right: Float32[np.ndarray, "c w"],
    width: int,
    chunk: int,
    error_bound: tuple[float, float, float, float],
    stored: np.ndarray[Any, Any],
    factors: Float[np.ndarray, " n"],
    rows: Int[np.ndarray, " m"],
    chosen: np.ndarray[Any, Any],
    chosen_factors: Float[np.ndarray, " c"],
    numbers: Int[np.ndarray, " c"],
    skip: Int[np.ndarray, " m"],
    group_of_row: Int[np.ndarray, " m"],
    group_of_column: Int[np.ndarray, " c"],
    coincident: float,
    squared: Float[np.ndarray, "m k"],
    nearest: Int[np.ndarray, " m"],
) -> None:
    """`lower_by_products` for the k nearest; arguments as there."""
    scale, stretch, error, rounding = error_bound
    blocks = products.shape[1] // _BLOCK
    last = squared.shape[1] - 1
    smallest = np.empty(blocks, np.float32)
    terms = np.empty(stored.shape[1])
    for row in range(products.shape[0]):
        known = squared[row]
        group = group_of_row[row] if group_of_row[row] >= 0 else -2
        length = lengths[row]
        for block in range(blocks):
            least = _INFINITE
            for position in range(block * _BLOCK, (block + 1) * _BLOCK):
                product = column_lengths[position] - _TWO * products[row, position]
                products[row, position] = product
                least = min(least, product)
            smallest[block] = least
        while known[last] == np.inf:
            # Few are known: the most promising first, which rule out most of the others.
            block = int(np.argmin(smallest))
            if smallest[block] == _INFINITE:
                break
            inside = products[row, block * _BLOCK : (block + 1) * _BLOCK]
            position = block * _BLOCK + int(np.argmin(inside))
            products[row, position] = _INFINITE
            smallest[block] = inside.min()
            if numbers[position] != skip[row] and group_of_column[position] != group:
                decided = _squared_distance(
                    stored, factors, rows[row], chosen, chosen_factors, position, coincident, terms
                )
                if _insert(known, decided) == 0:
                    nearest[row] = numbers[position]
        limit = _limit(known[last], scale, stretch, error, rounding)
        for block in range(blocks):
            if smallest[block] + length >= limit:
                continue
            for position in range(block * _BLOCK, (block + 1) * _BLOCK):
                product = products[row, position] + length
                if product >= limit:
                    continue
                if numbers[position] == skip[row] or group_of_column[position] == group:
                    continue
                if width < left.shape[1] and _ruled_out(
                    left, row, right, position, width, chunk, product, limit
                ):
                    continue
                decided = _squared_distance(
                    stored, factors, rows[row], chosen, chosen_factors, position, coincident, terms
                )
                if decided < known[last]:
                    if _insert(known, decided) == 0:
                        nearest[row] = numbers[position]
                    limit = _limit(known[last], scale, stretch, error, rounding)
