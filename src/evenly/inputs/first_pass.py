"""What is known of vectors on disk after they were read once, from the first row to the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.geometry import (
    LARGEST,
    MEAN_ROWS,
    Points,
    RowSums,
    row_lengths,
)
from evenly.samples import StoredVectors
from evenly.shapes import Bool, Float

_BYTES_AT_ONCE = 1 << 25


@dataclass(frozen=True, eq=False)
class FirstPass:
    """Lengths of vectors and sums of rows, from one pass that hashes the vectors as well.

    Attributes:
        lengths: (n,) the length of each row.
        row_sums: sums of the rows that seem usable; None if no row does.
    """

    lengths: Float[np.ndarray, " n"]
    row_sums: RowSums | None

    @classmethod
    def over(
        cls,
        stored: StoredVectors,
        eligible: Bool[np.ndarray, " n"],
        *,
        normalize: bool,
    ) -> FirstPass:
        """Read all vectors.

        Args:
            stored: the vectors.
            eligible: (n,) which rows may count.
            normalize: whether rows are divided by their lengths.
        """
        n, dimension = stored.shape
        lengths, counted = np.empty(n), np.zeros(n, bool)
        sums = np.zeros((-(-n // MEAN_ROWS), dimension))
        first, origin = -1, np.zeros(dimension)
        row_bytes = dimension * stored.dtype.itemsize
        at_once = max(1, _BYTES_AT_ONCE // (row_bytes * MEAN_ROWS)) * MEAN_ROWS
        for rows, block in stored.in_order(at_once):
            lengths[rows] = row_lengths(block)
            usable = eligible[rows] & (lengths[rows] <= LARGEST)
            if normalize:
                usable &= lengths[rows] >= 1 / LARGEST
            counted[rows] = usable
            if not usable.any():
                continue
            points = Points.of(block, lengths[rows], usable, normalize=normalize)
            if first < 0:
                first = rows.start + int(np.argmax(usable))
                origin = points.exact(np.array([first - rows.start]))[0]
            begin = rows.start // MEAN_ROWS
            own = points.sums_of_blocks(origin)
            sums[begin : begin + len(own)] = own
        return cls(lengths, RowSums(first, counted, sums) if first >= 0 else None)
