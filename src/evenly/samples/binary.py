"""Vectors that stand uncompressed at an offset in a file: .npy and .safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, VectorError
from evenly.samples.floats import ALLOWED, check_exact, check_shape, float_type
from evenly.samples.rows import RowNumbers
from evenly.samples.source import FileStamp

__all__ = ["BinaryRows", "open_npy", "open_safetensors", "safetensors_header"]

# Rows are read at once when there is no more than this between them: about what the system
# reads in the time of one more call.
_NEAR_BYTES = 1 << 14
_BLOCK_BYTES = 1 << 22

_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

# https://github.com/huggingface/safetensors#format; NumPy has no bfloat16.
_TENSOR_TYPES = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "BF16": "<u2",
    "I8": "|i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "|u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
}
_NAMES_OF_VECTORS = ("embeddings", "vectors")
_LONGEST_HEADER = 100_000_000
_SHOWN = 6


@dataclass(frozen=True, eq=False)
class BinaryRows:
    """Rows (n, d) in a file, from `offset` on: a `Part` of StoredVectors.

    Attributes:
        stamp: the file as it was when it was opened.
        shape: (n, d).
        kept_as: the type of the bytes; uint16 for bfloat16.
        offset: where row 0 begins, in bytes.
        by_column: whether columns are contiguous (Fortran order) and not rows. Then a row is in
            d places, and the file is mapped to read it.
        bfloat16: whether the bytes are bfloat16.
        tensor: the name that the file has for them, "" if none.
    """

    stamp: FileStamp
    shape: tuple[int, int]
    kept_as: np.dtype[Any]
    offset: int
    by_column: bool = False
    bfloat16: bool = False
    tensor: str = ""

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.stamp.path

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers, float32 for bfloat16."""
        return np.dtype(np.float32) if self.bfloat16 else self.kept_as

    @property
    def row_bytes(self) -> int:
        """The bytes of a row in the file."""
        return self.shape[1] * self.kept_as.itemsize

    @property
    def seekable(self) -> bool:
        """Whether the numbers of a row stand together."""
        return not self.by_column

    def fill(self, first: int, out: npt.NDArray[Any]) -> None:
        """Put the rows from `first` on into `out` (m, d), converted to its type."""
        with self._open() as file:
            if self._as_it_is(out):
                self._read(file, first, _bytes_of(out))
                return
            step = max(1, _BLOCK_BYTES // self.row_bytes)
            for begin in range(0, len(out), step):
                block = out[begin : begin + step]
                rows = np.arange(first + begin, first + begin + len(block))
                self._convert(self._raw(file, first + begin, len(block)), block, rows)

    def fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        """Put `rows` (m,), which never decrease, into `out` (m, d), converted to its type."""
        with self._open() as file:
            if self.by_column:
                self._convert(self._map()[rows], out, rows)
                return
            straight = _bytes_of(out) if self._as_it_is(out) else None
            for begin, end in _stretches(rows, self.row_bytes):
                first, last = int(rows[begin]), int(rows[end - 1])
                if straight is not None and end - begin == 1:
                    self._read(file, first, straight[begin * self.row_bytes : end * self.row_bytes])
                    continue
                raw = self._raw(file, first, last - first + 1)
                self._convert(raw[rows[begin:end] - first], out[begin:end], rows[begin:end])

    def mapped(self) -> npt.NDArray[Any] | None:
        """Return the rows as a memory map, or None where there is nothing to map."""
        # A map cannot be empty, nor hold numbers that begin between two addresses.
        if self.bfloat16 or self.shape[0] == 0 or self.offset % self.kept_as.itemsize:
            return None
        self.stamp.check()
        return self._map()

    def release(self) -> None:
        """Nothing is held from one read to the next."""

    def _map(self) -> npt.NDArray[Any]:
        order = cast("Any", "F" if self.by_column else "C")
        return np.memmap(self.path, self.kept_as, "r", self.offset, self.shape, order)

    def _open(self) -> BinaryIO:
        self.stamp.check()
        try:
            return cast("BinaryIO", Path(self.path).open("rb", buffering=0))
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror or error}.") from error

    def _as_it_is(self, out: npt.NDArray[Any]) -> bool:
        return out.dtype == self.kept_as and not self.bfloat16 and not self.by_column

    def _raw(self, file: BinaryIO, first: int, count: int) -> npt.NDArray[Any]:
        """Return `count` rows from `first` on, of type `kept_as`."""
        if self.by_column:
            return self._map()[first : first + count]
        raw = np.empty((count, self.shape[1]), self.kept_as)
        self._read(file, first, _bytes_of(raw))
        return raw

    def _read(self, file: BinaryIO, first: int, left: memoryview) -> None:
        """Read from row `first` on, as many bytes as `left` takes."""
        file.seek(self.offset + first * self.row_bytes)
        while left:
            # Never None: this is a plain file, which does not make its reader wait.
            count = cast("Any", file).readinto(left)
            if not count:
                raise DataError(f"{self.path} became shorter while it was read; open it again.")
            left = left[count:]

    def _convert(self, raw: npt.NDArray[Any], out: npt.NDArray[Any], rows: RowNumbers) -> None:
        if self.bfloat16:
            # A bfloat16 is the upper half of the float32 of the same value.
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        elif out.dtype.kind == "f":
            check_exact(raw, self.path, rows)
        out[...] = raw


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _stretches(rows: RowNumbers, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Cut rows, which never decrease, into stretches [begin, end) that are read at once."""
    near, longest = max(1, _NEAR_BYTES // row_bytes), max(1, _BLOCK_BYTES // row_bytes)
    apart = (np.diff(rows) > near) | (np.diff(rows // longest) != 0)
    begins = [0, *(np.flatnonzero(apart) + 1).tolist()]
    return zip(begins, [*begins[1:], len(rows)], strict=True)


def open_npy(path: str) -> BinaryRows:
    """Find the vectors in a .npy file.

    Raises:
        VectorError: it is not a whole .npy file, or holds something else.
    """
    stamp = FileStamp.of(path)
    try:
        with Path(path).open("rb") as file:
            if file.read(2) == b"PK":
                raise VectorError(
                    f"{path} is an archive (.npz) of arrays. Save the one array as .npy."
                )
            file.seek(0)
            version = np.lib.format.read_magic(file)
            if version not in _NPY_HEADERS:
                raise ValueError(f"its version is {version}, which is for named fields")
            shape, by_column, dtype = _NPY_HEADERS[version](file)
            offset = file.tell()
    except VectorError:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise _not_whole(path, ".npy", str(error)) from error
    check_shape(shape, path)
    float_type(dtype, path)
    rows = BinaryRows(stamp, cast("tuple[int, int]", shape), dtype, offset, by_column=by_column)
    return _check_size(rows, ".npy")


def open_safetensors(path: str) -> BinaryRows:
    """Find the vectors in a .safetensors file: its only tensor (n, d), or the one of that name.

    Where several tensors are two-dimensional, the one named "embeddings" or "vectors" is meant.

    Raises:
        VectorError: it is not a whole .safetensors file, or it is not clear which tensor is
            meant; the message names those there are.
    """
    stamp = FileStamp.of(path)
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(stamp.size - 8, _LONGEST_HEADER):
                raise ValueError(f"a header of {length} bytes does not fit in it")
            tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        shapes = {name: tuple(map(int, tensor["shape"])) for name, tensor in tensors.items()}
        name = _tensor_of_vectors(shapes, path)
        kind, (begin, end) = str(tensors[name]["dtype"]), map(int, tensors[name]["data_offsets"])
    except VectorError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise _not_whole(path, ".safetensors", str(error)) from error
    if kind not in _TENSOR_TYPES:
        raise VectorError(
            f"{path}: the tensor {name!r} has the type {kind}. Vectors must be bfloat16, "
            f"{ALLOWED}: convert them first, for example with .float()."
        )
    shape = cast("tuple[int, int]", shapes[name])
    kept_as = np.dtype(_TENSOR_TYPES[kind])
    rows = BinaryRows(
        stamp, shape, kept_as, 8 + length + begin, bfloat16=kind == "BF16", tensor=name
    )
    if begin < 0 or end - begin != shape[0] * rows.row_bytes:
        reason = f"bytes {begin} to {end} are not {shape} of {kind}"
        raise _not_whole(path, ".safetensors", reason)
    return _check_size(rows, ".safetensors")


def safetensors_header(tensor: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    """Return what stands before the numbers, of type `dtype` (little-endian), in a file of them."""
    kinds = {np.dtype(known): kind for kind, known in _TENSOR_TYPES.items() if kind != "BF16"}
    size = shape[0] * shape[1] * dtype.itemsize
    entry = {"dtype": kinds[dtype], "shape": list(shape), "data_offsets": [0, size]}
    header = json.dumps({tensor: entry}).encode()
    header += b" " * (-len(header) % 8)  # so that the numbers are aligned
    return len(header).to_bytes(8, "little") + header


def _tensor_of_vectors(shapes: dict[str, tuple[int, ...]], path: str) -> str:
    flat = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1]]
    named = [name for name in _NAMES_OF_VECTORS if name in flat]
    for only in (flat, named):
        if len(only) == 1:
            return only[0]
    shown = ", ".join(f"{name!r} {shapes[name]}" for name in list(shapes)[:_SHOWN])
    more = f" and {len(shapes) - _SHOWN} more" if len(shapes) > _SHOWN else ""
    raise VectorError(
        f"{path} holds {len(shapes)} tensor(s): {shown or 'none'}{more}. To be vectors, one of "
        "them must be the only two-dimensional one (n, d), or the only one of these named "
        "'embeddings' or 'vectors'. Save the vectors as a file of their own."
    )


def _check_size(rows: BinaryRows, kind: str) -> BinaryRows:
    needed = rows.offset + rows.shape[0] * rows.row_bytes
    if min(rows.shape) < 0 or rows.stamp.size < needed:
        what = f"it has {rows.stamp.size} bytes, and vectors {rows.shape} need {needed}"
        raise _not_whole(rows.path, kind, what)
    return rows


def _not_whole(path: str, kind: str, reason: str) -> VectorError:
    return VectorError(
        f"{path} is not a whole {kind} file of numbers: {reason}. Copy it or write it again."
    )
