"""Validate the row numbers that users pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import RowError
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData


def row_numbers(prepared: PreparedData, indices: Any) -> Int[np.ndarray, " k"]:
    """Return `indices`, or those of a selection, as distinct, usable row numbers.

    Raises:
        RowError: not a non-empty sequence of whole numbers, or a row number is out of range,
            named twice, or that of an unusable row.
    """
    try:
        rows = np.asarray(indices)
    except ValueError as error:
        raise RowError(f"indices must be a sequence of row numbers: {error}.") from None
    if rows.ndim == 1 and len(rows) == 0:
        raise RowError("a subset must be a non-empty sequence of row numbers, but it has no row.")
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise RowError(
            "indices must be a sequence of row numbers (or a Selection), got "
            f"{type(indices).__name__} with shape {rows.shape} and dtype {rows.dtype}."
        )
    rows = rows.astype(np.int64)
    outside = rows[(rows < 0) | (rows >= len(prepared))]
    if len(outside):
        raise RowError(f"row numbers go from 0 to {len(prepared) - 1}, got {outside[0]}.")
    values, counts = np.unique(rows, return_counts=True)
    if len(values) < len(rows):
        raise RowError(
            f"row {values[counts > 1][0]} is named {counts.max()} times; once is allowed."
        )
    unusable = rows[~prepared.points.eligible[rows]]
    if len(unusable):
        row = int(unusable[0])
        raise RowError(
            f"row {row} cannot be used: {prepared.samples.locate(row)} {prepared.dropped[row]}."
        )
    return rows
