"""`deduplicate`: rows that repeat others, exactly or nearly, are merged into one that is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evenly.engines.registry import check_packing_engine
from evenly.errors import BudgetError, OptionError
from evenly.geometry import TIE, DistanceMatrix, Points, blocks, nearest_chosen, reach_of
from evenly.inputs.checks import OnInvalid
from evenly.inputs.prepare import PreparedData, TextColumns, prepare
from evenly.memory import memory_bytes
from evenly.options import check_distance
from evenly.selection.greedy.progress import packing_bar
from evenly.selection.packing.packer import Packer
from evenly.selection.packing.target_size import distance_leaving
from evenly.selection.packing.widest import largest_distance
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.provenance import provenance_of, when_done
from evenly.selection.rules.budget import rows_of_budget
from evenly.selection.rules.quality import best_first
from evenly.selection.rules.resolve import rule_options
from evenly.selection.rules.row_values import numbers_of

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = ["KEEP", "deduplicate"]

KEEP = ("first", "longest", "best")
"""Which of several near rows is kept."""

_HASH_BYTES = 16


def deduplicate(
    data: Any,
    min_distance: float | None = None,
    *,
    to: int | float | None = None,
    keep: Literal["first", "longest", "best"] = "first",
    quality: Any = None,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Deduplication:
    """Keep rows of which no two are nearer than a distance, so that every other row is near one.

    Rows are gone through in the order of `keep`, and a row is kept when it is at least
    `min_distance` from every row that was kept before it. Each row that is not kept is then
    given to the kept row that is nearest to it, which is nearer than `min_distance`.

    Args:
        data: as in `select_uniform`.
        min_distance: the Euclidean distance from which rows count as different; unit rows of
            cosine similarity s are sqrt(2 - 2 s) apart. Squared distances that differ by less
            than 1e-12, relatively, are equal, and a row at exactly the distance is kept. With 0
            only exact duplicates are merged: rows at distance 0, or, of texts, the same texts,
            for which no encoder is needed.
        to: instead of `min_distance`, at most how many rows are to be left: an int, or a
            fraction in (0, 1] of the usable rows. The distance is found by bisection, and is,
            of those tried, the one that leaves the most. The number of rows falls with the
            distance only on the whole, and in steps, so that there may be fewer than asked for.
        keep: who is kept of several: "first", the one with the smallest row number;
            "longest", the one with the longest text, in characters; "best", the one of the
            highest quality. Ties go to the smaller row number.
        quality: for "best": the column that holds it, or one number a row, 0 or more.
        text, roles, encoder, encoder_options, normalize, device, memory, on_invalid, cache_dir,
            progress: as in `select_uniform`.
        engine: as in `select_by_quality`.

    Returns:
        Deduplication: `indices` of the rows that are kept, in the order of the input, who
        stands for whom, and the groups of exact duplicates.

    Raises:
        OptionError, BudgetError: an option has a value it cannot have.
        DataError: the input cannot be used, or the quality of a usable row is missing, not
            finite or negative; the message names the row.
        EncoderError: the encoder is not to be had, or fails.

    Cost: each distinct text is embedded once; then about one `select_uniform` that chooses
        as many rows as are kept, and one look for the nearest kept row of each of the others.
        With `to`, a dozen of the former.
    """
    _check(min_distance, to, keep, quality)
    check_packing_engine(engine)
    of_the_intake = {
        "text": text,
        "roles": roles,
        "encoder": encoder,
        "encoder_options": encoder_options,
        "device": device,
        "normalize": normalize,
        "on_invalid": on_invalid,
        "cache_dir": cache_dir,
        "engine": engine,
        "memory": memory_bytes(memory),
        "progress": progress,
    }
    prepared = prepare(data, **of_the_intake, embedding=min_distance != 0, keep_texts=True)
    usable = int(np.count_nonzero(prepared.points.eligible))
    left = None if to is None else _rows_left(to, usable)
    order = _order_of(prepared, keep, quality)
    options = {
        "min_distance": min_distance,
        "to": to,
        "keep": keep,
        **rule_options({"quality": quality}),
        "engine": engine,
        "memory": memory,
    }
    provenance = provenance_of(prepared, options)
    began = perf_counter()
    first = _first_of_equals(prepared, order)
    distinct: Int[np.ndarray, " m"] = order[first[order] == order]
    packer = Packer(prepared.points)
    with packing_bar(progress) as show:

        def pack(distance: float, limit: int | None = None) -> Int[np.ndarray, " k"]:
            if not prepared.points.dimension:
                return distinct  # texts that differ, and nothing is known of them
            told = show(distance, len(distinct))
            return packer.pack(distinct, distance, limit=limit, progress=told).rows

        if left is None:
            assert min_distance is not None
            distance, kept = float(min_distance), pack(min_distance)
        else:
            upper = largest_distance(prepared.points)
            distance, kept = distance_leaving(prepared.points, distinct, left, upper, pack)
    representative, distances = _representatives(prepared.points, distinct, first, kept, distance)
    prepared.samples.check_unchanged()
    seconds = prepared.seconds | {"packing": perf_counter() - began}
    return Deduplication(
        np.sort(kept),
        representative,
        distances,
        distance,
        _groups_of(first, order),
        when_done(provenance, seconds, 0),
        prepared.samples,
    )


def _check(min_distance: Any, to: Any, keep: Any, quality: Any) -> None:
    """Refuse options that do not belong together, before the data are read."""
    if (min_distance is None) == (to is None):
        raise OptionError(
            "give one of min_distance= (the distance from which rows count as different; 0 "
            "merges exact duplicates only) and to= (how many rows are to be left)."
        )
    check_distance(min_distance)
    if to is not None:
        _check_to(to)
    if keep not in KEEP:
        raise OptionError(f"keep must be one of {', '.join(KEEP)}, got {keep!r}.")
    if (quality is not None) != (keep == "best"):
        raise OptionError(
            'keep="best" and quality=, a column or one number a row, belong together: '
            f"got keep={keep!r} {'without' if quality is None else 'with'} quality=."
        )


def _check_to(to: Any) -> None:
    number = isinstance(to, Real) and not isinstance(to, bool)
    whole = isinstance(to, Integral)
    if not number or not (to >= 1 if whole else 0 < float(to) <= 1):
        raise BudgetError(
            "to must be how many rows are left at most: a number of rows (int, 1 or more) or a "
            f"fraction in (0, 1] (float), got {to!r}."
        )


def _rows_left(to: Any, usable: int) -> int:
    if isinstance(to, Integral) and int(to) > usable:
        raise BudgetError(
            f"to must be between 1 and the {usable} usable rows, got {to}. To merge exact "
            "duplicates only, pass min_distance=0."
        )
    return rows_of_budget(to, usable)


def _order_of(prepared: PreparedData, keep: str, quality: Any) -> Int[np.ndarray, " m"]:
    """The usable rows, those that are kept rather than others first."""
    usable = prepared.points.eligible
    if keep == "first":
        return np.flatnonzero(usable)
    if keep == "best":
        better = numbers_of(prepared, "quality", quality)
    elif prepared.texts is None:
        raise OptionError(
            f'keep="longest" is of texts, and {prepared.samples.origin} holds vectors. Pass the '
            'lengths: keep="best", quality=…'
        )
    else:
        better = np.array([len(text) for text in prepared.texts], float)
    return best_first(better, usable)


def _first_of_equals(prepared: PreparedData, order: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"]:
    """For every row the first in the order that is equal to it: the same text or numbers."""
    first = np.arange(len(prepared))
    content: Any = prepared.texts
    if content is None:
        content, twice = _digests_of_likely_equals(prepared.points)
        order = order[twice[order]]
    seen: dict[Any, int] = {}
    for row in order.tolist():
        first[row] = seen.setdefault(content[row], row)
    return first


def _digests_of_likely_equals(
    points: Points | DistanceMatrix,
) -> tuple[dict[int, bytes], Bool[np.ndarray, " n"]]:
    """A hash of each row whose numbers have the weighted sum of another row's, and which these are.

    Sums are of the numbers' bits as integers, so that equal rows have equal ones: rows are read
    in their order, and most of them need no better hash.
    """
    weights = np.random.default_rng(0).integers(1, 1 << 63, points.dimension, dtype=np.uint64)
    sums = np.empty(len(points), np.uint64)
    for block, part in _numbers(points):
        sums[block] = part.view(f"u{part.dtype.itemsize}") @ weights
    _, kind, counts = np.unique(sums, return_inverse=True, return_counts=True)
    twice: Bool[np.ndarray, " n"] = counts[kind] > 1
    digests = {
        row: hashlib.blake2b(part[row - block.start].tobytes(), digest_size=_HASH_BYTES).digest()
        for block, part in (_numbers(points) if twice.any() else ())
        for row in (np.flatnonzero(twice[block]) + block.start).tolist()
    }
    return digests, twice


def _numbers(points: Points | DistanceMatrix) -> Iterator[tuple[slice, np.ndarray[Any, Any]]]:
    """The rows as they are stored, a block at a time."""
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
    """For every row the nearest that is kept, and how far it is: less than the distance."""
    representative, distances = np.full(len(points), -1), np.full(len(points), np.nan)
    representative[kept], distances[kept] = kept, 0.0
    merged = np.zeros(len(points), bool)
    merged[distinct] = True
    merged[kept] = False
    if merged.any():
        # A packing leaves out what is nearer than its distance; more by rounding, for its pairs
        # may have been found in another way.
        below = reach_of(distance * (1.0 + TIE))
        found = nearest_chosen(replace(points, eligible=merged), kept, below=below)
        representative[found.rows], distances[found.rows] = found.nearest, found.distances
    repeats = np.flatnonzero(points.eligible & (first != np.arange(len(first))))
    representative[repeats] = representative[first[repeats]]
    distances[repeats] = distances[first[repeats]]
    return representative, distances


def _groups_of(first: Int[np.ndarray, " n"], order: Int[np.ndarray, " m"]) -> list[list[int]]:
    """The rows that are equal, where there are several."""
    groups: dict[int, list[int]] = {}
    for row, original in zip(order.tolist(), first[order].tolist(), strict=True):
        if row != original:
            groups.setdefault(original, [original]).append(row)
    return [groups[original] for original in sorted(groups)]
