"""The exact distance to the nearest of some columns: products rule out, float64 decides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.kernels.screening import lower_by_products, smallest_of_blocks
from evenly.geometry.screening.targets import Targets
from evenly.geometry.threads import parallel_for, shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float, Float32, Int

__all__ = ["lower_to_nearest", "lower_to_nearest_of_all", "lower_until_below", "tiles_of"]


_TILE = 2048


# Fewer rows are not worth a second thread.
_LEAST = 48


_scratch = threading.local()


_ALL_ONE = np.empty(0)


def lower_to_nearest(
    targets: Targets,
    begin: int,
    end: int,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "m W"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    *,
    skip: Int[np.ndarray, " m"] | None = None,
) -> int:
    """Lower `squared` in place to the exact squared distance to the nearest column, if nearer.

    Args:
        targets: what to compare with, those from `begin` to `end`, whole chunks.
        begin: see `targets`.
        end: see `targets`.
        rows: (m,) row numbers in the pool.
        left: their stand-ins, whole.
        squared: exact squared distances known so far (inf where none is).
        nearest: the number of the column that attains it; of several at exactly the same
            distance the smallest. Must be above all numbers where none is known.
        skip: for each row the number of a column that it is not compared with.

    Returns:
        How many pairs the products did not rule out.

    Cost: m·k·K multiplications, and about one exact distance for every row that comes nearer.
    """
    skipped = np.full(len(rows), -1)
    if skip is not None:
        present = targets.numbers[begin : min(end, len(targets))]
        _, in_rows, in_columns = np.intersect1d(skip, present, return_indices=True)
        skipped[in_rows] = begin + in_columns
    if targets.precision == "int16":
        seen = np.full(len(rows), begin, np.int32)
        return _lower_by_int16(
            targets,
            min(end, len(targets)),
            rows,
            left,
            np.arange(len(rows)),
            skipped,
            -np.inf,
            _ALL_ONE,
            seen,
            squared,
            nearest,
        )
    proxies = targets.proxies
    width = proxies.width
    used = left[:, :width]
    if targets.precision == "bfloat16":
        from evenly.geometry.kernels.bfloat16 import product

        products = product(used, targets.short[begin:end])
    else:
        products = _room(len(rows), end - begin)
        np.matmul(used, targets.matrix[begin:end, :width].T, out=products)
    chosen, chosen_factors = targets.points.arrays
    lengths = targets.lengths[begin:end]
    suspects: int = lower_by_products(
        products,
        smallest_of_blocks(products, lengths),
        np.einsum("ij,ij->i", used, used),
        lengths,
        left,
        np.arange(len(rows)),
        np.arange(len(rows)),
        targets.matrix[begin:end],
        width,
        proxies.transform.chunk,
        tuple(proxies.transform.error_bound(targets.precision)),
        *proxies.points.arrays,
        rows,
        chosen[begin:end],
        chosen_factors[begin:end],
        targets.numbers[begin:end],
        np.where(skipped >= 0, skipped - begin, -1),
        proxies.points.coincident,
        squared,
        nearest,
    )
    return suspects


def lower_until_below(
    targets: Targets,
    rows: Int[np.ndarray, " m"],
    threshold: float,
    weights: Float[np.ndarray, " m"] | None,
    seen: Int[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    *,
    threads: int = 1,
) -> None:
    """Compare rows with the columns they have not met, until all are met or they are near enough.

    Args:
        targets: what to compare with.
        rows: (m,) row numbers in the pool.
        threshold: a row is near enough where its squared distance, times its weight, is below.
        weights: None for 1.
        seen: how many columns each row has met, in rising order; changed in place.
        squared: see `lower_to_nearest`.
        nearest: see there.
        threads: that share the rows.

    Cost: as there, for the columns that are met. Memory: where the stand-ins of the pool are not
        kept, those of 2,048 rows a thread.
    """
    weights = _ALL_ONE if weights is None else weights
    kept = targets.proxies.kept
    if targets.precision == "int16" and kept is not None:
        skipped, end = np.full(len(rows), -1), len(targets)
        arrays = skipped, threshold, weights, seen, squared, nearest
        _lower_by_int16(targets, end, rows, kept, rows, *arrays, threads)
        return

    def lower(part: slice) -> None:
        some = weights[part] if len(weights) else weights
        arrays = some, seen[part], squared[part], nearest[part]
        _lower_until_below(targets, rows[part], threshold, *arrays)

    parallel_for(lower, tiles_of(len(rows), threads), threads=threads)


def tiles_of(count: int, threads: int) -> Iterator[slice]:
    """As many for each thread, all of a size, and not so small that their overhead counts."""
    size = min(_TILE, max(_TILE // 8, -(-count // (4 * threads))))
    return shares(count, size, threads, least=_LEAST)


def _lower_until_below(
    targets: Targets,
    rows: Int[np.ndarray, " m"],
    threshold: float,
    weights: Float[np.ndarray, " m"],
    seen: Int[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
) -> None:
    left = targets.proxies[rows]
    if targets.precision == "int16":
        skipped, end = np.full(len(rows), -1), len(targets)
        arrays = skipped, threshold, weights, seen, squared, nearest
        _lower_by_int16(targets, end, rows, left, np.arange(len(rows)), *arrays)
        return
    waiting = np.arange(len(rows))
    while len(waiting):
        begin, end = targets.segment(int(seen[waiting[0]]))
        met = waiting[: np.searchsorted(seen[waiting], end)]
        everyone = len(met) == len(rows)
        known, by = squared[met], nearest[met]
        lower_to_nearest(targets, begin, end, rows[met], left if everyone else left[met], known, by)
        squared[met], nearest[met] = known, by
        seen[met] = min(end, len(targets))
        keys = squared[waiting] * (weights[waiting] if len(weights) else 1.0)
        waiting = waiting[(keys >= threshold) & (seen[waiting] < len(targets))]


def _lower_by_int16(
    targets: Targets,
    end: int,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "n W"],
    lefts: Int[np.ndarray, " m"],
    skipped: Int[np.ndarray, " m"],
    threshold: float,
    weights: Float[np.ndarray, " m"],
    seen: Int[np.ndarray, " m"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    threads: int = 1,
) -> int:
    from evenly.geometry.kernels.int16 import cuts_for, lower_by_int16

    proxies = targets.proxies
    cuts, turn = cuts_for(len(rows), threads), np.zeros(1, np.int64)
    arguments = (
        targets.short,
        proxies.transform.levels,
        targets.lengths,
        end,
        left,
        lefts,
        targets.matrix,
        proxies.width,
        proxies.transform.chunk,
        tuple(proxies.transform.error_bound("int16")),
        *proxies.points.arrays,
        rows,
        *targets.points.arrays,
        targets.numbers,
        skipped,
        proxies.points.coincident,
        threshold,
        weights,
        seen,
        squared,
        nearest,
        cuts,
        turn,
    )
    suspects = []
    try:
        parallel_for(
            lambda _: suspects.append(lower_by_int16(*arguments)),
            range(min(threads, len(cuts) - 1)),
            threads=threads,
        )
    except BaseException:  # a Ctrl-C too: what has not begun will not
        turn[0] = len(cuts)
        raise
    return sum(suspects)


def lower_to_nearest_of_all(
    targets: Targets,
    rows: Int[np.ndarray, " m"],
    left: Float32[np.ndarray, "m W"],
    squared: Float[np.ndarray, " m"],
    nearest: Int[np.ndarray, " m"],
    *,
    begin: int = 0,
    end: int | None = None,
    skip: Int[np.ndarray, " m"] | None = None,
) -> None:
    """`lower_to_nearest` for all columns, or those from `begin` to `end`, segment by segment."""
    last = len(targets) if end is None else end
    while begin < last:
        part = targets.segment(begin)
        lower_to_nearest(targets, *part, rows, left, squared, nearest, skip=skip)
        begin = part[1]


def _room(rows: int, targets: int) -> Float32[np.ndarray, "m k"]:
    """Room for a product, used again by this thread: fresh pages cost as much as the product."""
    kept: Float32[np.ndarray, " s"] | None = getattr(_scratch, "kept", None)
    if kept is None or len(kept) < rows * targets:
        kept = _scratch.kept = np.empty(rows * targets, np.float32)
    return kept[: rows * targets].reshape(rows, targets)
