"""The exact distance to the nearest of some columns: products rule out, float64 decides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.columns import Columns
from evenly.geometry.compiled import BLOCK, lower_by_products, smallest_of_blocks

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["lower_to_nearest", "lower_to_nearest_of_all"]

_scratch = threading.local()


def lower_to_nearest(
    columns: Columns,
    begin: int,
    end: int,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "m W"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    *,
    skip: Int[np.ndarray, " m"] | None = None,
) -> int:
    """Lower `squared` in place to the exact squared distance to the nearest column, if nearer.

    Args:
        columns: what to compare with, those from `begin` to `end`, whole chunks.
        begin: see `columns`.
        end: see `columns`.
        rows: (m,) row numbers in the pool.
        left: their stand-ins, whole.
        squared: exact squared distances known so far (inf where none is).
        nearest: the number of the column that attains it; of several at exactly the same
            distance the smallest. Must be above all numbers where none is known.
        skip: for each row the number of a column that it is not compared with.

    Returns:
        How many pairs the products did not rule out.

    Cost: m·k·K multiplications, and about one exact distance for every row that comes nearer.
    """
    stand_ins = columns.stand_ins
    width = stand_ins.width
    numbers = columns.numbers[begin:end]
    skipped = np.full(len(rows), -1)
    if skip is not None:
        present = numbers[: max(0, len(columns) - begin)]
        _, in_rows, in_columns = np.intersect1d(skip, present, return_indices=True)
        skipped[in_rows] = in_columns
    chosen, chosen_factors = columns.points.arrays
    how = (
        left,
        columns.matrix[begin:end],
        width,
        stand_ins.frame.chunk,
        tuple(stand_ins.frame.allowance(columns.precision)),
        *stand_ins.points.arrays,
        rows,
        chosen[begin:end],
        chosen_factors[begin:end],
        numbers,
        skipped,
        stand_ins.points.coincident,
        squared,
        nearest,
    )
    lengths = columns.lengths[begin:end]
    suspects: int
    if columns.precision == "int16":
        from evenly.geometry.int16 import lower_by_int16

        panels = columns.short[begin // BLOCK : end // BLOCK]
        suspects = lower_by_int16(panels, stand_ins.frame.levels, lengths, *how)
        return suspects
    used = left[:, :width]
    if columns.precision == "bfloat16":
        from evenly.geometry.bfloat16 import product

        products = product(used, columns.short[begin:end])
    else:
        products = _room(len(rows), end - begin)
        np.matmul(used, columns.matrix[begin:end, :width].T, out=products)
    smallest = smallest_of_blocks(products, lengths)
    own_lengths = np.einsum("ij,ij->i", used, used)
    suspects = lower_by_products(products, smallest, own_lengths, lengths, *how)
    return suspects


def lower_to_nearest_of_all(
    columns: Columns,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "m W"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    *,
    begin: int = 0,
    end: int | None = None,
    skip: Int[np.ndarray, " m"] | None = None,
) -> None:
    """`lower_to_nearest` for all columns, or those from `begin` to `end`, segment by segment."""
    last = len(columns) if end is None else end
    while begin < last:
        part = columns.segment(begin)
        lower_to_nearest(columns, *part, rows, left, squared, nearest, skip=skip)
        begin = part[1]


def _room(rows: int, columns: int) -> Float32[np.ndarray, "m k"]:
    """Room for a product, used again by this thread: fresh pages cost as much as the product."""
    kept: Float32[np.ndarray, " s"] | None = getattr(_scratch, "kept", None)
    if kept is None or len(kept) < rows * columns:
        kept = _scratch.kept = np.empty(rows * columns, np.float32)
    return kept[: rows * columns].reshape(rows, columns)
