"""Vectors that are in memory already: arrays, memory maps, tensors, lists of numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.errors import OutputError, VectorError
from evenly.samples.base import Samples, feed_array
from evenly.samples.binary import safetensors_header
from evenly.samples.floats import ALLOWED, as_vectors
from evenly.samples.rows import RowNumbers, missing_column, row_numbers

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["VectorRows", "VectorSamples", "open_tensor", "stack_rows"]

_VECTOR_FORMATS = ("npy", "safetensors")


class VectorRows(Samples):
    """What samples of vectors share, wherever these are: no columns, and how they are written."""

    _stream_format = "npy"
    _tensor = "vectors"
    # Written a block at a time, so that data larger than memory are never held whole.
    _block_bytes = 1 << 24

    @property
    def holds_vectors(self) -> bool:
        """True."""
        return True

    @property
    def columns(self) -> tuple[str, ...]:
        """Vectors have no named columns."""
        return ()

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield the vectors."""
        chosen = np.arange(len(self)) if rows is None else row_numbers(rows, len(self))
        for some in self._chunks(chosen):
            yield from self._given(some)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Raise ColumnError for every name: there are none."""
        if names:
            raise missing_column(names[0], (), f"{self.origin}, which holds vectors,")
        return []

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the vectors as the type that came in, in the order of `rows`."""
        return self._given(row_numbers(rows, len(self)))

    @abstractmethod
    def _given(self, rows: RowNumbers) -> npt.NDArray[Any]:
        """Return rows (k, d) in the type in which they came."""

    def _chunks(self, rows: RowNumbers) -> Iterator[RowNumbers]:
        none = self._given(rows[:0])
        step = max(1, self._block_bytes // max(1, none.shape[1] * none.itemsize))
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format not in _VECTOR_FORMATS:
            raise OutputError(
                f"{self.origin} holds vectors, which are written as .npy or .safetensors, "
                f"not as {format}."
            )
        self._write_vectors(format, stream, rows)

    def _write_vectors(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        none = self._given(rows[:0])
        shape = (len(rows), none.shape[1])
        dtype = none.dtype if format == "npy" else none.dtype.newbyteorder("<")
        if format == "npy":
            descr = np.lib.format.dtype_to_descr(dtype)
            header = {"descr": descr, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
        else:
            stream.write(safetensors_header(self._tensor, shape, dtype))
        for some in self._chunks(rows):
            stream.write(np.ascontiguousarray(self._given(some), dtype).tobytes())


class VectorSamples(VectorRows):
    """Vectors (n, d) in memory, one a row.

    Args:
        array: (n, d) as it came: what `take` and `write` give back.
        origin: how to name it to people.
        format: "array", "tensor" or "list".
        pick: returns rows as the type that came in; by default rows of `array`.

    Raises:
        VectorError: not two-dimensional, no dimensions, or not of real numbers.
    """

    def __init__(
        self,
        array: npt.NDArray[Any],
        *,
        origin: str,
        format: str = "array",
        pick: Callable[[RowNumbers], Any] | None = None,
    ) -> None:
        self.origin = origin
        self.format = format
        self._vectors = as_vectors(array, origin)
        self._array = array
        self._pick = pick

    def __len__(self) -> int:
        return len(self._array)

    @property
    def vectors(self) -> npt.NDArray[Any]:
        """The vectors (n, d); the array itself when it is of floats."""
        return self._vectors

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the vectors as the type that came in, in the order of `rows`."""
        chosen = row_numbers(rows, len(self))
        return self._given(chosen) if self._pick is None else self._pick(chosen)

    def _given(self, rows: RowNumbers) -> npt.NDArray[Any]:
        given: npt.NDArray[Any] = self._array[rows]
        return given

    def _feed(self, digest: _Hash) -> None:
        feed_array(digest, self._array)


def open_tensor(tensor: Any) -> VectorSamples:
    """Open a torch tensor (n, d); the vectors are on the CPU, and float32 for bfloat16.

    Raises:
        VectorError: the tensor is sparse, or of a type without a NumPy counterpart.
    """
    import torch

    origin = f"a tensor of shape {tuple(tensor.shape)}"
    if tensor.layout != torch.strided:
        raise VectorError(f"{origin} is sparse. Pass tensor.to_dense().")
    plain = tensor.detach().cpu()
    try:
        array = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    except (TypeError, RuntimeError) as error:
        raise VectorError(
            f"{origin} has the type {tensor.dtype}. Vectors must be bfloat16, {ALLOWED}."
        ) from error

    def pick(rows: RowNumbers) -> Any:
        return tensor[torch.from_numpy(rows).to(tensor.device)]

    return VectorSamples(array, origin=origin, format="tensor", pick=pick)


def stack_rows(rows: Sequence[Any]) -> npt.NDArray[Any]:
    """Stack lists of numbers, 1-D arrays or 1-D tensors into one array (n, d).

    Raises:
        VectorError: a row is not numbers, or not as long as row 0; the message names it.
    """
    arrays = [_row(row, number) for number, row in enumerate(rows)]
    for number, array in enumerate(arrays):
        if len(array) != len(arrays[0]):
            raise VectorError(
                f"the vectors have different lengths: row 0 has {len(arrays[0])} numbers, "
                f"row {number} has {len(array)}."
            )
    return np.stack(arrays)


def _row(row: Any, number: int) -> npt.NDArray[Any]:
    try:
        if hasattr(row, "detach"):
            row = open_tensor(row[None]).vectors[0]
        array = np.asarray(row)
    except ValueError as error:
        raise VectorError(f"row {number} is not a list of numbers: {error}") from error
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        if array.ndim == 1 and array.size == 0:
            return array
        raise VectorError(
            f"row {number} is not a list of numbers: it is {str(row)[:60]!r} "
            f"({array.ndim} dimension(s) of {array.dtype})."
        )
    return array
