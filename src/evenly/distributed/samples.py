"""Records that are on workers, as one data set."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.distributed.messages import Opened
from evenly.distributed.vectors import Ranges
from evenly.errors import OptionError
from evenly.samples import Samples, open_samples
from evenly.samples.arrow import ArrowSamples
from evenly.samples.join_tables import join_tables
from evenly.samples.rows import RowNumbers, missing_column, row_numbers
from evenly.samples.shards import join_shards
from evenly.samples.vectors import VectorSamples
from evenly.shapes import UInt64

# Rows that are first asked for at once, and bytes of the messages after that.
_FIRST, _BYTES_AT_ONCE = 64, 1 << 24


class ClusterSamples(Samples):
    """Records or vectors that workers have opened: in files, or in Ray's memory.

    Only rows that are asked for, and columns, come to the driver.

    Args:
        ranges: which worker holds which rows.
        opened: what one of them found in its files.
        origin, path: see `Samples`.
    """

    def __init__(self, ranges: Ranges, opened: Opened, origin: str, path: str | None) -> None:
        self.origin, self.path, self.format = origin, path, opened.format
        self.holds_vectors, self.holds_records = opened.holds_vectors, opened.holds_records
        self._ranges = ranges

    def __len__(self) -> int:
        return len(self._ranges)

    def __reduce__(self) -> Any:
        """Return what a copy in another process needs: it opens the files itself."""
        return open_samples, (self._need_path(),)

    def here(self) -> Samples:
        """Return the files, opened by this process."""
        return open_samples(self._need_path())

    def _need_path(self) -> str:
        if self.path is None:
            raise OptionError(
                f"{self.origin} can be read on its cluster only. Write it to files that all "
                "machines see, and pass their folder."
            )
        return self.path

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of all records, in order of first appearance."""
        found = self._ranges.crew.ask_all("columns")
        return tuple(dict.fromkeys(name for own in found for name in own))

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield records; some are on their way at once."""
        numbers = np.arange(len(self)) if rows is None else row_numbers(rows, len(self))
        return self._in_order("records", numbers)

    def headers(self) -> list[bytes | None]:
        """Return what precedes the records in each file."""
        return [header for own in self._ranges.crew.ask_all("headers") for header in own]

    def copies(self, rows: RowNumbers) -> Iterator[bytes]:
        """Yield the bytes of records in a new file of the same format; some travel at once."""
        return self._in_order("copies", rows)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read several columns in one pass; see `Samples.read_columns`."""
        for name in names:
            if len(self) and name not in self.columns:
                raise missing_column(name, self.columns, self.origin)
        found = self._ranges.crew.ask_all("read_columns", tuple(names), absent)
        return [[value for own in found for value in own[place]] for place in range(len(names))]

    def find_keys(self, wanted: frozenset[bytes]) -> list[tuple[int, bytes]]:
        """Return the numbers of the rows that have one of some keys, ascending, and the keys."""
        found = self._ranges.crew.ask_all("find_keys", wanted)
        firsts = self._ranges.bounds.tolist()
        return [
            (first + row, key)
            for first, own in zip(firsts, found, strict=False)
            for row, key in own
        ]

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return rows in the type of the input; see `Samples.take`."""
        picked, order = self._picked(row_numbers(rows, len(self)))
        return picked.take(order)

    def text_keys(self) -> UInt64[np.ndarray, "n 2"]:
        """Return the short key of the text of each row, which workers have read."""
        return np.concatenate(self._ranges.crew.ask_all("text_keys"))

    def locate(self, row: int) -> str:
        """Return the location of a row for a message; see `Samples.locate`."""
        if self.path is None:
            return super().locate(row)
        ((worker, _),) = self._ranges.split(np.array([row])).items()
        local = int(self._ranges.local(worker, np.array([row]))[0])
        located: str = self._ranges.crew.ask("locate", {worker: (local,)})[worker]
        return located

    def file_digests(self) -> list[bytes]:
        """Return the hash of each file."""
        return [one for own in self._ranges.crew.ask_all("file_digests") for one in own]

    def _check_files(self) -> None:
        self._ranges.crew.ask_all("check_unchanged")

    def _ask(self, call: str, rows: RowNumbers) -> Iterator[tuple[npt.NDArray[Any], Any]]:
        """Ask for rows, and yield positions in `rows` with what a worker returned for them."""
        positions = self._ranges.split(rows) or {0: np.empty(0, np.int64)}
        found = self._ranges.crew.ask(
            call, {own: (self._ranges.local(own, rows[at]),) for own, at in positions.items()}
        )
        for worker, at in positions.items():
            yield at, found[worker]

    def _in_order(self, call: str, rows: RowNumbers) -> Iterator[Any]:
        """Yield what workers return for each row, in the order of `rows`."""
        for some in self._pieces(rows):
            found: list[Any] = [None] * len(some)
            for at, own in self._ask(call, some):
                for position, one in zip(at.tolist(), own, strict=True):
                    found[position] = one
            yield from found

    def _pieces(self, rows: RowNumbers) -> Iterator[RowNumbers]:
        """Yield as many rows at once as make messages of _BYTES_AT_ONCE, after what came before."""
        transport, begin, size = self._ranges.crew.transport, 0, _FIRST
        while begin < len(rows):
            moved = transport.bytes_moved
            yield rows[begin : begin + size]
            begin += size
            bytes_a_row = max(1, transport.bytes_moved - moved) / size
            size = max(1, min(8 * size, int(_BYTES_AT_ONCE / bytes_a_row)))

    def _table_of(self, rows: RowNumbers) -> Any:
        """Return rows of parquet files, which ascend."""
        tables = [own for some in self._pieces(rows) for _, own in self._ask("packed", some)]
        return join_tables(tables, self.origin)

    def _picked(self, rows: RowNumbers) -> tuple[Samples, RowNumbers]:
        """Return rows as data in memory, and the order in which they were asked for."""
        positions, packed = zip(*self._ask("packed", rows), strict=True)
        return self._unpacked(packed), np.argsort(np.concatenate(positions), kind="stable")

    def _unpacked(self, packed: Sequence[Any]) -> Samples:
        if self.format in ("parquet", "arrow"):
            table = join_tables(list(packed), self.origin)
            return ArrowSamples(table, origin=self.origin, format=self.format)
        if self.format in ("npy", "safetensors", "array"):
            array = np.concatenate(packed)
            return VectorSamples(array, origin=self.origin, format=self.format)
        parts = [open_samples(io.BytesIO(one), format=self.format) for one in packed]
        return parts[0] if len(parts) == 1 else join_shards(parts, self.origin)

    def _encode(self, format: str, stream: BinaryIO, rows: RowNumbers) -> None:
        """Write rows as one machine does: what is written is never in memory as a whole.

        Of files that need not be read to be opened, the driver writes as if they were its own,
        but workers decode parquet.
        """
        if self.path is None:
            picked, order = self._picked(rows)
            picked._encode(format, stream, order)
        elif self.format in ("parquet", "npy", "safetensors"):
            whole = self.here()
            whole.fetch = self._table_of
            whole._encode(format, stream, rows)
        else:
            super()._encode(format, stream, rows)
