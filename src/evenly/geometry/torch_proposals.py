"""Products in bfloat16, by torch, on the processor or on a GPU.

Several times faster than float32 wherever there are instructions for it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from evenly.geometry.exact import COINCIDENT, Points, blocks
from evenly.geometry.proposals import Left, Margins, Proposals
from evenly.geometry.workers import for_each_tile

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, Int

__all__ = ["Bfloat16Proposals"]

# bfloat16 rounds to nearest by at most 2**-9: this much more makes sure of rounding up.
_UP = 1 + 2.0**-7
# The proposals of all rows are kept when they take at most a quarter of the vectors and this.
_ROOM_BYTES = 128_000_000
# Every new shape of a product makes the library behind it plan anew, which takes longer than
# the product; so rows are padded to a multiple of this.
_PAD = 128
# Pairs decided at once on a device, in numbers.
_PAIR_NUMBERS = 1 << 26


class Bfloat16Proposals(Proposals):
    """Products in bfloat16, summed in float32; exact distances in float64 on the same device.

    Coordinates of a row: x", then 1, 1, 1 (its columns hold a squared length in three parts of
    eight bits), 2e(x), 2|x"|, zeros up to a multiple of eight, and in three parts what is known.
    """

    def __init__(self, points: Points, device: str = "cpu") -> None:
        self.extra = 8 + -points.dimension % 8
        super().__init__(points)
        self._device = torch.device(device)
        self._on_cpu = self._device.type == "cpu"
        self.threads = torch.get_num_threads() if self._on_cpu else 1
        if not self._on_cpu:
            self._stored = _as_tensor(points.stored).to(self._device)
            self._factors = None if points.factors is None else self._send(points.factors)
        # bfloat16 rounds by at most 2**-9 of a row, which is at most 1 long.
        self._largest_error = 2.0**-9
        self._lengths = np.zeros(len(points))
        self._errors = np.zeros(len(points))
        self._resident: torch.Tensor | None = None
        size = len(points) * self._terms * 2
        if size <= points.stored.nbytes / 4 + _ROOM_BYTES or not self._on_cpu:
            resident = self._zeros(len(points))

            def fill(block: slice) -> None:
                rows = np.flatnonzero(points.candidates[block]) + block.start
                left = self._compute(points, rows)
                resident[self._send(rows)] = left.matrix
                self._lengths[rows] = left.squared_lengths
                self._errors[rows] = left.errors

            tiles = blocks(len(points), points.dimension)
            for_each_tile(fill, tiles, threads=self.threads)
            self._resident = resident

    @property
    def _terms(self) -> int:
        return self.points.dimension + self.extra

    def _zeros(self, count: int) -> torch.Tensor:
        return torch.zeros((count, self._terms), dtype=torch.bfloat16, device=self._device)

    def _send(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

    def exact_squared_distances(
        self, rows: Int[np.ndarray, " p"], others: Points, other_rows: Int[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        """Squared distances of pairs: a row of the pool, a row of `others`; decided exactly."""
        if self._on_cpu:
            return super().exact_squared_distances(rows, others, other_rows)
        squared = np.empty(len(rows))
        for block in blocks(len(rows), self.points.dimension, numbers=_PAIR_NUMBERS):
            where = self._send(rows[block])
            difference = self._stored.index_select(0, where).double()
            if self._factors is not None:
                difference *= self._factors.index_select(0, where)[:, None]
            difference -= self._send(others.exact(other_rows[block]))
            squared[block] = torch.linalg.vecdot(difference, difference).cpu().numpy()
        if self.points.unit:
            squared[squared < COINCIDENT] = 0.0
        return squared

    def left(self, rows: Int[np.ndarray, " m"]) -> Left:
        """Proposals of the given row numbers as left factor, padded with rows of zeros."""
        padding = -len(rows) % _PAD
        if self._resident is None:
            left = self._compute(self.points, rows)
            matrix = torch.cat([left.matrix, self._zeros(padding)])
            return Left(matrix, left.squared_lengths, left.errors)
        where = self._send(np.concatenate([rows, np.zeros(padding, np.int64)]))
        matrix = self._resident.index_select(0, where)
        matrix[len(rows) :] = 0
        return Left(matrix, self._lengths[rows], self._errors[rows])

    def _compute(self, points: Points, rows: Int[np.ndarray, " m"]) -> Left:
        dimension = points.dimension
        vectors = self._send(self.float32_rows(points, rows))
        matrix = self._zeros(len(rows))
        matrix[:, :dimension] = vectors
        rounded = matrix[:, :dimension].float()
        matrix[:, dimension : dimension + 3] = 1.0
        errors = (vectors - rounded).norm(dim=1) * _UP
        matrix[:, dimension + 3] = errors * (2 * _UP)
        matrix[:, dimension + 4] = rounded.norm(dim=1) * (2 * _UP)
        squared = torch.linalg.vecdot(vectors, vectors).double().cpu().numpy()
        return Left(matrix, squared, errors.double().cpu().numpy())

    def columns(self, points: Points) -> torch.Tensor:
        """Proposals of k points, of this pool or another, as right factor, (k, K)."""
        dimension = points.dimension
        left = self._compute(points, np.arange(len(points)))
        columns: torch.Tensor = left.matrix
        errors = columns[:, dimension + 3] / 2
        columns[:, :dimension] *= -2
        kept = (1 - self._slack - 2.0**-22) * left.squared_lengths
        columns[:, dimension : dimension + 3] = self._in_three_parts(kept)
        columns[:, dimension + 3] = -self._send(np.sqrt(left.squared_lengths) * _UP)
        columns[:, dimension + 4] = -errors
        columns[:, -3:] = 1.0
        return columns

    def empty_columns(self, count: int) -> torch.Tensor:
        """Room for `count` columns, which are as far from every row as can be."""
        return self._zeros(count)

    def margins(self, left: Left, squared: Float[np.ndarray, " m"], columns: Any) -> Margins:
        """Compare rows, whose known squared distances are `squared`, with columns."""
        left.matrix[: len(squared), -3:] = self._in_three_parts(self._known(left, squared))
        return _TorchMargins(left.matrix @ columns.T, self._widths(left, squared))

    def _in_three_parts(self, values: Float[np.ndarray, " m"]) -> torch.Tensor:
        """Three bfloat16 numbers whose sum is each value, to 24 bits."""
        rest = self._send(values)
        parts = torch.empty((len(values), 3), dtype=torch.bfloat16, device=self._device)
        for part in range(3):
            parts[:, part] = rest
            rest = rest - parts[:, part]
        return parts

    def _float32_product(
        self, left: Float32[np.ndarray, "m d"], right: Float32[np.ndarray, "k d"]
    ) -> Float32[np.ndarray, "m k"]:
        # NumPy's threads spin for a while after a product, and would take the cores from torch's.
        product = torch.from_numpy(left) @ torch.from_numpy(right).T
        array: Float32[np.ndarray, "m k"] = product.numpy()
        return array


def _as_tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """The same memory as a tensor where torch can, else a copy."""
    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return torch.from_numpy(array)


class _TorchMargins(Margins):
    def __init__(self, values: torch.Tensor, widths: Float[np.ndarray, " m"]) -> None:
        self._values = values
        self._widths = widths

    def strike(self, rows: Int[np.ndarray, " q"], columns: Int[np.ndarray, " q"]) -> None:
        device = self._values.device
        where = torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
        self._values[where] = torch.inf

    def suspects(self) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        smallest = self._values.amin(dim=1)
        rows = torch.nonzero(smallest < 0).squeeze(1)
        # Numbers and limits are rounded to bfloat16, each by at most 2**-9 of itself.
        widths = torch.from_numpy(self._widths).to(rows.device)[rows]
        limit = (smallest[rows].double() * (1 - 2.0**-7) + widths).clamp(max=0) * (1 - 2.0**-7)
        values = self._values.index_select(0, rows)
        which, columns = torch.nonzero(values < limit.bfloat16()[:, None], as_tuple=True)
        return rows[which].cpu().numpy(), columns.cpu().numpy()
