"""The row that is farthest from some chosen rows: most rows are near enough to be passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.kernels.exact import TIE
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points
from evenly.geometry.screening.nearest import lower_until_below
from evenly.geometry.screening.precision import choose_precision
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import SHARE_COMPARED, Tuning
from evenly.geometry.search.along import Guess, squared_to_guesses
from evenly.geometry.threads import single_threaded_blas, usable_threads
from evenly.shapes import Int

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Rows that are compared with all chosen rows first.
_FIRST = 1024

# Multiplications of a comparison with chosen rows in which a row can be compared with a guess, and
# how many more rows are compared to find out whether a guess pays.
_GUESS = 5e4
_PROBE = 256


def farthest_row(
    points: Points,
    chosen: Int[np.ndarray, " k"],
    *,
    guesses: Sequence[Guess] = (),
    progress: Callable[[int], object] | None = None,
) -> tuple[int, float]:
    """Find the eligible row that is farthest from its nearest chosen row.

    Args:
        points: the pool; in memory, if there are guesses.
        chosen: (k,) row numbers.
        guesses: return chosen rows that are probably near; good guesses save most comparisons.
        progress: called with the number of rows finished since the last call.

    Returns:
        The first such row, and its exact squared distance to the nearest chosen row; 0 if all
        eligible rows are at the places of chosen ones.

    Cost: a part of n·k·d multiplications: a row is compared with the guesses that save more time
        than they take, and then with chosen rows in random order, until one is nearer than the
        farthest of a few rows.
    """
    first_of_all = int(np.argmax(points.eligible))
    left_out = points.eligible.copy()
    left_out[chosen] = False
    rows = np.flatnonzero(left_out)
    if progress is not None:
        progress(int(np.count_nonzero(points.eligible)) - len(rows))
    if len(rows) == 0:
        return first_of_all, 0.0
    if points.elsewhere is not None:
        row, farthest = points.elsewhere.farthest_row(chosen)
        if progress is not None:
            progress(len(rows))
    else:
        taken = points.take(chosen)
        row, farthest = farthest_of_rows(
            points, rows, taken, chosen, guesses=guesses, progress=progress
        )
    # Rows at the places of chosen ones are as far as these.
    return (row, farthest) if farthest > 0.0 else (first_of_all, 0.0)


def farthest_of_rows(
    points: Points,
    rows: Int[np.ndarray, " m"],
    chosen: Points,
    numbers: Int[np.ndarray, " k"],
    *,
    guesses: Sequence[Guess] = (),
    progress: Callable[[int], object] | None = None,
) -> tuple[int, float]:
    """Find the first of some rows, at least one, that is farthest from its nearest chosen point.

    Args:
        points: the pool.
        rows: (m,) row numbers, none of them chosen.
        chosen: the points.
        numbers: (k,) what guesses call them.
        guesses, progress: as in `farthest_row`.

    Returns:
        The row, and its exact squared distance.
    """
    threads = usable_threads()
    order = np.random.default_rng(0).permutation(len(chosen))
    best = Best(np.full(len(rows), np.inf), np.full(len(rows), int(numbers.max()) + 1))
    seen = np.zeros(len(rows), np.int32)
    with single_threaded_blas():
        transform = ProxyTransform.as_they_are(points) or ProxyTransform.of(points)
        proxies = ProxyVectors(points, transform)
        work = SHARE_COMPARED * len(rows) * float(len(chosen)) * points.dimension
        targets = Targets(proxies, len(order), choose_precision(points, work))
        targets.append(chosen.take(order), numbers[order])

        def compare(positions: Int[np.ndarray, " p"], threshold: float) -> None:
            positions = positions[np.argsort(seen[positions], kind="stable")]
            some = Best(best.squared[positions], best.nearest[positions])
            compared = seen[positions]
            lower_until_below(
                targets, rows[positions], threshold, None, compared, some, threads=threads
            )
            best.squared[positions], best.nearest[positions] = some
            seen[positions] = compared

        def compare_with_guesses(guess: Guess, positions: Int[np.ndarray, " p"]) -> None:
            some = rows[positions]
            guessed = guess(some)
            together = np.argsort(guessed, kind="stable")  # rows that share a guess
            squared = np.empty(len(some))
            squared[together] = squared_to_guesses(points, some[together], guessed[together])
            nearer = squared < best.squared[positions]
            best.squared[positions[nearer]] = squared[nearer]
            best.nearest[positions[nearer]] = guessed[nearer]

        def remaining() -> Int[np.ndarray, " p"]:
            return np.flatnonzero((best.squared >= reached) & (seen < len(targets)))

        some = np.random.default_rng(1).permutation(len(rows))[: _FIRST + _PROBE]
        first, probe = some[:_FIRST], some[_FIRST:]
        compare(first, -np.inf)
        # Distances that differ only before their roots are taken are equal.
        reached = max(float(best.squared[first].max()) * (1.0 - TIE), np.nextafter(0.0, 1.0))
        compare(probe, reached)
        saved = float(seen[probe].mean()) * points.dimension if len(probe) else 0.0
        for guess in guesses:
            if not len(probe):
                break
            guessed = guess(rows[probe])
            far = squared_to_guesses(points, rows[probe], guessed) >= reached
            if float(np.mean(~far)) * saved > _GUESS:
                compare_with_guesses(guess, remaining())
                probe = probe[far]
        if len(remaining()) > len(rows) // 2 and Tuning(points, len(chosen)).keeps(transform):
            proxies.keep(threads)
        compare(remaining(), reached)
    if progress is not None:
        progress(len(rows))
    squared = np.where(seen == len(targets), best.squared, 0.0)
    farthest = int(np.argmax(np.sqrt(squared)))
    return int(rows[farthest]), float(squared[farthest])
