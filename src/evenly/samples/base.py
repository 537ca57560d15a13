"""`Samples`, the interface of all kinds of data, and `RecordSamples`, read record by record."""

from __future__ import annotations

import copy
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy.typing as npt
from typing_extensions import Self

from evenly.atomic import Companion
from evenly.errors import OutputError
from evenly.options import NotKept
from evenly.samples.arrow_columns import table_of_records, write_tables
from evenly.samples.encoding import open_output, write_records
from evenly.samples.formats import FILE_FORMATS
from evenly.samples.json_values import plain_json
from evenly.samples.rows import RowNumbers, missing_column, row_numbers
from evenly.samples.source import FileStamp, Source

if TYPE_CHECKING:
    from hashlib import _Hash

    from evenly.samples.stored import StoredVectors


@dataclass(frozen=True, eq=False)
class VectorsBeside:
    """The vectors that records were given, one for each row.

    Attributes:
        rows: the vectors, in the order of the records.
        origin: name of the vectors in messages: "emb.npy", or "the column 'embedding'".
        given: how they were named: a path or a column; `NotKept` if they were passed as an object.
        faults: row number -> why the row has no usable vector, where `rows` has NaN.
    """

    rows: Samples
    origin: str
    given: str | NotKept
    faults: Mapping[int, str] = field(default_factory=dict)

    def fault(self, row: int) -> str | None:
        """Return why the vector of a row cannot be used, if the data say it."""
        return self.faults.get(row) or self.rows.vector_fault(row)


class Samples(ABC):
    """Records, strings or vectors, which can be returned or written in their original form.

    Attributes:
        origin: name of the data in messages, such as "train.jsonl".
        format: jsonl, json, csv, tsv, txt, parquet, npy or safetensors for files and streams; list,
            dataset, pandas, polars, arrow, array or tensor for data in memory.
        holds_vectors: whether every row is a vector or has one; unlike `vectors`, this reads
            nothing.
        holds_records: whether the rows are records or strings, which may have vectors beside.
        stored: the vectors on disk; None if they are in memory, or if there are none.
        beside: the vectors that records were given; None for all other data.
        path: the file, folder or pattern that it was opened from; None for data in memory.
        is_part: whether there are more records elsewhere, which may have columns that these lack.
        fetch: returns rows of parquet files as a pyarrow Table, if others read them; else they are
            read here.
    """

    origin: str
    format: str
    holds_vectors: bool = False
    holds_records: bool = True
    stored: StoredVectors | None = None
    beside: VectorsBeside | None = None
    path: str | None = None
    is_part: bool = False
    fetch: Callable[[RowNumbers], Any] | None = None
    _source: Source | FileStamp | None = None
    _stream_format = "jsonl"

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The column names; () for plain strings and for vectors."""

    @abstractmethod
    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield all rows or the given ones, as strings or as dicts of plain Python values."""

    @abstractmethod
    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read several columns in one pass.

        Args:
            names: the columns to read.
            absent: value for a key that some records lack.

        Returns:
            One list of n values per name. Data without rows have every column.

        Raises:
            ColumnError: no record has the column; the message lists the columns there are.
            RecordError: a record cannot be read; the message names the file and the line.
        """

    def iter_columns(
        self, names: Sequence[str], absent: object = None
    ) -> Iterator[tuple[object, ...]]:
        """Yield the values of several columns, row by row, as they are read.

        Only a part of a file is in memory at once. Raises like `read_columns`, a missing column
        perhaps only at the end.
        """
        return zip(*self.read_columns(names, absent), strict=True)

    @abstractmethod
    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the given rows, in that order, in the type of the input with all columns.

        Files return a list of records, parquet a pyarrow Table, files of vectors an array.

        Raises:
            RowError: a row number is out of range.
        """

    def _feed(self, digest: _Hash) -> None:
        """Add the content to a hash."""
        if self._source is not None:
            self._source.feed(digest)
            return
        for record in self.records():
            digest.update(plain_json(record))

    @property
    def vectors(self) -> npt.NDArray[Any] | None:
        """The vectors as one array (n, d) of float16, float32 or float64; None without vectors.

        A memory map remains one, and a .npy or .safetensors file that would fill the memory
        becomes one. Other files are read into memory on first use; `stored` avoids that.
        """
        return None if self.beside is None else self.beside.rows.vectors

    @property
    def stored_vectors(self) -> Any:
        """The vectors where they are: `stored`, or else `vectors`."""
        return self.vectors if self.stored is None else self.stored

    def with_vectors(self, beside: VectorsBeside) -> Self:
        """Return the same records, each with a vector."""
        both = copy.copy(self)
        both.holds_vectors = both.holds_records = True
        both.stored, both.beside = beside.rows.stored, beside
        return both

    def here(self) -> Samples:
        """Return the same data as this process can read them: themselves, unless elsewhere."""
        return self

    def vector_fault(self, row: int) -> str | None:
        """Return why the vector of a row is NaN, if the data say it."""
        if self.beside is None:
            return None
        return self.beside.fault(row)

    def parquet_paths(self) -> list[str]:
        """Return the parquet files that the data are read from; none for other data."""
        return []

    def arrow_column(self, name: str) -> Any:
        """Return a column as pyarrow has it, uncopied; None if the data are not Arrow."""
        return None

    def column_values(self, name: str, absent: object = None) -> Iterable[object]:
        """Return the values of a column, `absent` for a key that a record lacks.

        Raises:
            ColumnError, RecordError: as in `read_columns`.
        """
        return self.read_columns([name], absent)[0]

    def column(self, name: str) -> list[object]:
        """Read one column: n values, None if a record lacks it. Raises like `read_columns`."""
        return self.read_columns([name])[0]

    def locate(self, row: int) -> str:
        """Return the location of a row for a message.

        "train.jsonl, line 18" and "train.json, record 18" count from 1, as editors do;
        "train.parquet, row 17" and, without a file, "row 17" count from 0, as indices do.
        """
        return f"row {row}" if self._source is None else f"{self.origin}, row {row}"

    def content_hash(self) -> str:
        """Return "sha256:<hex>" of the content.

        Hashes the bytes of a file as they are on disk; of several files, the hashes of each in
        their order; the dtype, shape and bytes of arrays; and one line of JSON per row of other
        data in memory.
        """
        return f"sha256:{joined_digest(self.file_digests()).hex()}"

    def file_digests(self) -> list[bytes]:
        """Return the hash of each file; a single one if there are no files, or only one."""
        digest = hashlib.sha256()
        self._feed(digest)
        return [digest.digest()]

    def check_unchanged(self) -> None:
        """Raise DataError if a file of the data has changed since it was opened."""
        self._check_files()
        if self.beside is not None:
            self.beside.rows.check_unchanged()

    def headers(self) -> list[bytes | None]:
        """Return what precedes the records in each file; None if they cannot be copied as bytes."""
        return [None]

    def copies(self, rows: RowNumbers) -> Iterator[bytes]:
        """Yield the bytes of records in a new file of the same format, if there are headers."""
        raise NotImplementedError

    def _check_files(self) -> None:
        if self._source is not None:
            self._source.check()

    def write(
        self,
        path_or_stream: str | os.PathLike[str] | BinaryIO,
        rows: Iterable[int] | npt.NDArray[Any],
        *,
        force: bool = False,
        companion: Companion | None = None,
    ) -> None:
        """Write the given rows, in that order, to a file or a binary stream.

        The suffix of the path determines the format (.gz, .bz2, .xz and .zst compress); a stream
        gets the format of the input if that is a file format, else jsonl. A record of jsonl, csv,
        tsv or txt keeps its bytes if the format stays the same; otherwise records are converted,
        and a string becomes {"text": string}. Files are written
        atomically; `companion` is that of `atomic_write`.

        Raises:
            OutputExistsError: the path exists and `force` is False.
            OutputError: the suffix is unknown, or the format cannot hold the records.
            RowError: a row number is out of range.
            DataError: the input has changed since it was opened.
        """
        numbers = row_numbers(rows, len(self))
        self.check_unchanged()
        if not isinstance(path_or_stream, (str, os.PathLike)):
            own = self.format if self.format in FILE_FORMATS else self._stream_format
            self._encode(own, path_or_stream, numbers)
            return
        with open_output(path_or_stream, force=force, companion=companion) as (format, stream):
            self._encode(format, stream, numbers)

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        """Write rows in `format`: bytes that can be copied are copied, others are converted."""
        headers = self.headers() if format == self.format else [None]
        if headers[0] is not None and len({header and header.rstrip() for header in headers}) == 1:
            stream.write(headers[0])
            for copied in self.copies(rows):
                stream.write(copied)
        elif format in ("npy", "safetensors"):
            raise OutputError(
                f"{self.origin} holds records, but .{format} files hold only vectors. "
                "Write .jsonl, .json, .csv, .tsv or .parquet instead."
            )
        elif format == "parquet":
            table = self._table(rows)
            write_tables(stream, table.schema, [table])
        else:
            items = self.records(rows.tolist())
            # A JSON array of strings remains one.
            records = items if format == self.format == "json" else map(as_record, items)
            write_records(format, stream, records, self.columns or ("text",))

    def _table(self, rows: RowNumbers) -> Any:
        """Return rows as a pyarrow Table."""
        records = [as_record(item) for item in self.records(rows.tolist())]
        return table_of_records(records, self.columns or ("text",))


