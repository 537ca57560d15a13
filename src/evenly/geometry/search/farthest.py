"""The row that is farthest from some chosen rows: most rows are near enough to be passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.kernels.exact import TIE
from evenly.geometry.kernels.int16 import RoundedTargets
from evenly.geometry.kernels.int16_near import RoundedRows, drop_near, rounded_rows
from evenly.geometry.kernels.screening import Best
from evenly.geometry.points import Points, blocks
from evenly.geometry.screening.nearest import lower_until_below
from evenly.geometry.screening.precision import choose_precision
from evenly.geometry.screening.proxies import ProxyTransform, ProxyVectors
from evenly.geometry.screening.targets import Targets
from evenly.geometry.screening.tuning import SHARE_COMPARED
from evenly.geometry.search.along import Guess, squared_to_guesses
from evenly.geometry.threads import parallel_for, single_threaded_blas, usable_threads
from evenly.shapes import Bool, Float, Int

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Rows that are compared with all chosen rows first.
_FIRST = 1024

# Multiplications of a comparison with chosen rows in which a row can be compared with a guess, and
# how many more rows are compared to find out whether a guess pays.
_GUESS = 2e5
_PROBE = 256

# Rows that are rounded at once: they stay in the caches.
_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Cover:
    """Chosen rows, and what is known of the distances to them.

    Attributes:
        chosen: (k,) row numbers.
        guesses: return chosen rows that are probably near; good guesses save most comparisons.
        at_most: (n,) upper bounds on the squared distance of each row to the nearest chosen row.
    """

    chosen: Int[np.ndarray, " k"]
    guesses: Sequence[Guess] = ()
    at_most: Float[np.ndarray, " n"] | None = None


def farthest_rows(
    points: Points,
    covers: Sequence[Cover],
    *,
    progress: Callable[[int], object] | None = None,
) -> list[tuple[int, float]]:
    """Find, for several choices of rows, the eligible row farthest from its nearest chosen row.

    Args:
        points: the pool; in memory, if there are guesses.
        covers: the chosen rows, with what is known of the distances to them.
        progress: called with the number of rows finished since the last call, for each cover.

    Returns:
        For each: the first such row, and its exact squared distance to the nearest chosen row; 0
        if all eligible rows are at the places of chosen ones.

    Cost: a part of n·k·d multiplications: a row is compared with the guesses that save more time
        than they take, and then with chosen rows in random order, until one is nearer than the
        farthest of a few rows. Rows are read once for all covers. Memory: n bytes, and a copy of
        the chosen rows with their proxies, for each cover.
    """
    rows = np.flatnonzero(points.eligible)
    if points.elsewhere is not None:
        found = []
        for cover in covers:
            all_chosen = len(cover.chosen) == len(rows)
            found.append((0, 0.0) if all_chosen else points.elsewhere.farthest_row(cover.chosen))
            if progress is not None:
                progress(len(rows))
    else:
        searches = []
        for cover in covers:
            is_far = points.eligible.copy()
            is_far[cover.chosen] = False
            known = None if cover.at_most is None else cover.at_most[rows]
            taken = points.take(cover.chosen)
            numbers, guesses = cover.chosen, cover.guesses
            searches.append(_Search(points, rows, taken, is_far[rows], numbers, guesses, known))
        found = _farthest(points, rows, searches, progress)
    # Rows at the places of chosen ones are as far as these.
    first_of_all = int(np.argmax(points.eligible))
    return [one if one[1] > 0.0 else (first_of_all, 0.0) for one in found]


def farthest_of_rows(
    points: Points, rows: Int[np.ndarray, " m"], chosen: Points
) -> tuple[int, float]:
    """Find the first of some rows, at least one, that is farthest from its nearest chosen point.

    Args:
        points: the pool.
        rows: (m,) row numbers, none of them chosen.
        chosen: the points.

    Returns:
        The row, and its exact squared distance.
    """
    return _farthest(points, rows, [_Search(points, rows, chosen, np.ones(len(rows), bool))])[0]


def _farthest(
    points: Points,
    rows: Int[np.ndarray, " m"],
    searches: Sequence[_Search],
    progress: Callable[[int], object] | None = None,
) -> list[tuple[int, float]]:
    """Return the farthest of some rows for each search, which read the rows together."""
    threads = usable_threads()
    with single_threaded_blas():
        transform = ProxyTransform.as_they_are(points) or ProxyTransform.of(points)
        proxies = ProxyVectors(points, transform)
        if transform.off is not None:  # the rows themselves
            proxies.keep(threads)
        for search in searches:
            search.begin(proxies)
        screened = [search for search in searches if search.is_screened]

        def drop_near_rows(part: slice) -> None:
            is_left = np.any([search.is_far[part] for search in screened], axis=0)
            some = np.flatnonzero(is_left) + part.start
            if len(some):
                made, numbers = proxies.kept, rows[some]
                if made is None:
                    made, numbers = transform.proxies(points, numbers), np.arange(len(some))
                rounded = rounded_rows(made, numbers, proxies.width, transform.levels)
                for search in screened:
                    search.drop_near(some, rounded)
            if progress is not None:
                progress(len(searches) * (part.stop - part.start))

        parallel_for(drop_near_rows, blocks(len(rows), 1, numbers=_ROWS), threads=threads)
        return [search.end() for search in searches]


class _Search:
    """A search for the farthest of m rows.

    Args:
        points: the pool.
        rows: (m,) row numbers.
        chosen: the chosen points.
        is_far: (m,) which rows may be the farthest; changed in place.
        numbers: (k,) what guesses call the chosen points; by default their positions.
        guesses: see `Cover`.
        at_most: (m,) see `Cover`.

    Attributes:
        is_far: the rows that still may be the farthest, and were not compared with all points.
        reached: the squared distance that some row has, less what rounding can hide.
        targets: the chosen points, in random order.
    """

    def __init__(
        self,
        points: Points,
        rows: Int[np.ndarray, " m"],
        chosen: Points,
        is_far: Bool[np.ndarray, " m"],
        numbers: Int[np.ndarray, " k"] | None = None,
        guesses: Sequence[Guess] = (),
        at_most: Float[np.ndarray, " m"] | None = None,
    ) -> None:
        self.is_far = is_far
        self.reached = float(np.nextafter(0.0, 1.0))
        self._points, self._rows, self._chosen = points, rows, chosen
        self._guesses, self._at_most = guesses, at_most
        self._order = np.random.default_rng(0).permutation(len(chosen))
        self._numbers = self._order if numbers is None else numbers[self._order]
        self._found: list[tuple[int, float]] = []

    def begin(self, proxies: ProxyVectors) -> None:
        """Compare some rows with all points, and others with guesses if that pays."""
        points, at_most = self._points, self._at_most
        work = SHARE_COMPARED * len(self._rows) * float(len(self._chosen)) * points.dimension
        self.targets = Targets(proxies, len(self._order), choose_precision(points, work))
        self.targets.append(self._chosen.take(self._order), self._numbers)
        some = np.flatnonzero(self.is_far)
        if at_most is not None:  # those with the largest bounds
            few = min(_FIRST, len(some))
            some = some[np.argpartition(at_most[some], len(some) - few)[len(some) - few :]]
        else:
            some = np.random.default_rng(1).permutation(some)[: _FIRST + _PROBE]
        self._compare(some[:_FIRST])
        if at_most is not None:
            self.is_far &= at_most >= self.reached
            return
        probe = some[_FIRST:]
        saved = self._compare(probe) * points.dimension
        for guess in self._guesses:
            if not len(probe):
                break
            far = self._squared_to(guess, probe) >= self.reached
            if float(np.mean(~far)) * saved > _GUESS:
                left = np.flatnonzero(self.is_far)
                self.is_far[left] = self._squared_to(guess, left) >= self.reached
                probe = probe[far]

    @property
    def is_screened(self) -> bool:
        """Whether products of integers tell which rows are near: rounding is small enough."""
        bound = self.targets.proxies.transform.error_bound("int16")
        is_fine = bound.rounding < self.reached * bound.scale**2 / 8
        return self.targets.precision == "int16" and is_fine

    def drop_near(self, positions: Int[np.ndarray, " p"], rounded: RoundedRows) -> None:
        """Drop those of some rows that products show to be nearer than the farthest so far."""
        targets, transform = self.targets, self.targets.proxies.transform
        factors = RoundedTargets(targets.panels, transform.levels)
        far, bound = self.is_far[positions], transform.error_bound("int16")
        drop_near(rounded, factors, targets.lengths, self.reached, bound, far)
        self.is_far[positions] = far

    def end(self) -> tuple[int, float]:
        """Compare the rows that are left; return the farthest, and its squared distance."""
        self._compare(np.flatnonzero(self.is_far))
        if not self._found:
            return 0, 0.0
        # The first of those that are equally far.
        position, squared = min(self._found, key=lambda one: (-np.sqrt(one[1]), one[0]))
        return int(self._rows[position]), squared

    def _squared_to(
        self, guess: Guess, positions: Int[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        """Return the squared distances of some rows to guesses."""
        rows = self._rows[positions]
        guessed = guess(rows)
        together = np.argsort(guessed, kind="stable")  # rows that share a guess
        squared = np.empty(len(rows))
        squared[together] = squared_to_guesses(self._points, rows[together], guessed[together])
        return squared

    def _compare(self, positions: Int[np.ndarray, " p"]) -> float:
        """Compare rows with the points until they are near enough; return with how many."""
        if not len(positions):
            return 0.0
        self.is_far[positions] = False
        nothing = int(self._numbers.max()) + 1
        best = Best(np.full(len(positions), np.inf), np.full(len(positions), nothing))
        seen = np.zeros(len(positions), np.int32)
        threshold = self.reached if self._found else -np.inf
        rows, threads = self._rows[positions], usable_threads()
        lower_until_below(self.targets, rows, threshold, None, seen, best, threads=threads)
        far = np.flatnonzero((seen == len(self.targets)) & (best.squared >= threshold))
        self._found += zip(positions[far].tolist(), best.squared[far].tolist(), strict=True)
        # Distances that differ only before their roots are taken are equal.
        largest = float(best.squared[far].max(initial=0.0)) * (1.0 - TIE)
        self.reached = max(self.reached, largest)
        return float(seen.mean())
