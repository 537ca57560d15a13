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

# Rows of each block that is read that may be the farthest from the mean, which is not known yet.
_FAR_ROWS = 64


@dataclass(frozen=True, eq=False)
class FirstPass:
    """Lengths of vectors, sums of rows and rows far from the mean, from one pass.

    The pass hashes the vectors as well.

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
        hold: float = 0.0,
    ) -> FirstPass:
        """Read all vectors.

        Args:
            stored: the vectors.
            eligible: (n,) which rows may count.
            normalize: whether rows are divided by their lengths.
            hold: bytes of the last rows that may stay in memory for the next pass.
        """
        n, dimension = stored.shape
        lengths, counted = np.empty(n), np.zeros(n, bool)
        sums = np.zeros((-(-n // MEAN_ROWS), dimension))
        first, origin = -1, np.zeros(dimension)
        total, far = np.zeros(dimension), []
        row_bytes = dimension * stored.dtype.itemsize
        at_once = max(1, _BYTES_AT_ONCE // (row_bytes * MEAN_ROWS)) * MEAN_ROWS
        for rows, block in stored.in_order(at_once, hold):
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
            total += own.sum(axis=0)
            squared = points.squared_distances_from(origin, total / np.count_nonzero(counted))
            most = np.argpartition(squared, -min(_FAR_ROWS, len(squared)))[-_FAR_ROWS:]
            far.append(np.sort(most) + rows.start)
        if first < 0:
            return cls(lengths, None)
        return cls(lengths, RowSums(first, counted, sums, np.concatenate(far)))
