"""`deduplicate`: merge rows that repeat others, exactly or nearly, into one that is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import sqrt
from numbers import Integral
from os import PathLike
from time import perf_counter
from typing import Any, Literal, TypeVar

import numpy as np

from evenly.distributed.gathering import check_room, gathered
from evenly.distributed.prepare import check_options, prepare, stay_on_workers
from evenly.distributed.references import check_cluster
from evenly.distributed.samples import ClusterSamples
from evenly.distributed.vectors import ClusterPoints
from evenly.embedding import first_of_equals
from evenly.engines.registry import check_packing_engine
from evenly.errors import BudgetError, OptionError
from evenly.geometry import TIE, DistanceMatrix, Points, blocks, nearest_chosen, reach_of
from evenly.inputs.prepare import PreparedData
from evenly.options import (
    DEFAULT_ENCODER,
    DeduplicationOptions,
    InputOptions,
    OnInvalid,
    TextColumns,
    documented,
)
from evenly.selection.greedy.progress import packing_bar
from evenly.selection.packing.on_workers import packing_on_workers
from evenly.selection.packing.packer import Packer
from evenly.selection.packing.target_size import distance_for_size
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.provenance import provenance_of
from evenly.selection.rules.budget import rows_of_budget
from evenly.selection.rules.quality import best_first
from evenly.selection.rules.resolve import describe_rule_options
from evenly.selection.rules.row_values import numbers_of
from evenly.shapes import Bool, Float, Int, UInt64

T = TypeVar("T")

_HASH_BYTES = 16


@documented(InputOptions)
def deduplicate(
    data: Any,
    min_distance: float | None = None,
    *,
    similarity: float | None = None,
    to: int | float | None = None,
    keep: Literal["first", "longest", "best"] = "first",
    quality: Any = None,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    engine: str = "auto",
    device: str = "auto",
    cluster: str | None = None,
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Deduplication:
    """Keep rows that are at least a distance apart, such that every other row is near one of them.

    Rows are considered in the order of `keep`, and a row is kept if it is at least `min_distance`
    from every row kept before it. Every other row is then represented by the kept row nearest to
    it, which is nearer than `min_distance`.

    Args:
        data: as in `select_uniform`.
        min_distance: the Euclidean distance from which on rows are different. Squared distances
            within 1e-12, relatively, are equal, and a row at exactly the distance is kept. 0
            merges exact duplicates only: rows at distance 0, or equal texts, for which no encoder
            is needed.
        similarity: instead of `min_distance`: rows with a larger cosine similarity are
            duplicates. A similarity s is the distance sqrt(2 - 2 s) between rows of length 1:
            0.95 is 0.3162.
        to: the most rows to keep, instead of `min_distance`: an int, or a fraction in (0, 1] of
            the usable rows. Bisection finds the distance that keeps the most rows among those
            tried. The number of rows falls with the distance only overall, and in steps, so
            there may be fewer rows than requested.
        keep: which of several rows to keep: "first", the smallest row number; "longest", the
            longest text, in characters; "best", the highest quality. Ties go to the smaller row
            number.
        quality: for "best": the column of the quality, or one number for each row, 0 or more.
        engine: as in `select_by_quality`.

    Returns:
        Deduplication: `indices` of the kept rows, in the order of the input, the representative
        of every row, and the groups of exact duplicates.

    Raises:
        OptionError, BudgetError: an option has a value it cannot have.
        DataError: the input cannot be used, or the quality of a usable row is missing, not
            finite or negative; the message names the row.
        EncoderError: the encoder could not be found, or fails.
        ClusterError: the cluster cannot be reached, or loses its workers again and again.

    Cost: each distinct text is embedded once; then about one `select_uniform` that chooses as
        many rows as are kept, and one search for the nearest kept row of every other row. With
        `to`, a dozen of the former.
    """
    arguments = locals()
    inputs, how = InputOptions.of(arguments), DeduplicationOptions.of(arguments)
    return remove_duplicates(data, inputs, how)


def remove_duplicates(data: Any, inputs: InputOptions, how: DeduplicationOptions) -> Deduplication:
    """Merge rows that repeat others; see `deduplicate`."""
    _check(how, inputs)
    min_distance = _distance_of(how)
    check_packing_engine(inputs.engine)
    check_cluster(data, inputs.cluster)
    if inputs.cluster is not None:
        check_options(inputs)
        if not stay_on_workers(data, inputs):
            inputs = replace(inputs, cluster=None)  # all vectors are here

    def order_and_limit(prepared: PreparedData) -> tuple[Int[np.ndarray, " m"], int | None]:
        order = _order_of(prepared, how)
        return order, None if how.to is None else _most_rows(how.to, len(order))

    embedding = min_distance != 0
    prepared = prepare(data, inputs, embedding=embedding, check=order_and_limit)
    if how.to is not None:
        prepared = gathered(prepared, "to")
    order, limit = order_and_limit(prepared)
    options = {"min_distance": None, "to": None, **describe_rule_options(how.given())}
    options |= {"engine": inputs.engine, "memory": inputs.memory}
    provenance = provenance_of(prepared, options)
    began = perf_counter()
    first = _first_of_equals(prepared, order)
    distinct: Int[np.ndarray, " m"] = order[first[order] == order]
    pack_rows = _packer_of(prepared)
    with packing_bar(inputs.progress) as show:

        def pack(distance: float, limit: int | None = None) -> Int[np.ndarray, " k"]:
            if not prepared.points.dimension:
                return distinct  # texts that differ, without vectors
            progress = show(distance, len(distinct))
            return pack_rows(distinct, distance, limit, progress)

        if limit is None:
            assert min_distance is not None
            distance = min_distance
            kept = pack(distance)
        else:
            distance, kept = distance_for_size(prepared.points, distinct, limit, pack)
    representative, distances = _representatives(prepared.points, distinct, first, kept, distance)
    prepared.samples.check_unchanged()
    seconds = prepared.seconds | {"packing": perf_counter() - began}
    return Deduplication(
        np.sort(kept),
        representative,
        distances,
        distance,
        _groups_of(first, order),
        provenance.finished(seconds),
        prepared.samples,
    )


def _packer_of(
    prepared: PreparedData,
) -> Callable[
    [Int[np.ndarray, " m"], float, int | None, Callable[[int], object]], Int[np.ndarray, " k"]
]:
    """Return what packs rows in an order at a distance, where they are."""
    points = prepared.points
    if not isinstance(points, ClusterPoints):
        packer = Packer(points)
        return lambda order, distance, limit, progress: (
            packer.pack(order, distance, limit=limit, progress=progress).rows
        )

    def fits(kept: int) -> None:
        check_room(
            prepared, kept, "all rows are compared with those that are kept", "raise min_distance="
        )

    return lambda order, distance, _, progress: packing_on_workers(
        points, order, distance, check=fits, progress=progress
    )


def _check(how: DeduplicationOptions, inputs: InputOptions) -> None:
    """Reject options that do not belong together, before the data are read."""
    ways = (how.min_distance, how.similarity, how.to)
    if sum(way is not None for way in ways) != 1:
        raise OptionError(
            "give one of min_distance= (the distance below which rows are duplicates; 0 merges "
            "exact duplicates only), similarity= (the cosine similarity above which they are) and "
            "to= (the most rows to keep)."
        )
    if how.similarity is not None and (not inputs.normalize or inputs.engine == "distances"):
        raise OptionError(
            "a similarity is that of rows of length 1, which a matrix of distances and rows that "
            "are not normalized do not have: give min_distance=."
        )
    if (how.quality is not None) != (how.keep == "best"):
        raise OptionError(
            'keep="best" and quality=, a column or one number for each row, belong together: got '
            f"keep={how.keep!r} {'without' if how.quality is None else 'with'} quality=."
        )


def _distance_of(how: DeduplicationOptions) -> float | None:
    """Return the distance below which rows are duplicates; None if it is to be found."""
    if how.similarity is not None:
        return sqrt(max(0.0, 2.0 - 2.0 * float(how.similarity)))
    return None if how.min_distance is None else float(how.min_distance)


def _most_rows(to: Any, usable: int) -> int:
    if isinstance(to, Integral) and int(to) > usable:
        raise BudgetError(
            f"to must be between 1 and the {usable} usable rows, got {to}. To merge exact "
            "duplicates only, pass min_distance=0."
        )
    return rows_of_budget(to, usable)


def _order_of(prepared: PreparedData, how: DeduplicationOptions) -> Int[np.ndarray, " m"]:
    """Return the usable rows, in the order in which they are preferred."""
    usable = prepared.points.eligible
    if how.keep == "first":
        return np.flatnonzero(usable)
    if how.keep == "best":
        better = numbers_of(prepared, "quality", how.quality)
    elif not prepared.samples.holds_records:
        raise OptionError(
            f'keep="longest" needs texts, and {prepared.samples.origin} holds vectors. Pass the '
            'lengths: keep="best", quality=…'
        )
    else:
        better = prepared.text_lengths().astype(float)
    return best_first(better, usable)


def _first_of_equals(prepared: PreparedData, order: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"]:
    """Return, for every row, the first equal row in the order: the same text or numbers."""
    if prepared.pool_texts is not None:
        samples, keys = prepared.samples, prepared.pool_texts.keys
        if isinstance(samples, ClusterSamples):
            keys = samples.text_keys()
        return first_of_equals(keys, order)
    first = np.arange(len(prepared))
    digests, twice = _digests_of_likely_equals(prepared.points)
    seen: dict[bytes, int] = {}
    for row in order[twice[order]].tolist():
        first[row] = seen.setdefault(digests[row], row)
    return first


def _digests_of_likely_equals(
    points: Points | DistanceMatrix,
) -> tuple[dict[int, bytes], Bool[np.ndarray, " n"]]:
    """Return hashes of rows that are likely to repeat, and a mask of these rows.

    Equal rows have equal weighted sums of their bits as integers; only rows that share their sum
    with another row need a better hash. Both are computed where the rows are.
    """
    sums = np.concatenate(_ask(points, sums_of_bits, np.ones(len(points), bool)))
    _, kind, counts = np.unique(sums, return_inverse=True, return_counts=True)
    twice: Bool[np.ndarray, " n"] = counts[kind] > 1
    digests = chain.from_iterable(_ask(points, digests_of, twice) if twice.any() else ())
    return dict(zip(np.flatnonzero(twice).tolist(), digests, strict=True)), twice


def _ask(
    points: Points | DistanceMatrix,
    task: Callable[[Points | DistanceMatrix], T],
    rows: Bool[np.ndarray, " n"],
) -> list[T]:
    """Return the results of a task about some rows, of all workers in order, or of here."""
    if isinstance(points, ClusterPoints):
        found = points.ask(task, rows, dict.fromkeys(range(len(points.where.crew)), ()))
        return [found[worker] for worker in sorted(found)]
    return [task(replace(points, eligible=rows))]


def sums_of_bits(points: Points | DistanceMatrix) -> UInt64[np.ndarray, " n"]:
    """Return a weighted sum of the bits of each row."""
    weights = np.random.default_rng(0).integers(1, 1 << 63, points.dimension, dtype=np.uint64)
    sums = np.empty(len(points), np.uint64)
    for block, part in _numbers(points):
        sums[block] = part.view(f"u{part.dtype.itemsize}") @ weights
    return sums


def digests_of(points: Points | DistanceMatrix) -> list[bytes]:
    """Return a hash of each eligible row."""
    return [
        hashlib.blake2b(part[row].tobytes(), digest_size=_HASH_BYTES).digest()
        for block, part in _numbers(points)
        for row in np.flatnonzero(points.eligible[block]).tolist()
    ]


def _numbers(points: Points | DistanceMatrix) -> Iterator[tuple[slice, np.ndarray[Any, Any]]]:
    """Yield the rows as they are stored, block by block."""
    for block in blocks(len(points), points.dimension):
        part = np.asarray(points.stored[block])
        # Added to 0, -0 becomes 0: they are the same number.
        yield block, np.ascontiguousarray(part + part.dtype.type(0))


def _representatives(
    points: Points | DistanceMatrix,
    distinct: Int[np.ndarray, " m"],
    first: Int[np.ndarray, " n"],
    kept: Int[np.ndarray, " k"],
    distance: float,
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return, for every row, the nearest kept row and the distance to it."""
    representative, distances = np.full(len(points), -1), np.full(len(points), np.nan)
    representative[kept], distances[kept] = kept, 0.0
    merged = np.zeros(len(points), bool)
    merged[distinct] = True
    merged[kept] = False
    if merged.any():
        # A packing leaves out rows nearer than its distance; allow for rounding, because its pairs
        # may have been computed in another way.
        below = reach_of(distance * (1.0 + TIE))
        found = nearest_chosen(replace(points, eligible=merged), kept, below=below)
        representative[found.rows], distances[found.rows] = found.nearest, found.distances
    repeats = np.flatnonzero(points.eligible & (first != np.arange(len(first))))
    representative[repeats] = representative[first[repeats]]
    distances[repeats] = distances[first[repeats]]
    return representative, distances


def _groups_of(first: Int[np.ndarray, " n"], order: Int[np.ndarray, " m"]) -> list[list[int]]:
    """Return the groups of several equal rows."""
    groups: dict[int, list[int]] = {}
    for row, original in zip(order.tolist(), first[order].tolist(), strict=True):
        if row != original:
            groups.setdefault(original, [original]).append(row)
    return [groups[original] for original in sorted(groups)]
