"""Whether so many rows without neighbours can be found at all: branch and bound.

Rows without neighbours are a clique of the graph that joins the rows that are none. A class of
rows of which any two are neighbours gives a packing one row at most, so a packing has no more
rows than there are classes: they are the colours of a colouring. Only rows behind as many
classes as are needed have to be branched on (Tomita and Seki 2003), rows of the classes after
these are moved into them where one row there can make way (Tomita et al. 2010), and sets of rows
are words of bits (San Segundo et al. 2011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

__all__ = ["PackingSearch"]


if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    Bits = Int[np.ndarray, "m w"]


_BITS = 64


_FOUND, _NONE, _GIVEN_UP = 1, 0, -1


_ZERO, _UNIT = np.uint64(0), np.uint64(1)


class PackingSearch:
    """Looks for a packing of `size` rows until it is found, or it is certain that there is none.

    Args:
        near: which rows are neighbours; symmetric, False on the diagonal.
        size: 1 or more.

    Attributes:
        rows: the packing, as positions; None while none is found.
        over: whether it is found, or there is none.
        work: words of bits looked at so far.

    Cost: exponential in m at worst; 4·m·size bytes and a few more.

    Sources: Tomita and Seki 2003, doi:10.1007/3-540-45066-1_22; Tomita, Sutani, Higashi,
        Takahashi and Wakatsuki 2010, doi:10.1007/978-3-642-11440-3_18; San Segundo,
        Rodríguez-Losada and Jiménez 2011, doi:10.1016/j.cor.2010.07.007.
    """

    def __init__(self, near: Bool[np.ndarray, "m m"], size: int) -> None:
        self.rows: Int[np.ndarray, " size"] | None = None
        self.over = size > len(near)
        self.work = 0
        if self.over:
            return
        self._order = most_neighbours_last(near)
        self._near = _bits_of(near[np.ix_(self._order, self._order)])
        words = self._near.shape[1]
        # At depth t, t rows are taken, `left[t]` holds those that none of them is near, and
        # `branch[t]` lists which of these to take next, last first.
        self._left = np.zeros((size, words), np.uint64)
        self._branch = np.empty((size, len(near)), np.int32)
        self._branches = np.zeros(size, np.int64)
        self._taken = np.empty(size, np.int64)
        self._depth = -1

    def go_on(self, work: int) -> None:
        """Look at about so many words more."""
        if self.over:
            return
        answer, self._depth, spent = branch_and_bound(
            self._near,
            self._left,
            self._branch,
            self._branches,
            self._taken,
            self._depth,
            work,
        )
        self.work += int(spent)
        self.over = answer != _GIVEN_UP
        if answer == _FOUND:
            self.rows = np.sort(self._order[self._taken])


def _bits_of(joined: Bool[np.ndarray, "m m"]) -> Bits:
    count = len(joined)
    words = -(-count // _BITS)
    padded = np.zeros((count, words * _BITS), bool)
    padded[:, :count] = joined
    packed: Any = np.packbits(padded, axis=1, bitorder="little")
    bits: Bits = packed.view("<u8").astype(np.uint64)
    return bits


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def most_neighbours_last(near: Bool[np.ndarray, "m m"]) -> Int[np.ndarray, " m"]:
    """Rows in order: the last has the most neighbours, the one before it the most of the rest."""
    count = len(near)
    degrees = np.zeros(count, np.int64)
    for row in range(count):
        degrees[row] = near[row].sum()
    order = np.empty(count, np.int64)
    for place in range(count - 1, -1, -1):
        row = int(np.argmax(degrees))
        order[place] = row
        degrees[row] = -count - 1
        for other in range(count):
            degrees[other] -= near[row, other]
    return order


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def count_bits(word: Any) -> Any:
    """How many bits of a word are set."""
    word -= (word >> _UNIT) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def lowest(word: Any) -> Any:
    """The place of the lowest bit that is set; there must be one."""
    return count_bits((word & (~word + _UNIT)) - _UNIT)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def branch_and_bound(
    near: Bits,
    left: Bits,
    branch: Int[np.ndarray, "d m"],
    branches: Int[np.ndarray, " d"],
    taken: Int[np.ndarray, " d"],
    depth: int,
    work: int,
) -> tuple[int, int, int]:
    """Look for d rows of which no two are `near`, from where it was left; at -1 it begins.

    Returns:
        The answer, the depth it was left at, and the words looked at.
    """
    count, words = near.shape
    size = len(taken)
    classes = np.zeros((size, words), np.uint64)
    spent = 0
    if depth < 0:
        depth = 0
        for row in range(count):
            left[0, row // _BITS] |= _UNIT << np.uint64(row % _BITS)
        branches[0], spent = rows_to_branch_on(near, left[0], size, classes, branch[0])
    while depth >= 0:
        if branches[depth] == 0:
            depth -= 1
            continue
        if spent >= work:
            return _GIVEN_UP, depth, spent
        branches[depth] -= 1
        row = branch[depth, branches[depth]]
        taken[depth] = row
        if depth + 1 == size:
            return _FOUND, depth, spent
        left[depth, row // _BITS] &= ~(_UNIT << np.uint64(row % _BITS))
        depth += 1
        for word in range(words):
            left[depth, word] = left[depth - 1, word] & ~near[row, word]
        branches[depth], looked = rows_to_branch_on(
            near, left[depth], size - depth, classes, branch[depth]
        )
        spent += words + looked
    return _NONE, depth, spent


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def rows_to_branch_on(
    near: Bits,
    left: Int[np.ndarray, " w"],
    owed: int,
    classes: Bits,
    branch: Int[np.ndarray, " m"],
) -> tuple[int, int]:
    """Divide the rows that are left into classes; list those behind the first `owed` - 1.

    A packing of `owed` of them has a row that is listed. Returns how many are listed, and the
    words looked at.
    """
    words = len(left)
    enough = owed - 1
    rest, open_to = left.copy(), np.empty(words, np.uint64)
    made, listed, spent = 0, 0, 0
    while True:
        some = False
        for word in range(words):
            some = some or rest[word] != _ZERO
        if not some:
            break
        # A class: the first row that is left, then each that is near all those before it.
        open_to[:] = rest
        if made < enough:
            classes[made] = _ZERO
        word = 0
        while word < words:
            if open_to[word] == _ZERO:
                word += 1
                continue
            bit = lowest(open_to[word])
            row = word * _BITS + bit
            taken = _UNIT << np.uint64(bit)
            open_to[word] &= ~taken
            rest[word] &= ~taken
            for further in range(word, words):
                open_to[further] &= near[row, further]
            spent += words - word
            if made < enough:
                classes[made, word] |= taken
            else:
                moved, looked = make_way(near, classes, enough, row)
                spent += looked
                if not moved:
                    branch[listed] = row
                    listed += 1
        made += 1
    return listed, spent


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def make_way(near: Bits, classes: Bits, count: int, row: int) -> tuple[bool, int]:
    """Put a row into one of the classes, of which at most one row may have to change to another.

    Returns whether it was, and the words looked at.
    """
    words = classes.shape[1]
    spent = 0
    for one in range(count):
        apart, other = 0, 0
        for word in range(words):
            bits = classes[one, word] & ~near[row, word]
            spent += 1
            if bits != _ZERO:
                apart += count_bits(bits)
                if apart > 1:
                    break
                other = word * _BITS + lowest(bits)
        if apart > 1:
            continue
        if apart == 1:
            to = 0
            while to < count:
                fits = to != one
                for word in range(words):
                    spent += 1
                    if classes[to, word] & ~near[other, word] != _ZERO:
                        fits = False
                        break
                if fits:
                    break
                to += 1
            if to == count:
                continue
            bit = _UNIT << np.uint64(other % _BITS)
            classes[one, other // _BITS] &= ~bit
            classes[to, other // _BITS] |= bit
        classes[one, row // _BITS] |= _UNIT << np.uint64(row % _BITS)
        return True, spent
    return False, spent
