"""A walk among packings: rows are exchanged one for one until one more fits in.

At a distance r, rows nearer than r to each other are neighbours, and a packing is a set of rows
without neighbours. A row outside is *free* when it has no neighbour inside: it is put in. One
with a single neighbour inside may take its place, which leaves the size as it is and makes other
rows free; a row that was put out rests for a while. Now and then, by the walk's *risk*, a row
takes the places of two, or a row drawn from all takes those of all its neighbours.

This is the swap-based tabu search of Jin and Hao (2015) in its plainest form: draws by chance in
the place of its rules for choosing, which measured no better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.selection.refine.constraints import Constraints

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

__all__ = ["Walker"]


# How many neighbours of a row are inside, and the sum of their positions, in one number: the sum
# of one is its position.
_ONE = 1 << 40


_SUM = _ONE - 1


# As if so many were inside.
_BARRED = 1 << 22


# Rows with fewer neighbours inside than this are listed.
_LISTED = 3


_DRAWS = 50


_REST = 7


class Walker:
    """One walk, that can be taken up again at another distance.

    Attributes:
        chosen: (m,) which rows are in the packing.
        size: how many they are.
    """

    def __init__(
        self, graph: NeighbourGraph, constraints: Constraints, risk: float, seed: int
    ) -> None:
        count = len(graph)
        self._graph = graph
        self._terms = constraints
        self._risk = risk
        self.chosen = np.zeros(count, bool)
        self.size = 0
        self._ends = graph.starts[:-1]
        self._load = np.zeros(count, np.int64)
        self._lists = np.empty((_LISTED, count), np.int32)
        self._places = np.empty(count, np.int32)
        self._sizes = np.zeros(_LISTED, np.int64)
        self._rest_until = np.zeros(count, np.int64)
        self._room = constraints.most.copy()
        # Counter of moves, and the state of the random numbers, never 0.
        self._clock = np.zeros(1, np.int64)
        self._random = np.random.default_rng(seed).integers(1, 1 << 63, size=1, dtype=np.uint64)

    def reset(self, chosen: Bool[np.ndarray, " m"], reach: float) -> None:
        """Take up these rows at a distance: those that it does not allow are left out.

        Of rows that are too near to each other those with the most such neighbours go first.

        Cost: the neighbours of the rows, and O(m).
        """
        self.chosen[:] = chosen
        self._ends = self._graph.ends(reach)
        self._load[:] = np.where(self._terms.limits < reach, _BARRED * _ONE, 0)
        self.chosen[self._terms.limits < reach] = False
        compute_tightness(self._graph.starts, self._graph.neighbours, self._ends, self.chosen)
        counts = np.bincount(self._terms.kinds[self.chosen], minlength=len(self._terms.most))
        self._room[:] = self._terms.most - counts
        self.size = int(np.count_nonzero(self.chosen))
        take_stock(*self._arrays)

    def walk(self, target: int, work: int) -> bool:
        """Walk until there are `target` rows, or for so many steps from row to neighbour.

        Returns:
            Whether there are.
        """
        self.size = int(
            walk(
                *self._arrays,
                self._rest_until,
                self._terms.kinds,
                self._room,
                self._clock,
                self._random,
                self.size,
                target,
                self._risk,
                work,
            )
        )
        return self.size >= target

    @property
    def _arrays(self) -> tuple[Any, ...]:
        graph = self._graph
        state = (self.chosen, self._load, self._lists, self._places, self._sizes)
        return (graph.starts, graph.neighbours, self._ends, *state)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def compute_tightness(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
) -> None:
    """Take rows out until no two are neighbours: those with the most neighbours inside first."""
    inside = np.zeros(len(chosen), np.int32)
    most = 0
    for row in range(len(chosen)):
        if chosen[row]:
            for place in range(starts[row], ends[row]):
                inside[row] += chosen[neighbours[place]]
            most = max(most, inside[row])
    while most > 0:
        for row in range(len(chosen)):
            if chosen[row] and inside[row] == most:
                chosen[row] = False
                for place in range(starts[row], ends[row]):
                    inside[neighbours[place]] -= 1
        most -= 1


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def take_stock(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
    tightness: Int[np.ndarray, " m"],
    lists: Int[np.ndarray, "3 m"],
    places: Int[np.ndarray, " m"],
    sizes: Int[np.ndarray, " 3"],
) -> None:
    """How many neighbours each row has inside, and the rows with few of them in lists."""
    for row in range(len(chosen)):
        if chosen[row]:
            for place in range(starts[row], ends[row]):
                tightness[neighbours[place]] += _ONE + row
    sizes[:] = 0
    for row in range(len(chosen)):
        if not chosen[row] and tightness[row] >> 40 < _LISTED:
            enlist(lists, places, sizes, tightness[row] >> 40, row)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def walk(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
    tightness: Int[np.ndarray, " m"],
    lists: Int[np.ndarray, "3 m"],
    places: Int[np.ndarray, " m"],
    sizes: Int[np.ndarray, " 3"],
    rest_until: Int[np.ndarray, " m"],
    kinds: Int[np.ndarray, " m"],
    room: Int[np.ndarray, " T"],
    clock: Int[np.ndarray, " 1"],
    random: Int[np.ndarray, " 1"],
    size: int,
    target: int,
    risk: float,
    work: int,
) -> int:
    """The walk; see the module's docstring. Returns the size of the packing in the end."""
    while size < target and work > 0:
        work -= 1
        clock[0] += 1
        row = drawn(lists, sizes, 0, tightness, kinds, room, rest_until, clock[0], random, False)
        if row < 0 and (risk == 0.0 or fraction(random) >= risk):
            row = drawn(lists, sizes, 1, tightness, kinds, room, rest_until, clock[0], random, True)
        if row < 0:
            row = drawn(lists, sizes, 2, tightness, kinds, room, rest_until, clock[0], random, True)
        if row < 0:
            row = below(random, len(chosen))
            if chosen[row] or tightness[row] >> 40 >= _BARRED:
                continue
            # It takes the place of one of its kind, or finds room.
            found = room[kinds[row]] > 0
            for place in range(starts[row], ends[row]):
                near = neighbours[place]
                found = found or (chosen[near] and kinds[near] == kinds[row])
            if not found:
                continue
        rest = clock[0] + _REST + below(random, 1 + sizes[1] // 10)
        left = tightness[row] >> 40
        place = starts[row]
        while left > 0:
            near = neighbours[place]
            if left == 1:
                near = tightness[row] & _SUM
            if chosen[near]:
                left -= 1
                put_out(starts, neighbours, ends, chosen, tightness, lists, places, sizes, near)
                rest_until[near] = rest
                room[kinds[near]] += 1
                size -= 1
                work -= ends[near] - starts[near]
            place += 1
        put_in(starts, neighbours, ends, chosen, tightness, lists, places, sizes, row)
        room[kinds[row]] -= 1
        size += 1
        work -= ends[row] - starts[row]
    return size


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def drawn(
    lists: Int[np.ndarray, "3 m"],
    sizes: Int[np.ndarray, " 3"],
    inside: int,
    tightness: Int[np.ndarray, " m"],
    kinds: Int[np.ndarray, " m"],
    room: Int[np.ndarray, " T"],
    rest_until: Int[np.ndarray, " m"],
    now: int,
    random: Int[np.ndarray, " 1"],
    rests: bool,
) -> int:
    """A row with so many neighbours inside that may be put in; -1 where none is soon found."""
    count = sizes[inside]
    if count == 0:
        return -1
    for _ in range(_DRAWS):
        row = lists[inside, below(random, count)]
        if rests and rest_until[row] > now:
            continue
        if room[kinds[row]] > 0 or (inside == 1 and kinds[tightness[row] & _SUM] == kinds[row]):
            return int(row)
    return -1


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def put_in(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
    tightness: Int[np.ndarray, " m"],
    lists: Int[np.ndarray, "3 m"],
    places: Int[np.ndarray, " m"],
    sizes: Int[np.ndarray, " 3"],
    row: int,
) -> None:
    """Put a free row in."""
    remove(lists, places, sizes, 0, row)
    chosen[row] = True
    # Neighbours of a row that is inside are outside.
    for place in range(starts[row], ends[row]):
        near = neighbours[place]
        inside = tightness[near] >> 40
        tightness[near] += _ONE + row
        if inside < _LISTED:
            remove(lists, places, sizes, inside, near)
            if inside + 1 < _LISTED:
                enlist(lists, places, sizes, inside + 1, near)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def put_out(
    starts: Int[np.ndarray, " m+1"],
    neighbours: Int[np.ndarray, " e"],
    ends: Int[np.ndarray, " m"],
    chosen: Bool[np.ndarray, " m"],
    tightness: Int[np.ndarray, " m"],
    lists: Int[np.ndarray, "3 m"],
    places: Int[np.ndarray, " m"],
    sizes: Int[np.ndarray, " 3"],
    row: int,
) -> None:
    """Take a row out: it is free then."""
    chosen[row] = False
    enlist(lists, places, sizes, 0, row)
    for place in range(starts[row], ends[row]):
        near = neighbours[place]
        tightness[near] -= _ONE + row
        inside = tightness[near] >> 40
        if inside < _LISTED:
            if inside + 1 < _LISTED:
                remove(lists, places, sizes, inside + 1, near)
            enlist(lists, places, sizes, inside, near)


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def enlist(
    lists: Int[np.ndarray, "3 m"],
    places: Int[np.ndarray, " m"],
    sizes: Int[np.ndarray, " 3"],
    inside: int,
    row: int,
) -> None:
    """Write a row on a list."""
    lists[inside, sizes[inside]] = row
    places[row] = sizes[inside]
    sizes[inside] += 1


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def remove(
    lists: Int[np.ndarray, "3 m"],
    places: Int[np.ndarray, " m"],
    sizes: Int[np.ndarray, " 3"],
    inside: int,
    row: int,
) -> None:
    """Strike a row from a list; the last one takes its place."""
    sizes[inside] -= 1
    last = lists[inside, sizes[inside]]
    lists[inside, places[row]] = last
    places[last] = places[row]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def draw(random: Int[np.ndarray, " 1"]) -> Any:
    """The next random number below 2**53 (xorshift64*, Vigna 2016, doi:10.1145/2845077)."""
    bits = random[0]
    bits ^= bits >> np.uint64(12)
    bits ^= bits << np.uint64(25)
    bits ^= bits >> np.uint64(27)
    random[0] = bits
    return np.int64((bits * np.uint64(2685821657736338717)) >> np.uint64(11))


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def below(random: Int[np.ndarray, " 1"], count: int) -> Any:
    """A random number from 0 to `count` - 1."""
    return draw(random) % count


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def fraction(random: Int[np.ndarray, " 1"]) -> Any:
    """A random number in [0, 1)."""
    return draw(random) * 2.0**-53
