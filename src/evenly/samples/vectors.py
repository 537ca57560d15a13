"""Vectors in memory: arrays, memory maps, tensors and lists of numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from mmap import mmap
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, OutputError, VectorError
from evenly.samples.base import Samples
from evenly.samples.binary import safetensors_header
from evenly.samples.blocks import BLOCK_SIZES
from evenly.samples.floats import ALLOWED, as_vectors
from evenly.samples.hashes import feed_array
from evenly.samples.rows import RowNumbers, missing_column, row_numbers
from evenly.tables import count

if TYPE_CHECKING:
    from hashlib import _Hash

_VECTOR_FORMATS = ("npy", "safetensors")


class VectorRows(Samples):
    """Base class of samples of vectors, in memory or on disk: they have no columns."""

    holds_vectors = True
    holds_records = False
    columns: tuple[str, ...] = ()
    _stream_format = "npy"
    # Written at once; data larger than memory never are in memory as a whole.
    _block_bytes = BLOCK_SIZES.write

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield the vectors."""
        numbers = np.arange(len(self)) if rows is None else row_numbers(rows, len(self))
        for chunk in self._chunks(numbers):
            yield from self._original(chunk)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Raise ColumnError for any name, because vectors have no columns."""
        if names:
            raise missing_column(names[0], (), f"{self.origin}, which holds vectors,")
        return []

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the vectors in the type of the input, in the order of `rows`."""
        return self._original(row_numbers(rows, len(self)))

    @abstractmethod
    def _original(self, rows: RowNumbers) -> npt.NDArray[Any]:
        """Return rows (k, d) in their original type."""

    @property
    def _tensor(self) -> str:
        """The name of the tensor when writing .safetensors."""
        return "vectors"

    def _chunks(self, rows: RowNumbers) -> Iterator[RowNumbers]:
        empty = self._original(rows[:0])
        step = max(1, self._block_bytes // max(1, empty.shape[1] * empty.itemsize))
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format not in _VECTOR_FORMATS:
            raise OutputError(
                f"{self.origin} holds vectors, which cannot be written as {format}. Write .npy or "
                ".safetensors instead."
            )
        self._write_vectors(format, stream, rows)

    def _write_vectors(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        empty = self._original(rows[:0])
        shape = (len(rows), empty.shape[1])
        dtype = empty.dtype if format == "npy" else empty.dtype.newbyteorder("<")
        if format == "npy":
            descr = np.lib.format.dtype_to_descr(dtype)
            header = {"descr": descr, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
        else:
            stream.write(safetensors_header(self._tensor, shape, dtype))
        for chunk in self._chunks(rows):
            stream.write(np.ascontiguousarray(self._original(chunk), dtype).tobytes())


class VectorSamples(VectorRows):
    """Vectors (n, d) in memory, one per row.

    Args:
        array: the original (n, d) array, whose rows `take` and `write` return.
        origin: name of the data in messages.
        format: "array", "tensor" or "list".
        pick: returns rows in the type of the input; by default rows of `array`.

    Raises:
        VectorError: the array is not two-dimensional, has no columns, or no real numbers.
    """

    def __init__(
        self,
        array: npt.NDArray[Any],
        *,
        origin: str,
        format: str = "array",
        pick: Callable[[RowNumbers], Any] | None = None,
    ) -> None:
        _check_map(array, origin)
        self.origin = origin
        self.format = format
        self._vectors = as_vectors(array, origin)
        self._array = array
        self._pick = pick

    def __len__(self) -> int:
        return len(self._array)

    @property
    def vectors(self) -> npt.NDArray[Any]:
        """The vectors (n, d); the original array if it holds floats."""
        return self._vectors

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the vectors in the type of the input, in the order of `rows`."""
        numbers = row_numbers(rows, len(self))
        return self._original(numbers) if self._pick is None else self._pick(numbers)

    def check_unchanged(self) -> None:
        """Raise DataError if the vectors are mapped from a file that has become shorter."""
        _check_map(self._array, self.origin)

    def _original(self, rows: RowNumbers) -> npt.NDArray[Any]:
        original: npt.NDArray[Any] = self._array[rows]
        return original

    def _feed(self, digest: _Hash) -> None:
        feed_array(digest, self._array)


def _check_map(array: npt.NDArray[Any], origin: str) -> None:
    """Raise DataError if an array is mapped from a file that has become shorter.

    Reading it would kill the process.
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap):
        base = getattr(base, "base", None)
    if base is not None and base.size() < len(base):
        raise DataError(
            f"{origin} is mapped from a file that has become shorter: it has {base.size():,} "
            "bytes. Write it again, and open it again."
        )


def open_tensor(tensor: Any) -> VectorSamples:
    """Open a torch tensor (n, d); its vectors are copied to the CPU, bfloat16 as float32.

    Raises:
        VectorError: the tensor is sparse, or its type has no NumPy counterpart.
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
            f"{origin} has the type {tensor.dtype}. Vectors must be bfloat16, {ALLOWED}: convert "
            "them first, for example with .float()."
        ) from error

    pick = partial(pick_of_tensor, tensor)
    return VectorSamples(array, origin=origin, format="tensor", pick=pick)


def pick_of_tensor(tensor: Any, rows: RowNumbers) -> Any:
    """Return rows of a tensor, where it is."""
    import torch

    return tensor[torch.from_numpy(rows.copy()).to(tensor.device)]


def stack_rows(rows: Sequence[Any]) -> npt.NDArray[Any]:
    """Stack lists of numbers, 1-D arrays or 1-D tensors into one array (n, d).

    Raises:
        VectorError: a row does not hold numbers, or differs in length from row 0.
    """
    arrays = [_row(row, number) for number, row in enumerate(rows)]
    for number, array in enumerate(arrays):
        if len(array) != len(arrays[0]):
            raise VectorError(
                f"the vectors have different lengths: row 0 has {len(arrays[0])} numbers, "
                f"row {number} has {len(array)}. All must have the same length."
            )
    return np.stack(arrays)


def _row(row: Any, number: int) -> npt.NDArray[Any]:
    try:
        if hasattr(row, "detach"):
            row = open_tensor(row[None]).vectors[0]
        array = np.asarray(row)
    except ValueError as error:
        raise VectorError(f"row {number} is not a list of numbers: {error}") from error
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise VectorError(
            f"row {number} is not a list of numbers: it is {str(row)[:60]!r} "
            f"({count(array.ndim, 'dimension')} of {array.dtype})."
        )
    return array
