"""Prepare a data set: read it, embed its texts, and drop or reject what cannot be used.

This is the validation boundary: everything behind it trusts its input.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from evenly.embedding import (
    ArrayTarget,
    Embeddings,
    LoadedEncoder,
    VectorTarget,
    embed_pool,
    load_encoder,
    open_cache,
)
from evenly.engines.registry import check_available
from evenly.errors import ColumnError, EmptyPoolError, OptionError, TextError, VectorError
from evenly.geometry import DistanceMatrix, Points
from evenly.inputs.checks import (
    DroppedRows,
    check_distances,
    check_lengths,
    holds_texts,
    unusable_rows,
)
from evenly.inputs.columns import Column, compact_column
from evenly.inputs.first_pass import FirstPass
from evenly.inputs.memory_plan import check_memory, goes_to_disk, room_for_last_rows, room_for_work
from evenly.inputs.pool_texts import PoolTexts, read_pool_texts
from evenly.inputs.vector_file import VectorFile
from evenly.options import InputOptions
from evenly.samples import (
    Samples,
    StoredVectors,
    check_text,
    excerpt,
    open_texts,
    open_with_vectors,
    texts_of_rows,
)
from evenly.shapes import Bool, Int
from evenly.tables import count

T = TypeVar("T")
log = logging.getLogger("evenly")


@dataclass(frozen=True, eq=False)
class PreparedData:
    """A data set that has been read, embedded and checked.

    Attributes:
        samples: the records, to take rows from and to write.
        points: their vectors, as geometry sees them; rows in `dropped` are not eligible.
        dropped: row number -> why it can never be chosen.
        embeddings: how the vectors were made; None if the data were vectors.
        text: what was embedded of each record, for people; None if the data were vectors.
        seconds: wall time by step, "reading" and "embedding".
        path: where the data set was read from; None if it was passed as an object.
        options: the options it was prepared with.
        pool_texts: the texts, their hashes and lengths; None if the data are vectors.
        known: what was read of the data before its texts were embedded, so that it is read once.
    """

    samples: Samples
    points: Points | DistanceMatrix
    dropped: dict[int, str]
    embeddings: Embeddings | None
    text: str | None
    seconds: dict[str, float]
    path: str | None
    options: InputOptions
    pool_texts: PoolTexts | None = None
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def embedded(self) -> bool:
        """Whether the rows have vectors, unlike texts that are checked before they are embedded."""
        return self.points.dimension > 0

    def column(self, name: str) -> Column:
        """Return a column of the records, which is read once; an array if it holds numbers."""

        def read() -> Column:
            return compact_column(value for (value,) in self.samples.iter_columns([name]))

        return self.remember(f"column {name}", read)

    def remember(self, what: str, find: Callable[[], T]) -> T:
        """Return a value that does not depend on vectors, found at most once."""
        if what not in self.known:
            self.known[what] = find()
        found: T = self.known[what]
        return found

    def texts_of(self, rows: Sequence[int]) -> Iterable[str]:
        """Return the texts of some rows, which may be read one after the other.

        Raises:
            TextError: the data were vectors.
        """
        return texts_of_rows(self.samples, rows, self.options.text, self.options.roles)

    def describe(self, row: int) -> str:
        """Return where a row is, and how its text begins, for a message."""
        located, texts = self.samples.locate(row), self.excerpts([row])
        return located if texts is None else f'{located} ("{texts[0]}")'

    def excerpts(self, rows: Sequence[int]) -> list[str] | None:
        """Return how the texts of a few rows begin; None for vectors with no known text."""
        if not self.samples.holds_records:
            return None
        try:
            return [excerpt(text) for text in self.texts_of(rows)]
        except (ColumnError, TextError):
            if self.embeddings is not None:
                raise
            return None

    def text_lengths(self) -> Int[np.ndarray, " n"]:
        """Return the characters of the text of every row, 0 for dropped rows.

        Raises:
            TextError: the data are vectors, or a usable row has a vector but no text.
        """
        if self.pool_texts is not None:
            return self.pool_texts.lengths
        lengths = np.zeros(len(self), np.int64)
        invalid: dict[int, str] = {}
        texts = open_texts(self.samples, self.options.text, self.options.roles)
        for row, (text, reason) in enumerate(texts.read()):
            lengths[row] = len(text)
            if reason and self.points.eligible[row]:
                invalid[row] = reason
        if invalid:
            have = "have" if len(invalid) > 1 else "has"
            row = min(invalid)
            raise TextError(
                f"{count(len(invalid), 'row')} {have} a vector but no text: "
                f"{self.samples.locate(row)} {invalid[row]}. Correct these rows, or leave them out."
            )
        return lengths

    def without(self, reasons: dict[int, str]) -> PreparedData:
        """Return the data set with more rows dropped, for these reasons."""
        eligible = self.points.eligible.copy()
        eligible[list(reasons)] = False
        return replace(
            self,
            points=replace(self.points, eligible=eligible),
            dropped={**self.dropped, **reasons},
        )


def prepare(
    data: Any,
    options: InputOptions,
    *,
    embedding: bool = True,
    check: Callable[[PreparedData], object] | None = None,
    budget: int | float | None = None,
) -> PreparedData:
    """Read, embed and check a data set.

    Args:
        data: as in `select_uniform`.
        options: how it becomes vectors.
        embedding: if False, texts are read and checked, no encoder is loaded, and the points
            have no coordinates.
        check: called before texts are embedded, with the data set as it is then: its rows have
            texts, and vectors without coordinates. It raises what would be an error afterwards.
        budget: how many rows, or what fraction of them, will be chosen within `memory=`.

    Raises:
        OptionError: `memory=` is too little.
        EmptyPoolError: there are no rows, or none that can be used.
        TextError, VectorError: rows cannot be used and `on_invalid` is "error".
    """
    began = perf_counter()
    check_available(options.engine, options.device)
    samples = open_with_vectors(data, options.vectors, options.id_column)
    if len(samples) == 0:
        raise EmptyPoolError(f"{samples.origin} holds no rows; there is nothing to choose from.")
    rows = DroppedRows(samples, options.on_invalid)
    embeddings, texts = None, None
    known: dict[str, Any] = {}
    vectors: Any
    if samples.holds_vectors:
        vectors = vectors_of(samples, options, budget)
        seconds = {"reading": perf_counter() - began}
    else:
        texts = read_pool_texts(samples, options, keep=embedding)
        rows.drop(texts.invalid, TextError, "text")
        seconds = {"reading": perf_counter() - began}
        vectors = np.empty((len(samples), 0), np.float32)
        if options.engine == "distances":
            raise holds_texts(samples)
        if embedding:
            if check is not None:
                check(before_embedding(samples, texts, rows, options, known))
            model = load_model(options)
            embeddings = embed_pool_texts(texts, rows.eligible, options, model, budget)
            vectors, seconds["embedding"] = embeddings.vectors, embeddings.seconds
    if options.engine == "distances":
        options = replace(options, normalize=False)
    scaled = options.normalize and vectors.shape[1] > 0
    row_sums = None
    if isinstance(vectors, StoredVectors):
        hold = room_for_last_rows(options)
        read = FirstPass.over(vectors, rows.eligible, normalize=scaled, hold=hold)
        lengths, row_sums = read.lengths, read.row_sums
        longest = lengths.max(initial=0.0)
        unusable = unusable_rows(vectors, lengths, rows.eligible, normalize=scaled, longest=longest)
    else:
        lengths, unusable = check_lengths(vectors, rows.eligible, normalize=scaled)
    reasons = {row: samples.vector_fault(row) or reason for row, reason in unusable.items()}
    rows.drop(reasons, VectorError, "vector")
    points: Points | DistanceMatrix
    if options.engine == "distances":
        points = check_distances(samples, rows.eligible)
    else:
        room = room_for_work(len(samples), options)
        points = Points.of(
            vectors, lengths, rows.eligible, normalize=scaled, room=room, row_sums=row_sums
        )
    return PreparedData(
        samples=samples,
        points=points,
        dropped=rows.dropped,
        embeddings=embeddings,
        text=None if texts is None else texts.source.description,
        seconds=seconds,
        path=fspath(data) if isinstance(data, str | PathLike) else samples.path,
        options=options,
        pool_texts=texts,
        known=known,
    )


def before_embedding(
    samples: Samples,
    texts: PoolTexts,
    rows: DroppedRows,
    options: InputOptions,
    known: dict[str, Any],
) -> PreparedData:
    """Return a data set whose texts are read, as it is checked before they are embedded."""
    n, eligible = len(samples), rows.eligible.copy()
    nothing = np.empty((n, 0), np.float32)
    return PreparedData(
        samples=samples,
        points=Points.of(nothing, np.zeros(n), eligible, normalize=False),
        dropped=dict(rows.dropped),
        embeddings=None,
        text=texts.source.description,
        seconds={},
        path=None,
        options=options,
        pool_texts=texts,
        known=known,
    )


def load_model(options: InputOptions) -> Any:
    """Load the encoder of some options, to prepare several data sets with it.

    Raises:
        ModelNotFoundError: the encoder's weights could not be found or downloaded.
    """
    return load_encoder(
        options.encoder, device=options.device, **dict(options.encoder_options or {})
    )


def embed_pool_texts(
    texts: PoolTexts,
    eligible: Bool[np.ndarray, " n"],
    options: InputOptions,
    model: LoadedEncoder,
    budget: int | float | None = None,
    *,
    needs_cache: bool = False,
) -> Embeddings:
    """Embed the texts of eligible rows, into memory or into a file; others have the vector 0.

    Texts that were kept for it are not kept any longer.
    """
    cache = open_cache(options.cache_dir, needed=needs_cache)

    def target(rows: int, dimension: int) -> VectorTarget:
        if goes_to_disk(rows, rows * dimension * 4.0, options):
            check_memory(rows, dimension, 4, budget, options)
            return VectorFile(rows, dimension, cache)
        return ArrayTarget(rows, dimension)

    embeddings = embed_pool(
        texts.hashed(eligible.copy()),
        model,
        target=target,
        cache=cache,
        progress=options.progress,
    )
    if texts.kept is not None:
        texts.kept.drop()
    return embeddings


def vectors_of(samples: Samples, options: InputOptions, budget: int | float | None = None) -> Any:
    """Return the vectors as one array, or as they are on disk if they stay there."""
    if options.text is not None and not samples.holds_records:
        raise OptionError(
            f"text={options.text!r} was given, but {samples.origin} holds vectors, not texts. "
            "Leave text out, or pass the texts, with these as their vectors."
        )
    if options.text is not None and not callable(options.text):
        check_text(samples, options.text)
    stored = samples.stored
    if stored is None or not stay_on_disk(stored, options):
        return samples.vectors
    check_memory(*stored.shape, stored.dtype.itemsize, budget, options)
    if not stored.seekable:
        log.warning(
            "%s stays on disk, and single rows of it are read again and again, which is slow for "
            "parquet and for .npy in Fortran order. Faster: write it as .npy in C order, or allow "
            "more memory=",
            samples.origin,
        )
    return stored


def stay_on_disk(stored: StoredVectors | None, options: InputOptions) -> bool:
    """Whether vectors are read from their files when needed, and not all at once."""
    return stored is not None and goes_to_disk(len(stored), stored.bytes_in_memory, options)
