"""Tabu search for a larger packing, by swaps of rows inside it for rows outside.

At a distance r, rows nearer than r to each other are neighbours, and a packing is an independent
set: rows without neighbours among each other. The *tightness* of a row is its number of
neighbours in the packing. A row outside of tightness 0 is free and is added. A row of tightness 1
may replace its only neighbour, which keeps the size and frees other rows; a removed row is tabu
for some moves. Occasionally, at the *perturbation rate*, a row replaces two, or a row drawn from
all replaces all its neighbours.

This is a plain form of the swap-based tabu search of Jin and Hao 2015,
doi:10.1016/j.engappai.2014.09.007: random draws instead of its selection rules, which did not
give better packings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.selection.refine.adjacency import Adjacency
from evenly.selection.refine.constraints import Constraints
from evenly.shapes import Bool, Int

# One integer holds the tightness of a row, in the upper bits, and the sum of the positions of
# those neighbours: at a tightness of 1 that sum is the position of the only one.
_SHIFT = 40
_ONE = 1 << _SHIFT
_SUM = _ONE - 1

# The tightness of a row that its limit excludes.
_FORBIDDEN = 1 << 22

# Rows outside the packing with a tightness below this are in lists.
_LISTS = 3
_DRAWS = 50
_TENURE = 7


class TabuState(NamedTuple):
    """A packing of some of m rows, and what the next move depends on; updated in place.

    Attributes:
        chosen: (m,) which rows are in the packing.
        tightness: (m,) see `_SHIFT`.
        lists, list_sizes: (3, m) and (3,) the rows outside of tightness 0, 1 and 2.
        places: (m,) where each row is in its list.
        tabu_until: (m,) the move up to which each row must stay outside.
        room: (T,) how many more rows of each stratum may be added.
        move: (1,) how many moves were made.
        random: (1,) state of the random numbers, never 0.
    """

    chosen: Bool[np.ndarray, " m"]
    tightness: Int[np.ndarray, " m"]
    lists: Int[np.ndarray, "3 m"]
    list_sizes: Int[np.ndarray, " 3"]
    places: Int[np.ndarray, " m"]
    tabu_until: Int[np.ndarray, " m"]
    room: Int[np.ndarray, " T"]
    move: Int[np.ndarray, " 1"]
    random: Int[np.ndarray, " 1"]


@dataclass(frozen=True, eq=False)
class TabuSnapshot:
    """A search between two rounds.

    Attributes:
        chosen: (m,) which rows are in the packing.
        tabu: (t,) positions of rows that must stay outside.
        until: (t,) the move up to which each of them must.
        move: how many moves were made.
        random: state of the random numbers.
    """

    chosen: Bool[np.ndarray, " m"]
    tabu: Int[np.ndarray, " t"]
    until: Int[np.ndarray, " t"]
    move: int
    random: int


class TabuSearch:
    """One search, which can continue at another distance.

    Args:
        count: m, the number of rows.
        constraints: what packings must satisfy.
        perturbation_rate: how often a move that may lower the size is made although a swap that
            keeps it is possible.
        seed: of the random draws.

    Attributes:
        size: how many rows are in the packing.
    """

    def __init__(
        self, count: int, constraints: Constraints, perturbation_rate: float, seed: int
    ) -> None:
        self._adjacency: Adjacency | None = None
        self._constraints = constraints
        self._perturbation_rate = perturbation_rate
        self._state = TabuState(
            chosen=np.zeros(count, bool),
            tightness=np.zeros(count, np.int64),
            lists=np.empty((_LISTS, count), np.int32),
            list_sizes=np.zeros(_LISTS, np.int64),
            places=np.empty(count, np.int32),
            tabu_until=np.zeros(count, np.int64),
            room=constraints.most.copy(),
            move=np.zeros(1, np.int64),
            random=np.random.default_rng(seed).integers(1, 1 << 63, size=1, dtype=np.uint64),
        )
        self.size = 0

    @property
    def chosen(self) -> Bool[np.ndarray, " m"]:
        """Which rows are in the packing."""
        return self._state.chosen

    def snapshot(self) -> TabuSnapshot:
        """Return what the next rounds depend on, if each begins with `reset`."""
        state, move = self._state, int(self._state.move[0])
        tabu = np.flatnonzero(state.tabu_until > move)
        return TabuSnapshot(
            state.chosen.copy(), tabu, state.tabu_until[tabu], move, int(state.random[0])
        )

    def restore(self, snapshot: TabuSnapshot) -> None:
        """Go back to a snapshot of the same search, or a copy of it."""
        state = self._state
        state.chosen[:] = snapshot.chosen
        state.tabu_until[:] = 0
        state.tabu_until[snapshot.tabu] = snapshot.until
        state.move[0], state.random[0] = snapshot.move, snapshot.random

    def reset(self, chosen: Bool[np.ndarray, " m"], reach: float, adjacency: Adjacency) -> None:
        """Start from these rows, less those that a squared distance of `reach` rules out.

        `adjacency` joins the rows at that distance, while the search runs.

        Of rows that are too near to each other, those with the most such neighbours go first.

        Cost: the neighbours of the rows, and O(m).
        """
        state, constraints = self._state, self._constraints
        forbidden = constraints.limits < reach
        self._adjacency = adjacency
        state.chosen[:] = chosen & ~forbidden
        state.tightness[:] = np.where(forbidden, _FORBIDDEN * _ONE, 0)
        repair(self._adjacency, state.chosen)
        counts = np.bincount(constraints.strata[state.chosen], minlength=len(constraints.most))
        state.room[:] = constraints.most - counts
        self.size = int(np.count_nonzero(state.chosen))
        compute_tightness(self._adjacency, state)

    def run(self, target: int, work: int) -> None:
        """Search until the packing has `target` rows, or for `work` steps from row to neighbour."""
        self.size = int(
            tabu_search(
                self._adjacency,
                self._constraints.strata,
                self._state,
                self.size,
                target,
                self._perturbation_rate,
                work,
            )
        )


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def repair(adjacency: Adjacency, chosen: Bool[np.ndarray, " m"]) -> None:
    """Remove rows until no two are neighbours: those with the most chosen neighbours first."""
    starts, ends, neighbours = adjacency
    tightness = np.zeros(len(chosen), np.int32)
    most = 0
    for row in range(len(chosen)):
        if chosen[row]:
            for place in range(starts[row], ends[row]):
                tightness[row] += chosen[neighbours[place]]
            most = max(most, tightness[row])
    while most > 0:
        for row in range(len(chosen)):
            if chosen[row] and tightness[row] == most:
                chosen[row] = False
                for place in range(starts[row], ends[row]):
                    tightness[neighbours[place]] -= 1
        most -= 1


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def compute_tightness(adjacency: Adjacency, state: TabuState) -> None:
    """Compute the tightness of every row, and fill the lists."""
    starts, ends, neighbours = adjacency
    for row in range(len(state.chosen)):
        if state.chosen[row]:
            for place in range(starts[row], ends[row]):
                state.tightness[neighbours[place]] += _ONE + row
    state.list_sizes[:] = 0
    for row in range(len(state.chosen)):
        if not state.chosen[row] and state.tightness[row] >> _SHIFT < _LISTS:
            insert(state, state.tightness[row] >> _SHIFT, row)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def tabu_search(
    adjacency: Adjacency,
    strata: Int[np.ndarray, " m"],
    state: TabuState,
    size: int,
    target: int,
    perturbation_rate: float,
    work: int,
) -> int:
    """Search, see the module's docstring, and return the size of the packing at the end."""
    starts, ends, neighbours = adjacency
    chosen, tightness, room = state.chosen, state.tightness, state.room
    while size < target and work > 0:
        work -= 1
        state.move[0] += 1
        row = draw_listed(state, strata, 0)
        if row < 0 and (perturbation_rate == 0.0 or fraction(state.random) >= perturbation_rate):
            row = draw_listed(state, strata, 1)
        if row < 0:
            row = draw_listed(state, strata, 2)
        if row < 0:
            row = below(state.random, len(chosen))
            if chosen[row] or tightness[row] >> _SHIFT >= _FORBIDDEN:
                continue
            # Its stratum has room, or loses one of the replaced rows.
            fits = room[strata[row]] > 0
            for place in range(starts[row], ends[row]):
                near = neighbours[place]
                fits = fits or (chosen[near] and strata[near] == strata[row])
            if not fits:
                continue
        tabu_until = state.move[0] + _TENURE + below(state.random, 1 + state.list_sizes[1] // 10)
        left = tightness[row] >> _SHIFT
        place = starts[row]
        while left > 0:
            near = neighbours[place]
            if left == 1:
                near = tightness[row] & _SUM
            if chosen[near]:
                left -= 1
                drop(adjacency, state, near)
                state.tabu_until[near] = tabu_until
                room[strata[near]] += 1
                size -= 1
                work -= ends[near] - starts[near]
            place += 1
        add(adjacency, state, row)
        room[strata[row]] -= 1
        size += 1
        work -= ends[row] - starts[row]
    return size


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def draw_listed(state: TabuState, strata: Int[np.ndarray, " m"], tightness: int) -> int:
    """Draw a row of a tightness that may be added; -1 if none is found soon.

    A free row is never tabu.
    """
    count = state.list_sizes[tightness]
    if count == 0:
        return -1
    for _ in range(_DRAWS):
        row = state.lists[tightness, below(state.random, count)]
        if tightness > 0 and state.tabu_until[row] > state.move[0]:
            continue
        if state.room[strata[row]] > 0 or (
            tightness == 1 and strata[state.tightness[row] & _SUM] == strata[row]
        ):
            return int(row)
    return -1


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def add(adjacency: Adjacency, state: TabuState, row: int) -> None:
    """Add a free row to the packing."""
    remove(state, 0, row)
    state.chosen[row] = True
    for place in range(adjacency.starts[row], adjacency.ends[row]):
        near = adjacency.neighbours[place]
        tightness = state.tightness[near] >> _SHIFT
        state.tightness[near] += _ONE + row
        if tightness < _LISTS:
            remove(state, tightness, near)
            if tightness + 1 < _LISTS:
                insert(state, tightness + 1, near)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def drop(adjacency: Adjacency, state: TabuState, row: int) -> None:
    """Drop a row from the packing; it is free afterwards."""
    state.chosen[row] = False
    insert(state, 0, row)
    for place in range(adjacency.starts[row], adjacency.ends[row]):
        near = adjacency.neighbours[place]
        state.tightness[near] -= _ONE + row
        tightness = state.tightness[near] >> _SHIFT
        if tightness < _LISTS:
            if tightness + 1 < _LISTS:
                remove(state, tightness + 1, near)
            insert(state, tightness, near)


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def insert(state: TabuState, tightness: int, row: int) -> None:
    """Append a row to the list of a tightness."""
    state.lists[tightness, state.list_sizes[tightness]] = row
    state.places[row] = state.list_sizes[tightness]
    state.list_sizes[tightness] += 1


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def remove(state: TabuState, tightness: int, row: int) -> None:
    """Remove a row from the list of a tightness; the last row of the list takes its place."""
    state.list_sizes[tightness] -= 1
    last = state.lists[tightness, state.list_sizes[tightness]]
    state.lists[tightness, state.places[row]] = last
    state.places[last] = state.places[row]


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def draw(random: Int[np.ndarray, " 1"]) -> Any:
    """Return the next random number below 2**53 (xorshift64*, Vigna 2016, doi:10.1145/2845077)."""
    bits = random[0]
    bits ^= bits >> np.uint64(12)
    bits ^= bits << np.uint64(25)
    bits ^= bits >> np.uint64(27)
    random[0] = bits
    return np.int64((bits * np.uint64(2685821657736338717)) >> np.uint64(11))


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def below(random: Int[np.ndarray, " 1"], count: int) -> Any:
    """Return a random number from 0 to `count` - 1."""
    return draw(random) % count


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def fraction(random: Int[np.ndarray, " 1"]) -> Any:
    """Return a random number in [0, 1)."""
    return draw(random) * 2.0**-53
