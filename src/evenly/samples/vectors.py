"""Vectors that are there already: arrays, memory maps, .npy files, tensors, lists of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.errors import OutputError, VectorError
from evenly.samples.base import Samples, feed_array
from evenly.samples.rows import RowNumbers, missing_column, row_numbers
from evenly.samples.source import FileStamp

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["VectorSamples", "as_vectors", "open_npy", "open_tensor", "stack_rows"]

_BLOCK_BYTES = 1 << 24
_ALLOWED = "float16, float32, float64 or integers"


class VectorSamples(Samples):
    """Vectors (n, d), one a row.

    Args:
        array: (n, d) as it came: what `take` and `write` give back.
        origin: how to name it to people.
        format: "array", "npy", "tensor" or "list".
        pick: returns rows as the type that came in; by default rows of `array`.
        stamp: of the .npy file, when there is one.

    Raises:
        VectorError: not two-dimensional, no dimensions, or not of real numbers.
    """

    _stream_format = "npy"

    def __init__(
        self,
        array: npt.NDArray[Any],
        *,
        origin: str,
        format: str = "array",
        pick: Callable[[RowNumbers], Any] | None = None,
        stamp: FileStamp | None = None,
    ) -> None:
        self.origin = origin
        self.format = format
        self.vectors = as_vectors(array, origin)
        self._array = array
        self._pick = pick
        self._stamp = stamp

    def __len__(self) -> int:
        return len(self._array)

    @property
    def columns(self) -> tuple[str, ...]:
        """Vectors have no named columns."""
        return ()

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield the vectors."""
        chosen = range(len(self)) if rows is None else rows
        return (self._array[row] for row in chosen)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Raise ColumnError for every name: there are none."""
        if names:
            raise missing_column(names[0], (), f"{self.origin}, which holds vectors,")
        return []

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the vectors as the type that came in, in the order of `rows`."""
        chosen = row_numbers(rows, len(self))
        return self._array[chosen] if self._pick is None else self._pick(chosen)

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        if format not in ("npy", self.format):
            raise OutputError(
                f"{self.origin} holds vectors, which are written as .npy, not as {format}."
            )
        _write_npy(stream, self._array, rows)

    def _feed(self, digest: _Hash) -> None:
        if self._stamp is not None:
            self._stamp.feed(digest)
        else:
            feed_array(digest, self._array)


def as_vectors(array: npt.NDArray[Any], origin: str) -> npt.NDArray[Any]:
    """Return `array` as float16, float32 or float64 (n, d) without changing any value.

    Floats are not copied. Integers become the smallest of float32 and float64 that holds
    every value of their type; 64-bit ones are checked to be exact.

    Raises:
        VectorError: the shape or the type is another, or an integer has no exact float.
    """
    if array.ndim != 2 or array.shape[1] == 0 or isinstance(array, np.ma.MaskedArray):
        kind = "masked, of shape" if isinstance(array, np.ma.MaskedArray) else "of shape"
        raise VectorError(
            f"{origin} is {kind} {array.shape}. Vectors must be a plain array of shape (n, d), "
            "one row each, d at least 1."
        )
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        # Matrix libraries do not read foreign byte orders.
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind not in "iu":
        raise VectorError(
            f"{origin} has the type {array.dtype}. Vectors must be {_ALLOWED}: convert them "
            "first, for example with .astype('float32')."
        )
    exact = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    if array.dtype.itemsize == 8:
        _check_exact(array, origin)
    return exact


def _check_exact(array: npt.NDArray[Any], origin: str) -> None:
    too_large = array > 2**53
    if array.dtype.kind == "i":
        too_large |= array < -(2**53)
    inexact = np.argwhere(too_large)
    if len(inexact):
        row, column = inexact[0]
        raise VectorError(
            f"{origin}, row {row}: {array[row, column]} has no exact float64 "
            "(integers up to 2**53 do)."
        )


def open_npy(path: str) -> VectorSamples:
    """Map a .npy file of vectors.

    Raises:
        VectorError: it is not a whole .npy file, or holds something else.
    """
    stamp = FileStamp.of(path)
    try:
        array = _load(path)
    except (ValueError, EOFError, OSError) as error:
        raise VectorError(f"{path} is not a whole .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise VectorError(f"{path} is an archive (.npz) of arrays. Save the one array as .npy.")
    return VectorSamples(array, origin=path, format="npy", stamp=stamp)


def _load(path: str) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        # Empty arrays cannot be mapped; what is wrong with others shows again here.
        return np.load(path, allow_pickle=False)


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
            f"{origin} has the type {tensor.dtype}. Vectors must be bfloat16, {_ALLOWED}."
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
            row = open_tensor(row[None]).vectors[0]  # type: ignore[index]
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


def _write_npy(stream: BinaryIO, array: npt.NDArray[Any], rows: RowNumbers) -> None:
    """Write rows as .npy, a block at a time, so that a memory map is never held whole."""
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": (len(rows), array.shape[1]),
    }
    np.lib.format.write_array_header_1_0(stream, header)
    block = max(1, _BLOCK_BYTES // (array.shape[1] * array.dtype.itemsize))
    for start in range(0, len(rows), block):
        stream.write(np.ascontiguousarray(array[rows[start : start + block]]).tobytes())
