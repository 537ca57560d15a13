"""What every kind of samples can do, and the part that kinds made of records share."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.atomic import atomic_write
from evenly.errors import OutputError
from evenly.samples.encoding import compressing, plain_json, write_records, write_tables
from evenly.samples.formats import FILE_FORMATS, output_format
from evenly.samples.rows import RowNumbers, missing_column, row_numbers
from evenly.samples.source import FileStamp

if TYPE_CHECKING:
    from hashlib import _Hash

    from evenly.samples.stored import StoredVectors

__all__ = ["RecordSamples", "Samples"]


class Samples(ABC):
    """Records, strings or vectors that came from somewhere and can go back there.

    Attributes:
        origin: how to name the data to people, such as "train.jsonl".
        format: jsonl, json, csv, tsv, parquet, npy or safetensors for files and streams; list,
            dataset, pandas, polars, arrow, array or tensor for data in memory.
    """

    origin: str
    format: str
    _stamp: FileStamp | None = None
    _stream_format = "jsonl"

    @abstractmethod
    def __len__(self) -> int:
        """Count the rows."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns; () for plain strings and for vectors."""

    @abstractmethod
    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield the rows, all or those named, as dicts or strings of plain Python values."""

    @abstractmethod
    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read several columns in one pass.

        Args:
            names: the columns to read.
            absent: what stands for a key that a record lacks and others have.

        Returns:
            One list of n values a name. Data without rows lack no column.

        Raises:
            ColumnError: a column is nowhere; the message lists those there are.
            RecordError: a record cannot be read; the message names file and line.
        """

    @abstractmethod
    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows, in the order named, as the type that came in, every column kept.

        Files give a list of their records (parquet a pyarrow Table, files of vectors an array).

        Raises:
            RowError: a row number is not in the data.
        """

    @abstractmethod
    def _feed(self, digest: _Hash) -> None:
        """Add the content to a hash."""

    @property
    def holds_vectors(self) -> bool:
        """Whether the rows are vectors. Costs nothing, where `vectors` may read them all."""
        return False

    @property
    def stored(self) -> StoredVectors | None:
        """The vectors where they are on disk; None when they are in memory, or there are none."""
        return None

    @property
    def vectors(self) -> npt.NDArray[Any] | None:
        """The vectors as one array (n, d): float16, float32 or float64; None for records.

        A memory map stays one, and a .npy or .safetensors file becomes one where it can. All
        else that is on disk is read into memory, at the first use; see `stored`.
        """
        return None

    def column(self, name: str) -> list[object]:
        """Read one column: n values, None where a record lacks it. Raises as `read_columns`."""
        return self.read_columns([name])[0]

    def locate(self, row: int) -> str:
        """Say where a row is, for a message.

        "train.jsonl, line 18" and "train.json, record 18" count from 1, as editors do;
        "train.parquet, row 17" and, without a file, "row 17" count from 0, as indices do.
        """
        return f"row {row}" if self._stamp is None else f"{self.origin}, row {row}"

    def content_hash(self) -> str:
        """Return "sha256:<hex>" of the content.

        Files: their bytes as they are on disk, in the order of the shards. Arrays: dtype,
        shape and bytes. Other data in memory: one line of JSON a row.
        """
        digest = hashlib.sha256()
        self._feed(digest)
        return f"sha256:{digest.hexdigest()}"

    def check_unchanged(self) -> None:
        """Raise DataError when a file behind the data has changed since it was opened."""
        if self._stamp is not None:
            self._stamp.check()

    def write(
        self,
        path_or_stream: str | os.PathLike[str] | BinaryIO,
        rows: Iterable[int] | npt.NDArray[Any],
        *,
        force: bool = False,
    ) -> None:
        """Write the rows, in the order named, to a file or a binary stream.

        The suffix of the path chooses the format (.gz compresses); a stream gets the format
        of the input if that is a file format, else jsonl. Within jsonl, csv and tsv a record
        keeps its bytes; between formats records are converted, a string becoming
        {"text": string}. A file is whole or absent, never half.

        Raises:
            OutputExistsError: the path exists and `force` is False.
            OutputError: unknown suffix, or records that the format cannot hold.
            RowError: a row number is not in the data.
            DataError: the input changed since it was opened.
        """
        chosen = row_numbers(rows, len(self))
        self.check_unchanged()
        if not isinstance(path_or_stream, (str, os.PathLike)):
            own = self.format if self.format in FILE_FORMATS else self._stream_format
            self._encode(own, path_or_stream, chosen)
            return
        format, compressed = output_format(path_or_stream)
        with (
            atomic_write(path_or_stream, force=force) as file,
            compressing(file, compressed) as stream,
        ):
            self._encode(format, stream, chosen)

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        """Write rows in `format`; kinds that can do better than convert override it."""
        if format in ("npy", "safetensors"):
            raise OutputError(
                f"{self.origin} holds records, and .{format} holds vectors only. "
                "Write .jsonl, .json, .csv, .tsv or .parquet instead."
            )
        if format == "parquet":
            table = self._table(rows)
            write_tables(stream, table.schema, [table])
        else:
            records = (as_record(item) for item in self.records(rows.tolist()))
            write_records(format, stream, records, self.columns or ("text",))

    def _table(self, rows: RowNumbers) -> Any:
        """Return rows as a pyarrow Table."""
        from evenly.samples.encoding import table_of_records

        records = [as_record(item) for item in self.records(rows.tolist())]
        return table_of_records(records, self.columns or ("text",))


class RecordSamples(Samples):
    """Samples whose only way in is record by record: lines, JSON arrays, lists."""

    _columns: tuple[str, ...] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys of all records, in the order in which they first appear."""
        if self._columns is None:
            self.read_columns([])
        return self._columns or ()

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read several columns, each record once; see Samples.read_columns."""
        values: list[list[object]] = [[] for _ in names]
        keys: dict[str, None] = {}
        for record in self.records():
            if isinstance(record, str) or not hasattr(record, "get"):
                continue
            keys.update(dict.fromkeys(record))
            for name, column in zip(names, values, strict=True):
                column.append(record.get(name, absent))
        self._columns = tuple(key for key in keys if isinstance(key, str))
        for name in names:
            if len(self) and name not in keys:
                raise missing_column(name, self._columns, self.origin)
        return values

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the records as a list, in the order of `rows`."""
        return list(self.records(row_numbers(rows, len(self)).tolist()))

    def _feed(self, digest: _Hash) -> None:
        for record in self.records():
            digest.update(plain_json(record))


def as_record(item: Any) -> Any:
    """Give a plain string the one column that it takes in a file of records."""
    return item if hasattr(item, "keys") else {"text": item}


def feed_array(digest: _Hash, array: npt.NDArray[Any]) -> None:
    """Add dtype, shape and bytes of an array to a hash, a block of rows at a time."""
    digest.update(f"{array.dtype.str} {array.shape}\n".encode())
    block = max(1, (1 << 24) // max(1, array[:1].nbytes))
    for start in range(0, len(array), block):
        part = np.ascontiguousarray(array[start : start + block])
        digest.update(part.reshape(-1).view(np.uint8).data)