class RecordSamples(Samples):
    """Samples that are read record by record: lines, JSON arrays, lists."""

    _columns: tuple[str, ...] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys of all records, in order of first appearance."""
        if self._columns is None:
            self.read_columns([])
        return self._columns or ()

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read several columns in one pass; see Samples.read_columns."""
        values: list[list[object]] = [[] for _ in names]
        for row in self.iter_columns(names, absent):
            for value, column in zip(row, values, strict=True):
                column.append(value)
        return values

    def iter_columns(
        self, names: Sequence[str], absent: object = None
    ) -> Iterator[tuple[object, ...]]:
        """Yield the values of columns, record by record; see Samples.iter_columns."""
        keys: dict[str, None] = {}
        for record in self.records():
            if isinstance(record, str) or not hasattr(record, "get"):
                continue
            if not keys.keys() >= record.keys():
                keys.update(dict.fromkeys(record))
            yield tuple([record.get(name, absent) for name in names])
        self._columns = tuple(key for key in keys if isinstance(key, str))
        for name in names:
            if len(self) and name not in keys and not self.is_part:
                raise missing_column(name, self._columns, self.origin)

    def column_values(self, name: str, absent: object = None) -> Iterator[object]:
        """Yield the values of a column, record by record; see Samples.column_values."""
        found = False
        for record in self.records():
            value = record.get(name, absent) if hasattr(record, "get") else absent
            found = found or value is not absent
            yield value
        if len(self) and not found and not self.is_part:
            raise missing_column(name, self.columns, self.origin)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the records as a list, in the order of `rows`."""
        return list(self.records(row_numbers(rows, len(self)).tolist()))


def as_record(item: Any) -> Any:
    """Return the record of an item: a plain string becomes the column "text"."""
    return item if hasattr(item, "keys") else {"text": item}


def joined_digest(digests: Sequence[bytes]) -> bytes:
    """Return the hash of several files from the hash of each; of one file, its own."""
    return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
