"""Vectors stored uncompressed at an offset in a file: .npy and .safetensors."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from evenly.errors import DataError, VectorError
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.floats import ALLOWED, check_exact, check_shape, float_type
from evenly.samples.rows import RowNumbers
from evenly.samples.source import FileStamp, guarded, incomplete
from evenly.samples.urls import local
from evenly.tables import count

_NPY, _SAFETENSORS = ".npy file of numbers", ".safetensors file of numbers"
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
_TENSOR_NAMES = ("embeddings", "vectors")
_MAX_HEADER_BYTES = 100_000_000
_MAX_LENGTH = 1 << 48
_N_SHOWN = 6
# A header, and what a writer may have put at the end.
_MOST_AROUND = 1 << 20


@dataclass(eq=False)
class BinaryRows:
    """Rows (n, d) of a file, starting at an offset: a `Part` of StoredVectors.

    Attributes:
        stamp: size and date of the file when it was opened.
        shape: (n, d).
        raw_dtype: type of the numbers in the file; uint16 for bfloat16.
        offset: byte offset of row 0.
        by_column: whether columns rather than rows are contiguous (Fortran order). The numbers
            of a row are then scattered, and a block of rows is read column by column.
        bfloat16: whether the numbers are bfloat16.
        tensor: name of the tensor in the file, or "".
        blocks: block sizes for reading.
        dtype, row_bytes, seekable: see `Part`.
    """

    stamp: FileStamp
    shape: tuple[int, int]
    raw_dtype: np.dtype[Any]
    offset: int
    by_column: bool = False
    bfloat16: bool = False
    tensor: str = ""
    blocks: BlockSizes = BLOCK_SIZES

    def __post_init__(self) -> None:
        self.dtype = np.dtype(np.float32) if self.bfloat16 else self.raw_dtype
        self.row_bytes = self.shape[1] * self.raw_dtype.itemsize
        self.seekable = not self.by_column

    def fill(self, first: int, out: npt.NDArray[Any]) -> None:
        """Read m consecutive rows from row `first` into `out` (m, d), converted to its type."""
        with self._open() as file:
            if self._needs_no_conversion(out):
                self._read(file, first, _bytes_of(out))
                return
            step = max(1, self.blocks.read // self.row_bytes)
            for begin in range(0, len(out), step):
                block = out[begin : begin + step]
                rows = np.arange(first + begin, first + begin + len(block))
                self._convert(self._raw(file, first + begin, len(block)), block, rows)

    def fill_rows(self, rows: RowNumbers, out: npt.NDArray[Any]) -> None:
        """Read `rows` (m,), in ascending order, into `out` (m, d), converted to its type."""
        with self._open() as file:
            direct = _bytes_of(out) if self._needs_no_conversion(out) else None
            for begin, end in self._runs(rows):
                first, last = int(rows[begin]), int(rows[end - 1])
                if direct is not None and end - begin == 1:
                    self._read(file, first, direct[begin * self.row_bytes : end * self.row_bytes])
                    continue
                raw = self._raw(file, first, last - first + 1)
                self._convert(raw[rows[begin:end] - first], out[begin:end], rows[begin:end])

    def around(self) -> tuple[bytes, bytes] | None:
        """Return the bytes of the file before and after the rows, if those are as in an array."""
        after = self.offset + self.shape[0] * self.row_bytes
        plain = self.seekable and not self.bfloat16 and self.raw_dtype.kind == "f"
        if not plain or max(self.offset, self.stamp.size - after) > _MOST_AROUND:
            return None
        before, behind = bytearray(self.offset), bytearray(self.stamp.size - after)
        with self._open() as file:
            self._read_at(file, 0, memoryview(before))
            self._read_at(file, after, memoryview(behind))
        return bytes(before), bytes(behind)

    def mapped(self) -> npt.NDArray[Any] | None:
        """Return the rows as a memory map, or None if they cannot be mapped.

        Reading past the end of a mapped file that has shrunk kills the process.
        """
        # A map can neither be empty nor hold unaligned numbers.
        if self.bfloat16 or self.shape[0] == 0 or self.offset % self.raw_dtype.itemsize:
            return None
        self.stamp.check()
        return self._map()

    def release(self) -> None:
        """Do nothing: no data are kept between reads."""

    def _map(self) -> npt.NDArray[Any]:
        order = cast("Any", "F" if self.by_column else "C")
        try:
            return np.memmap(
                local(self.stamp.path), self.raw_dtype, "r", self.offset, self.shape, order
            )
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {self.stamp.path}: {error}.") from error

    def _open(self) -> BinaryIO:
        self.stamp.check()
        try:
            return cast("BinaryIO", Path(local(self.stamp.path)).open("rb", buffering=0))
        except OSError as error:
            raise DataError(f"cannot read {self.stamp.path}: {error.strerror or error}.") from error

    def _needs_no_conversion(self, out: npt.NDArray[Any]) -> bool:
        return out.dtype == self.raw_dtype and not self.bfloat16 and not self.by_column

    def _raw(self, file: BinaryIO, first: int, count: int) -> npt.NDArray[Any]:
        """Return `count` rows from row `first` as `raw_dtype`."""
        if not self.by_column:
            raw = np.empty((count, self.shape[1]), self.raw_dtype)
            self._read(file, first, _bytes_of(raw))
            return raw
        columns = np.empty((self.shape[1], count), self.raw_dtype)
        size = self.raw_dtype.itemsize
        for number, column in enumerate(columns):
            begin = self.offset + (number * self.shape[0] + first) * size
            self._read_at(file, begin, _bytes_of(column))
        return columns.T

    def _read(self, file: BinaryIO, first: int, target: memoryview) -> None:
        """Fill `target` with the bytes that start at row `first`."""
        self._read_at(file, self.offset + first * self.row_bytes, target)

    def _read_at(self, file: BinaryIO, begin: int, target: memoryview) -> None:
        file.seek(begin)
        while target:
            # Reading a regular file blocks, so the count is never None.
            count = cast("Any", file).readinto(target)
            if not count:
                raise self.stamp.shorter()
            target = target[count:]

    def _runs(self, rows: RowNumbers) -> Iterator[tuple[int, int]]:
        """Split rows in ascending order into runs [begin, end) that are read at once."""
        max_gap = max(1, self.blocks.gap // self.row_bytes)
        max_rows = max(1, self.blocks.read // self.row_bytes)
        is_split = (np.diff(rows) > max_gap) | (np.diff(rows // max_rows) != 0)
        begins = [0, *(np.flatnonzero(is_split) + 1).tolist()]
        return zip(begins, [*begins[1:], len(rows)], strict=True)

    def _convert(self, raw: npt.NDArray[Any], out: npt.NDArray[Any], rows: RowNumbers) -> None:
        if self.bfloat16:
            # A bfloat16 is the upper half of the float32 of the same value.
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        elif out.dtype.kind == "f":
            check_exact(raw, self.stamp.path, rows)
        out[...] = raw


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def open_npy(path: str, blocks: BlockSizes = BLOCK_SIZES) -> BinaryRows:
    """Locate the vectors in a .npy file.

    Raises:
        VectorError: the file is not a complete .npy file, or does not hold vectors.
    """
    stamp = FileStamp.of(path)
    with guarded(path, _NPY, VectorError), Path(local(path)).open("rb") as file:
        if file.read(2) == b"PK":
            raise VectorError(
                f"{path} is an archive (.npz) of arrays. Save the array of vectors as .npy."
            )
        file.seek(0)
        version = np.lib.format.read_magic(file)
        if version not in _NPY_HEADERS:
            raise ValueError(f"its version {version} is for named fields")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            shape, by_column, dtype = _NPY_HEADERS[version](file)
        offset = file.tell()
    check_shape(shape, path)
    float_type(dtype, path)
    shape = cast("tuple[int, int]", shape)
    rows = BinaryRows(stamp, shape, dtype, offset, by_column=by_column, blocks=blocks)
    return _check_size(rows, _NPY)


def open_safetensors(path: str, blocks: BlockSizes = BLOCK_SIZES) -> BinaryRows:
    """Locate the vectors in a .safetensors file.

    They are the only two-dimensional tensor, or the one named "embeddings" or "vectors".

    Raises:
        VectorError: the file is not a complete .safetensors file, or it is unclear which tensor
            holds the vectors; the message lists the tensors.
    """
    stamp = FileStamp.of(path)
    with guarded(path, _SAFETENSORS, VectorError), Path(local(path)).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(stamp.size - 8, _MAX_HEADER_BYTES):
            raise ValueError(f"its header cannot have {length} bytes")
        tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        shapes = {name: _whole(tensor["shape"]) for name, tensor in tensors.items()}
        name = _vector_tensor(shapes, path)
        kind, (begin, end) = str(tensors[name]["dtype"]), _whole(tensors[name]["data_offsets"])
    if kind not in _TENSOR_TYPES:
        raise VectorError(
            f"{path}: the tensor {name!r} has the type {kind}. Vectors must be bfloat16, "
            f"{ALLOWED}: convert them first, for example with .float()."
        )
    shape = cast("tuple[int, int]", shapes[name])
    rows = BinaryRows(
        stamp,
        shape,
        np.dtype(_TENSOR_TYPES[kind]),
        offset=8 + length + begin,
        bfloat16=kind == "BF16",
        tensor=name,
        blocks=blocks,
    )
    if begin < 0 or end - begin != shape[0] * rows.row_bytes:
        reason = f"bytes {begin} to {end} do not hold {shape} of {kind}"
        raise VectorError(incomplete(path, _SAFETENSORS, reason))
    return _check_size(rows, _SAFETENSORS)


def safetensors_header(tensor: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    """Return the header of a .safetensors file of one tensor, of a little-endian `dtype`."""
    kinds = {np.dtype(known): kind for kind, known in _TENSOR_TYPES.items() if kind != "BF16"}
    size = shape[0] * shape[1] * dtype.itemsize
    entry = {"dtype": kinds[dtype], "shape": list(shape), "data_offsets": [0, size]}
    header = json.dumps({tensor: entry}).encode()
    header += b" " * (-len(header) % 8)  # aligns the numbers
    return len(header).to_bytes(8, "little") + header


def _whole(values: Any) -> tuple[int, ...]:
    """Return a list of whole numbers as a tuple, or raise ValueError."""
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError(f"{str(values)[:60]} are not whole numbers")
    return tuple(values)


def _vector_tensor(shapes: dict[str, tuple[int, ...]], path: str) -> str:
    flat = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1]]
    named = [name for name in _TENSOR_NAMES if name in flat]
    for only in (flat, named):
        if len(only) == 1:
            return only[0]
    shown = ", ".join(f"{name!r} {shapes[name]}" for name in list(shapes)[:_N_SHOWN])
    more = f" and {len(shapes) - _N_SHOWN} more" if len(shapes) > _N_SHOWN else ""
    raise VectorError(
        f"{path} holds {count(len(shapes), 'tensor')}: {shown or 'none'}{more}. The vectors must "
        "be the "
        "only two-dimensional tensor (n, d), or the only one of these named 'embeddings' or "
        "'vectors'. Save the vectors in a separate file."
    )


def _check_size(rows: BinaryRows, kind: str) -> BinaryRows:
    if min(rows.shape) < 0 or max(rows.shape) > _MAX_LENGTH:
        raise VectorError(incomplete(rows.stamp.path, kind, f"its shape is {rows.shape}"))
    needed = rows.offset + rows.shape[0] * rows.row_bytes
    if rows.stamp.size < needed:
        reason = f"it has {rows.stamp.size} bytes, but vectors {rows.shape} need {needed}"
        raise VectorError(incomplete(rows.stamp.path, kind, reason))
    return rows
