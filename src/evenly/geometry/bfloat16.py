"""Products in bfloat16, by torch: several times faster on processors with instructions for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from evenly.geometry.exact import Points, blocks
from evenly.geometry.proposals import Left, Margins, Proposals

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["Bfloat16Proposals"]

# bfloat16 rounds to nearest by at most 2**-9: this much more makes sure of rounding up.
_UP = 1 + 2.0**-7
# The proposals of all rows are kept when they take at most a quarter of the vectors and this.
_ROOM_BYTES = 128_000_000


class Bfloat16Proposals(Proposals):
    """Products in bfloat16, summed in float32.

    Coordinates of a row: x", then 1, 1, 1 (its columns hold a squared length in three parts of
    eight bits), 2e(x), 2|x"|, zeros up to a multiple of eight, and in three parts what is known.
    """

    def __init__(self, points: Points) -> None:
        self.extra = 8 + -points.dimension % 8
        super().__init__(points)
        size = len(points) * (points.dimension + self.extra) * 2
        self._resident: torch.Tensor | None = None
        self._lengths = np.zeros(len(points))
        if size <= points.stored.nbytes / 4 + _ROOM_BYTES:
            resident = torch.zeros(
                (len(points), points.dimension + self.extra), dtype=torch.bfloat16
            )
            for block in blocks(len(points), points.dimension):
                rows = np.flatnonzero(points.candidates[block]) + block.start
                left = self._compute(rows)
                resident[rows] = left.matrix
                self._lengths[rows] = left.squared_lengths
            self._resident = resident

    def left(self, rows: Int[np.ndarray, " m"]) -> Left:
        """Proposals of the given row numbers as left factor."""
        if self._resident is None:
            return self._compute(rows)
        matrix = self._resident.index_select(0, torch.from_numpy(rows))
        return Left(matrix, self._lengths[rows])

    def _compute(self, rows: Int[np.ndarray, " m"]) -> Left:
        dimension = self.points.dimension
        vectors = torch.from_numpy(self.float32_rows(rows))
        matrix = torch.zeros((len(rows), dimension + self.extra), dtype=torch.bfloat16)
        matrix[:, :dimension] = vectors
        rounded = matrix[:, :dimension].float()
        matrix[:, dimension : dimension + 3] = 1.0
        matrix[:, dimension + 3] = (vectors - rounded).norm(dim=1) * (2 * _UP)
        matrix[:, dimension + 4] = rounded.norm(dim=1) * (2 * _UP)
        squared = torch.einsum("ij,ij->i", vectors, vectors).numpy().astype(np.float64)
        return Left(matrix, squared)

    def columns(self, rows: Int[np.ndarray, " k"]) -> torch.Tensor:
        """Proposals of the given row numbers as right factor, (k, K)."""
        dimension = self.points.dimension
        left = self.left(rows)
        columns: torch.Tensor = left.matrix.clone()
        columns[:, :dimension] *= -2
        kept = (1 - self._slack - 2.0**-22) * left.squared_lengths
        columns[:, dimension : dimension + 3] = _in_three_parts(kept)
        lengths = np.sqrt(left.squared_lengths) * _UP
        columns[:, dimension + 3] = -torch.from_numpy(lengths)
        columns[:, dimension + 4] = -left.matrix[:, dimension + 3] / 2
        columns[:, -3:] = 1.0
        return columns

    def empty_columns(self, count: int) -> torch.Tensor:
        """Room for `count` columns."""
        return torch.empty((count, self.points.dimension + self.extra), dtype=torch.bfloat16)

    def margins(self, left: Left, squared: Float[np.ndarray, " m"], columns: Any) -> Margins:
        """Compare rows, whose known squared distances are `squared`, with columns."""
        left.matrix[:, -3:] = _in_three_parts(self._known(left, squared))
        return _TorchMargins(left.matrix @ columns.T)

    def _float32_product(
        self, left: Float32[np.ndarray, "m d"], right: Float32[np.ndarray, "k d"]
    ) -> Float32[np.ndarray, "m k"]:
        # NumPy's threads spin for a while after a product, and would take the cores from torch's.
        product: Float32[np.ndarray, "m k"] = (
            torch.from_numpy(left) @ torch.from_numpy(right).T
        ).numpy()
        return product


def _in_three_parts(values: Float[np.ndarray, " m"]) -> torch.Tensor:
    """Three bfloat16 numbers whose sum is each value, to 24 bits."""
    rest = torch.from_numpy(values)
    parts = []
    for _ in range(3):
        part = rest.to(torch.bfloat16)
        parts.append(part)
        rest = rest - part
    return torch.stack(parts, dim=1)


class _TorchMargins(Margins):
    def __init__(self, values: torch.Tensor) -> None:
        self._values = values

    def smallest(self) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        smallest, columns = self._values.min(dim=1)
        return smallest.double().numpy(), columns.numpy()

    def strike(self, rows: Int[np.ndarray, " q"], columns: Int[np.ndarray, " q"]) -> None:
        self._values[torch.from_numpy(rows), torch.from_numpy(columns)] = torch.inf

    def below(
        self, rows: Int[np.ndarray, " q"], shift: Float[np.ndarray, " q"]
    ) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        # Both the margins and the limit are rounded to bfloat16, each by at most 2**-9.
        limit = torch.from_numpy(shift * (1 - 2.0**-7)).to(torch.bfloat16)
        values = self._values.index_select(0, torch.from_numpy(rows))
        which, column = torch.nonzero(values < limit[:, None], as_tuple=True)
        return which.numpy(), column.numpy()
