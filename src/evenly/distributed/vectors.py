"""Vectors that are on workers, as `Points` and other packages see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from evenly.distributed.crew import Crew
from evenly.distributed.pieces import RECIPE, Piece
from evenly.geometry import Points
from evenly.geometry.points import MEAN_ROWS, Elsewhere, sums_of_rows
from evenly.samples.hashes import HASHED_ROWS, block_hashes
from evenly.shapes import Bool, Float, Int

T = TypeVar("T")


class Ranges:
    """Which worker holds which rows: consecutive ones, in order.

    Attributes:
        crew: the workers.
        bounds: (workers + 1,) the first row of each, and the number of rows.
        chosen: the rows that workers measure distances to; None if they may differ.
    """

    def __init__(self, crew: Crew, counts: Sequence[int]) -> None:
        self.crew = crew
        self.bounds = np.cumsum([0, *counts])
        self.chosen: Int[np.ndarray, " k"] | None = None

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def slices(self) -> list[slice]:
        """Return the rows of each worker."""
        return [slice(*ends) for ends in pairwise(self.bounds.tolist())]

    def parts(self, values: Any) -> list[Any]:
        """Return the values, one a row, of the rows of each worker."""
        return [values[rows] for rows in self.slices()]

    def split(self, rows: Int[np.ndarray, " m"]) -> dict[int, Int[np.ndarray, " p"]]:
        """Return, for each worker that holds any of these rows, their positions in `rows`."""
        owners = np.searchsorted(self.bounds, rows, side="right") - 1
        return {owner: np.flatnonzero(owners == owner) for owner in np.unique(owners).tolist()}

    def local(self, worker: int, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return row numbers as a worker counts."""
        local: Int[np.ndarray, " m"] = rows - self.bounds[worker]
        return local

    def own(self, worker: int, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return row numbers as a worker counts, -1 for rows of other workers."""
        begin, end = self.bounds[worker : worker + 2]
        return np.where((rows >= begin) & (rows < end), rows - begin, -1)

    def whole_blocks(self, size: int) -> list[int]:
        """Return the first local row of each worker at which a block of `size` rows begins."""
        firsts: list[int] = (-self.bounds[:-1] % size).tolist()
        return firsts

    def broken_blocks(self, size: int) -> list[slice]:
        """Return the blocks of `size` rows, or less at the end, that several workers share."""
        begins = {int(bound) // size * size for bound in self.bounds[1:-1] if int(bound) % size}
        last = len(self) // size * size
        begins |= {last} if last < len(self) else set()
        return [slice(begin, min(begin + size, len(self))) for begin in sorted(begins)]


class ClusterVectors:
    """An array (n, d) on workers; indexing brings a few rows to the driver.

    Attributes:
        shape, dtype, ndim: as those of an array.
        ranges: where the rows are.
    """

    ndim = 2

    def __init__(self, ranges: Ranges, dimension: int, dtype: Any) -> None:
        self.ranges = ranges
        self.shape = (len(ranges), dimension)
        self.dtype = np.dtype(dtype)
        self.nbytes = len(ranges) * dimension * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray[Any, Any]:
        """Return one row, a slice of rows, or rows by number."""
        if isinstance(rows, int | np.integer):
            one: np.ndarray[Any, Any] = self[np.array([rows])][0]
            return one
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        positions, ranges = self.ranges.split(numbers), self.ranges
        found = ranges.crew.ask(
            "vectors",
            {owner: (ranges.local(owner, numbers[at]),) for owner, at in positions.items()},
        )
        taken = np.empty((len(numbers), self.shape[1]), self.dtype)
        for owner, at in positions.items():
            taken[at] = found[owner]
        return taken

    def block_hashes(self) -> Iterator[bytes]:
        """Yield the hash of each block of rows; see `feed_array`."""
        ranges = self.ranges
        firsts = ranges.whole_blocks(HASHED_ROWS)
        found = ranges.crew.ask(
            "block_hashes", {worker: (first,) for worker, first in enumerate(firsts)}
        )
        hashes = {
            int(ranges.bounds[worker]) + firsts[worker] + HASHED_ROWS * number: one
            for worker, own in found.items()
            for number, one in enumerate(own)
        }
        for block in ranges.broken_blocks(HASHED_ROWS):
            (hashes[block.start],) = block_hashes(self[block])
        yield from (hashes[begin] for begin in sorted(hashes))


@dataclass(frozen=True, eq=False)
class ClusterPoints(Points):
    """Points whose rows are on workers, or, of data in the driver's memory, on both.

    Attributes:
        ranges: where the rows are.
    """

    ranges: Ranges | None = None

    @property
    def where(self) -> Ranges:
        """Where the rows are."""
        assert self.ranges is not None
        return self.ranges

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What computes with the rows, if they are not here as well."""
        return None if self.in_memory else self

    def squared_to_chosen(
        self, chosen: Int[np.ndarray, " k"], below: float
    ) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Return squared distances and numbers of the nearest chosen rows; see `Elsewhere`."""
        ranges = self.where
        self._aim(chosen)
        found = ranges.crew.ask(
            "squared_to_chosen",
            {
                worker: (own, self.longest, below, len(self) - int(ranges.bounds[worker]))
                for worker, own in enumerate(ranges.parts(self.eligible))
            },
        )
        everywhere = range(len(ranges.crew))
        nearest = [found[worker][1] + ranges.bounds[worker] for worker in everywhere]
        return np.concatenate([found[worker][0] for worker in everywhere]), np.concatenate(nearest)

    def farthest_row(self, chosen: Int[np.ndarray, " k"]) -> tuple[int, float]:
        """Return the row that is farthest from the chosen ones; see `Elsewhere`."""
        ranges = self.where
        self._aim(chosen)
        found = ranges.crew.ask(
            "farthest_row",
            {worker: (own, self.longest) for worker, own in enumerate(ranges.parts(self.eligible))},
        )
        farthest = [
            (int(ranges.bounds[worker]) + one[0], one[1])
            for worker, one in sorted(found.items())
            if one is not None
        ]
        # Distances that differ only before their roots are taken are equal: the first row counts.
        return max(farthest, key=lambda one: float(np.sqrt(one[1])))

    def sums_of_rows(
        self, rows: Int[np.ndarray, " m"], origin: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "b d"]:
        """Return sums of some rows, which ascend; see `Elsewhere`.

        The sum of a block that several workers share is made here.
        """
        ranges, asked = self.where, {}
        for worker, at in ranges.split(rows).items():
            begin, end = -(-int(at[0]) // MEAN_ROWS) * MEAN_ROWS, int(at[-1]) + 1
            if end < len(rows):  # the last block may be shorter
                end = end // MEAN_ROWS * MEAN_ROWS
            if begin < end:
                asked[worker] = slice(begin, end)
        found = ranges.crew.ask(
            "sums_of_rows",
            {worker: (ranges.local(worker, rows[at]), origin) for worker, at in asked.items()},
        )
        whole = {worker: at.start // MEAN_ROWS for worker, at in asked.items()}
        sums = np.full((-(-len(rows) // MEAN_ROWS), self.dimension), np.nan)
        for worker, own in found.items():
            sums[whole[worker] : whole[worker] + len(own)] = own
        for number in np.flatnonzero(np.isnan(sums[:, 0])).tolist():
            some = rows[number * MEAN_ROWS : (number + 1) * MEAN_ROWS]
            (sums[number],) = sums_of_rows(self.take(some), np.arange(len(some)), origin)
        return sums

    def squared_distances_to(
        self, rows: Int[np.ndarray, " m"], point: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, " m"]:
        """Return the squared distances of some rows to a point; see `Elsewhere`."""
        ranges, squared = self.where, np.empty(len(rows))
        positions = ranges.split(rows)
        found = ranges.crew.ask(
            "squared_distances_to_point",
            {worker: (ranges.local(worker, rows[at]), point) for worker, at in positions.items()},
        )
        for worker, at in positions.items():
            squared[at] = found[worker]
        return squared

    def compute(
        self,
        task: Callable[..., T],
        ranges: Sequence[tuple[slice, tuple[Any, ...]]],
        budget: int,
        engine: str,
    ) -> list[T]:
        """Return the results of a task for some ranges of rows, each computed by one worker.

        It is the one that holds the most of its rows, and reads the others where they are stored.

        Args:
            task: takes an engine, whose first row is that of the range, and more arguments.
            ranges: the rows, and the arguments.
            budget, engine: see `make_engine`.
        """
        crew = self.where.crew
        asked: dict[int, list[int]] = {}
        pieces = []
        for number, (rows, _) in enumerate(ranges):
            held = self._held(rows)
            home = max(held, key=lambda holder: held[holder].stop - held[holder].start)
            asked.setdefault(home, []).append(number)
            pieces.append([self._piece(holder, home, some) for holder, some in held.items()])
        found = crew.ask(
            "compute",
            {
                home: (
                    task,
                    [(pieces[number], ranges[number][1]) for number in numbers],
                    budget,
                    self.longest,
                    engine,
                )
                for home, numbers in asked.items()
            },
        )
        results = {
            number: result
            for home, numbers in asked.items()
            for number, result in zip(numbers, found[home], strict=True)
        }
        return [results[number] for number in range(len(ranges))]

    def ask(
        self,
        task: Callable[..., T],
        eligible: Bool[np.ndarray, " n"],
        arguments: dict[int, tuple[Any, ...]],
    ) -> dict[int, T]:
        """Return the results of a task of some workers, about the rows that they hold.

        Args:
            task: takes the rows of a worker as points, and more arguments.
            eligible: (n,) which of all rows are.
            arguments: for each worker that is asked.
        """
        bits = [np.packbits(own) for own in self.where.parts(eligible)]
        return self.where.crew.ask(
            "ask_points",
            {
                worker: (task, bits[worker], self.longest, *more)
                for worker, more in arguments.items()
            },
        )

    def _held(self, rows: slice) -> dict[int, slice]:
        """Return which of some consecutive rows each worker holds."""
        cut = [
            slice(max(rows.start, own.start), min(rows.stop, own.stop))
            for own in self.where.slices()
        ]
        return {holder: some for holder, some in enumerate(cut) if some.start < some.stop}

    def _piece(self, holder: int, home: int, rows: slice) -> Piece:
        ranges, first = self.where, int(self.where.bounds[holder])
        return Piece(
            slice(rows.start - first, rows.stop - first),
            self.eligible[rows],
            None if self.factors is None else self.factors[rows],
            holder,
            () if holder == home else ranges.crew.recipe(holder, RECIPE),
        )

    def _aim(self, chosen: Int[np.ndarray, " k"]) -> None:
        """Send chosen rows to all workers, unless they have them from the last question."""
        ranges = self.where
        if ranges.chosen is not None and np.array_equal(ranges.chosen, chosen):
            return
        taken, ranges.chosen = self.take(chosen), None  # an interrupt may reach some of them only
        ranges.crew.ask(
            "aim",
            {worker: (taken, ranges.local(worker, chosen)) for worker in range(len(ranges.crew))},
            keep=True,
        )
        ranges.chosen = chosen

    def squared_distances_to_mean(self) -> Float[np.ndarray, " n"]:
        """Return the squared distance of every eligible row to their mean; see `Points`.

        Rows are summed in the same blocks as on one machine. The sum of a block that several
        workers share is made here.
        """
        if self.in_memory:
            return super().squared_distances_to_mean()
        ranges = self.where
        origin = self.exact(np.array([np.argmax(self.eligible)]))[0]
        eligible = ranges.parts(self.eligible)
        firsts = ranges.whole_blocks(MEAN_ROWS)
        found = ranges.crew.ask(
            "block_sums",
            {worker: (first, origin, eligible[worker]) for worker, first in enumerate(firsts)},
        )
        sums = np.zeros((-(-len(self) // MEAN_ROWS), self.dimension))
        for worker, own in found.items():
            begin = -(-int(ranges.bounds[worker]) // MEAN_ROWS)
            sums[begin : begin + len(own)] = own
        for block in ranges.broken_blocks(MEAN_ROWS):
            (sums[block.start // MEAN_ROWS],) = self.part(block).sums_of_blocks(origin)
        mean = self.mean_of_sums(sums)
        squared = ranges.crew.ask(
            "squared_distances_to",
            {worker: (origin, mean, own) for worker, own in enumerate(eligible)},
        )
        return np.concatenate([squared[worker] for worker in range(len(ranges.crew))])

    def mean_distances_to_nearest(
        self, rows: Int[np.ndarray, " m"], k: int
    ) -> Float[np.ndarray, " m"]:
        """Return the mean distance of a few rows to their k nearest eligible rows, of at least k.

        Cost: m·n·d multiplications, divided among the workers.
        """
        ranges, points = self.where, self.take(rows)
        eligible = ranges.parts(self.eligible)
        found = ranges.crew.ask(
            "squared_to_nearest",
            {
                worker: (points, ranges.own(worker, rows), k, own)
                for worker, own in enumerate(eligible)
            },
        )
        nearest = np.sort(np.concatenate(list(found.values()), axis=1))[:, :k]
        means: Float[np.ndarray, " m"] = np.sqrt(nearest).mean(axis=1)
        return means
