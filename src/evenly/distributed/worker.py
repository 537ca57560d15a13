"""A worker: a range of rows on one machine, and the engine that holds them."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenly.distributed.messages import Opened, Reply, Request, versions
from evenly.distributed.parts import FilePart, open_part
from evenly.distributed.pieces import SharedRanges
from evenly.distributed.references import fetch, open_blocks
from evenly.engines import Engine, make_engine
from evenly.engines.mapped import MappedEngine
from evenly.engines.memory import MemoryEngine
from evenly.errors import ClusterError, EvenlyError
from evenly.geometry import (
    Points,
    row_lengths,
    single_threaded_blas,
    squared_distances_between,
)
from evenly.geometry.points import MEAN_ROWS, blocks
from evenly.inputs.checks import unusable_rows
from evenly.inputs.pool_texts import PoolTexts, read_pool_texts
from evenly.inputs.prepare import embed_pool_texts, load_model, vectors_of
from evenly.inputs.row_keys import find_keys, keys_of_rows
from evenly.options import InputOptions
from evenly.paths import CACHE_VARIABLE
from evenly.samples import FileStamp, Samples
from evenly.samples.hashes import HASHED_ROWS, block_hashes
from evenly.shapes import Bool, Float, Int, UInt64

log = logging.getLogger("evenly")


@dataclass(frozen=True)
class Embedded:
    """What a worker embedded; see `Embeddings`."""

    dimension: int
    encoder: str
    fingerprint: str | None
    weights_hash: str | None
    truncated: int
    reused: int
    computed: int


@dataclass(frozen=True, eq=False)
class PartOfFrontier:
    """A frontier as it travels: without the products, which the driver makes of all parts.

    Attributes:
        rows, squared, ceiling, ceiling_row: see `Frontier`; row numbers are those of the worker.
        stored: (m, d) the vectors; those that the driver has from the last frontier are left out.
        had: (m,) whether the driver has a vector.
    """

    rows: Int[np.ndarray, " m"]
    squared: Float[np.ndarray, " m"]
    stored: np.ndarray[Any, Any]
    had: Bool[np.ndarray, " m"]
    ceiling: float
    ceiling_row: int


class Worker(SharedRanges):
    """Rows that one machine holds. It answers requests one after the other.

    A worker that dies is not restarted by the cluster: an empty one would answer from nothing. The
    driver makes another one, and repeats the requests that made this one what it was.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._seen = 0
        self._engine: Engine | None = None
        self._sent = -2, np.empty(0, np.int64)

    def handle(self, request: Request) -> Reply:
        """Answer a request, unless it is not meant for this worker as it is now."""
        began = time.perf_counter()
        if (request.generation, request.seen) != (self._generation, self._seen):
            return Reply(self._generation, request.number, self._seen, refused=True)
        value, error = None, None
        with _Warnings() as heard:
            try:
                with single_threaded_blas():
                    for name, *arguments in request.operations:
                        self._apply(name, *arguments)
                value = getattr(self, request.call)(*request.arguments)
            except EvenlyError as raised:
                error = (type(raised).__name__, str(raised))
        return Reply(
            self._generation,
            request.number,
            self._seen,
            value=value,
            error=error,
            seconds=time.perf_counter() - began,
            warnings=tuple(heard),
        )

    def _apply(self, name: str, *arguments: Any) -> None:
        if self._engine is not None:
            getattr(self._engine, name)(*arguments)
        self._seen += 1

    # Requests that prepare the rows, in this order.

    def hello(self, wanted: dict[str, str], folder: str, cache: str | None) -> int:
        """Compare versions, use the driver's folder and cache folder; return the process id."""
        found = versions()
        for name, version in wanted.items():
            if found[name] != version:
                raise ClusterError(
                    f"a machine of the cluster has {name} {found[name]}, and this one {version}. "
                    "Install the same versions on all machines: the chosen rows may depend on them."
                )
        with contextlib.suppress(OSError):
            os.chdir(folder)
        if cache:
            os.environ[CACHE_VARIABLE] = cache
        return os.getpid()

    def hold(self, stored: Any, factors: Float[np.ndarray, " n"] | None) -> None:
        """Take vectors that are in the driver's memory."""
        self._stored, self._factors = stored, factors
        self._options = InputOptions()

    def open(self, part: FilePart) -> Opened:
        """Open files; nothing but their structure is read."""
        self._part = part
        self._samples: Samples = open_part(part)
        samples = self._samples
        vectors = samples.stored_vectors if samples.holds_vectors else None
        return Opened(
            rows=len(samples),
            format=samples.format,
            holds_vectors=samples.holds_vectors,
            holds_records=samples.holds_records,
            dimension=0 if vectors is None else vectors.shape[1],
            dtype=None if vectors is None else vectors.dtype.str,
            file_dtype=None if samples.stored is None else samples.stored.file_dtype.str,
            stamps=tuple(FileStamp.of(path) for path in part.paths),
        )

    def read_texts(self, options: InputOptions) -> tuple[dict[int, str], Int[np.ndarray, " n"]]:
        """Read the text of each row; return why rows have none, and the lengths."""
        self._options = options
        self._texts: PoolTexts = read_pool_texts(self._samples, self._options)
        return self._texts.invalid, self._texts.lengths

    def text_keys(self) -> UInt64[np.ndarray, "n 2"]:
        """Return the short key of the text of each row."""
        return self._texts.keys

    def embed(self, budget: int | None) -> Embedded:
        """Embed the texts, through the cache, by which workers share vectors."""
        usable = np.ones(len(self._samples), bool)
        usable[list(self._texts.invalid)] = False
        if not hasattr(self, "_model"):
            self._model = load_model(self._options)
        found = embed_pool_texts(
            self._texts, usable, self._options, self._model, budget, needs_cache=True
        )
        self._stored = found.vectors
        return Embedded(
            dimension=found.vectors.shape[1],
            encoder=found.encoder,
            fingerprint=found.fingerprint,
            weights_hash=found.weights_hash,
            truncated=found.truncated,
            reused=found.reused,
            computed=found.computed,
        )

    def measure(
        self,
        options: InputOptions,
        dimension: int,
        dtype: str,
        file_dtype: str | None,
        budget: int | None,
    ) -> Float[np.ndarray, " n"]:
        """Return the lengths of all vectors, which are of these types from now on."""
        self._options = options
        samples = self._samples
        if samples.holds_vectors:
            if samples.stored is not None and file_dtype is not None:
                samples.stored.dtype = np.dtype(dtype)
                samples.stored.file_dtype = np.dtype(file_dtype)
            self._stored = vectors_of(samples, self._options, budget)
        if not self._stored.shape[1]:
            self._stored = np.zeros((len(samples), dimension), dtype)
        elif isinstance(self._stored, np.ndarray):
            self._stored = self._stored.astype(dtype, copy=False)
        self._lengths = row_lengths(self._stored)
        return self._lengths

    def settle(self, normalize: bool, longest: float) -> dict[int, str]:
        """Return which rows cannot be points, and why; divide by lengths from now on."""
        lengths, invalid = self._lengths, getattr(self, "_texts", None)
        eligible = np.ones(len(lengths), bool)
        if invalid is not None:
            eligible[list(invalid.invalid)] = False
        unusable = unusable_rows(
            self._stored, lengths, eligible, normalize=normalize, longest=longest
        )
        eligible[list(unusable)] = False
        self._factors = None
        if normalize:
            self._factors = np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=eligible)
        fault = self._samples.vector_fault
        return {row: fault(row) or reason for row, reason in unusable.items()}

    def begin(
        self, budget: int, eligible: Bool[np.ndarray, " n"], longest: float, engine: str
    ) -> None:
        """Make an engine, to which nothing was added yet."""
        self._engine, self._seen, self._sent = None, 0, (-2, np.empty(0, np.int64))
        if eligible.any():
            points = self._points(eligible, longest)
            self._engine = make_engine(points, budget, engine, device=self._options.device)

    def end(self) -> None:
        """Drop the engine."""
        self._engine, self._seen = None, 0

    # Questions about the rows.

    def frontier(self, size: int, floor: float, round: int) -> PartOfFrontier:
        """Return the rows that can be the next pick; see `Engine.frontier`.

        Vectors that the driver has from the round before are left out.
        """
        if self._engine is None:
            nothing = self.vectors(np.empty(0, np.int64))
            return PartOfFrontier(
                np.empty(0, np.int64), np.empty(0), nothing, np.empty(0, bool), -np.inf, 0
            )
        # As on one machine: threads of BLAS would spin between rounds, in the way of the engine's.
        with single_threaded_blas():
            found = self._engine.frontier(size, floor)
        assert found.points is not None
        last_round, sent = self._sent
        had = np.isin(found.rows, sent) & (last_round == round - 1)
        self._sent = round, found.rows
        return PartOfFrontier(
            rows=found.rows,
            squared=found.squared,
            stored=found.points.stored[~had],
            had=had,
            ceiling=found.ceiling,
            ceiling_row=found.ceiling_row,
        )

    def look_ahead(self) -> None:
        """Work for the next frontier while the driver makes picks; this changes no answer."""
        if isinstance(self._engine, MemoryEngine | MappedEngine):
            self._engine.look_ahead()

    def vectors(self, rows: Int[np.ndarray, " m"]) -> np.ndarray[Any, Any]:
        """Return the vectors of a few rows."""
        taken: np.ndarray[Any, Any] = self._stored[rows]
        return taken

    def block_sums(
        self, first: int, origin: Float[np.ndarray, " d"], eligible: Bool[np.ndarray, " n"]
    ) -> Float[np.ndarray, "b d"]:
        """Return the sums, for the mean, of the blocks that lie in these rows as a whole."""
        whole = max(0, len(eligible) - first) // MEAN_ROWS * MEAN_ROWS
        points = Points(self._stored, self._factors, eligible, 0.0)
        return points.sums_of_blocks(origin, slice(first, first + whole))

    def squared_distances_to(
        self,
        origin: Float[np.ndarray, " d"],
        mean: Float[np.ndarray, " d"],
        eligible: Bool[np.ndarray, " n"],
    ) -> Float[np.ndarray, " n"]:
        """Return the squared distance of each row to the mean; see `Points`."""
        return Points(self._stored, self._factors, eligible, 0.0).squared_distances_from(
            origin, mean
        )

    def squared_to_nearest(
        self, points: Points, own: Int[np.ndarray, " m"], k: int, eligible: Bool[np.ndarray, " n"]
    ) -> Float[np.ndarray, "m k"]:
        """Return the squared distances of a few points to the k nearest eligible rows, ascending.

        `own` has the number of each point if it is one of these rows, which is not its own
        neighbour, or -1; inf stands for rows that do not exist.
        """
        here = Points(self._stored, self._factors, eligible, points.longest)
        nearest = np.full((len(points), k), np.inf)
        for block in blocks(len(here), 1, numbers=MEAN_ROWS):
            part = here.part(block)
            rows = np.flatnonzero(part.eligible)
            for point, row in enumerate(own.tolist()):
                others = rows[rows != row - block.start]
                same = np.full(len(others), point)
                found = squared_distances_between(part, others, points, same)
                nearest[point] = np.sort(np.concatenate([nearest[point], found]))[:k]
        return nearest

    def block_hashes(self, first: int) -> list[bytes]:
        """Return the hash of each block of vectors that lies in these rows as a whole."""
        stored = self._stored
        whole = max(0, len(stored) - first) // HASHED_ROWS * HASHED_ROWS
        return list(block_hashes(stored, first, first + whole))

    # Questions about the records.

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the records."""
        return self._samples.columns

    def read_columns(self, names: Sequence[str], absent: object) -> list[list[object]]:
        """Read columns of all rows; see `Samples.read_columns`."""
        return self._samples.read_columns(names, absent)

    def find_keys(self, wanted: frozenset[bytes]) -> list[tuple[int, bytes]]:
        """Return the rows that have one of some keys; see `inputs.row_keys`."""
        vectors = None if self._samples.holds_records else self._stored
        keys = keys_of_rows(self._samples, getattr(self, "_texts", None), vectors)
        return find_keys(keys, wanted)

    def records(self, rows: Int[np.ndarray, " m"]) -> list[Any]:
        """Return a few records."""
        return list(self._samples.records(rows))

    def headers(self) -> list[bytes | None]:
        """Return what precedes the records in each file; see `Samples.headers`."""
        return self._samples.headers()

    def copies(self, rows: Int[np.ndarray, " m"]) -> list[bytes]:
        """Return the bytes of a few records; see `Samples.copies`."""
        return list(self._samples.copies(rows))

    def packed(self, rows: Int[np.ndarray, " m"]) -> Any:
        """Return a few rows in the form of the data: an array, a table, or the bytes of a file."""
        samples = self._samples
        if samples.format in ("npy", "safetensors", "array", "parquet", "arrow"):
            return samples.take(rows)
        stream = io.BytesIO()
        samples.write(stream, rows)
        return stream.getvalue()

    def locate(self, row: int) -> str:
        """Return where a row is, for a message."""
        if self._part.rows is not None:
            return f"{self._part.paths[0]}, row {self._part.rows[0] + row}"
        return self._samples.locate(row)

    def check_unchanged(self) -> None:
        """Raise DataError if a file has changed."""
        self._samples.check_unchanged()

    def file_digests(self) -> list[bytes]:
        """Return the hash of each file or block.

        A file that several workers share counts for the first.
        """
        if self._part.references:
            blocks = [open_blocks([one]) for one in fetch(self._part.references)]
            return [digest for block in blocks for digest in block.file_digests()]
        if self._part.is_later:
            return []
        return self._samples.file_digests()


class _Warnings(logging.Handler):
    """Collects the warnings that are logged in a context, instead of printing them here."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._heard.append(record.getMessage())

    def __enter__(self) -> list[str]:
        self._propagated, log.propagate = log.propagate, False
        log.addHandler(self)
        return self._heard

    def __exit__(self, *error: object) -> None:
        log.removeHandler(self)
        log.propagate = self._propagated
