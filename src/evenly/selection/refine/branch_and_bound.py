"""Branch and bound for a packing of a given size, or the certainty that there is none.

A packing is a clique of the graph that joins all rows that are not neighbours. Of a class of
rows that are all neighbours of each other, a packing has one row at most, so the number of such
classes, the colours of a colouring, bounds its size. Only rows behind as many classes as rows are
still missing have to be branched on (Tomita and Seki 2003); rows of later classes are moved into
earlier ones if one row there can be recoloured (Tomita et al. 2010); and sets of rows are bit
vectors (San Segundo et al. 2011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.shapes import Bool, Int

if TYPE_CHECKING:
    Bits = Int[np.ndarray, "m w"]

_BITS = 64
_FOUND, _NONE, _GIVEN_UP = 1, 0, -1
_ZERO, _UNIT = np.uint64(0), np.uint64(1)


class SearchTree(NamedTuple):
    """The path from the root of the search tree to the current node, at most d rows deep.

    Attributes:
        left: (d, w) bits of the rows that are not neighbours of the rows taken, at each depth.
        branch: (d, m) which of them to take next, in reverse order.
        branches: (d,) how many of `branch` are still to be tried.
        taken: (d,) the row taken at each depth.
    """

    left: Bits
    branch: Int[np.ndarray, "d m"]
    branches: Int[np.ndarray, " d"]
    taken: Int[np.ndarray, " d"]


class PackingSearch:
    """Search for a packing of `size` rows until one is found or proven not to exist.

    Args:
        near: which rows are neighbours; symmetric, False on the diagonal.
        size: 1 or more.

    Attributes:
        rows: the packing, as positions; None until one is found.
        over: whether one is found or proven not to exist.
        work: words of bits processed so far.

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
        self._tree = SearchTree(
            left=np.zeros((size, self._near.shape[1]), np.uint64),
            branch=np.empty((size, len(near)), np.int32),
            branches=np.zeros(size, np.int64),
            taken=np.empty(size, np.int64),
        )
        self._depth = -1

    def advance(self, work: int) -> None:
        """Process about `work` more words."""
        if self.over:
            return
        answer, self._depth, spent = branch_and_bound(self._near, self._tree, self._depth, work)
        self.work += int(spent)
        self.over = answer != _GIVEN_UP
        if answer == _FOUND:
            self.rows = np.sort(self._order[self._tree.taken])


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
    """Order the rows: the last has the most neighbours, the one before it the most of the rest."""
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
    """Return how many bits of a word are set."""
    word -= (word >> _UNIT) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(**EXACT, inline="always")  # type: ignore[untyped-decorator]
def lowest_bit(word: Any) -> Any:
    """Return the position of the lowest bit that is set, of at least one."""
    return count_bits((word & (~word + _UNIT)) - _UNIT)


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def branch_and_bound(near: Bits, tree: SearchTree, depth: int, work: int) -> tuple[int, int, int]:
    """Search for d rows no two of which are `near`, from a node on; a depth of -1 is the start.

    Returns:
        The answer, the depth where the search stopped, and the words processed.
    """
    left, branch, branches, taken = tree
    count, words = near.shape
    size = len(taken)
    classes = np.zeros((size, words), np.uint64)
    spent = 0
    if depth < 0:
        depth = 0
        for row in range(count):
            left[0, row // _BITS] |= _UNIT << np.uint64(row % _BITS)
        branches[0], spent = list_branches(near, left[0], size, classes, branch[0])
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
        branches[depth], looked = list_branches(
            near, left[depth], size - depth, classes, branch[depth]
        )
        spent += words + looked
    return _NONE, depth, spent


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def list_branches(
    near: Bits,
    left: Int[np.ndarray, " w"],
    n_missing: int,
    classes: Bits,
    branch: Int[np.ndarray, " m"],
) -> tuple[int, int]:
    """Divide the rows left into classes, and list those behind the first `n_missing` - 1.

    A packing of `n_missing` rows has one that is listed.

    Returns:
        How many rows are listed, and the words processed.
    """
    words = len(left)
    enough = n_missing - 1
    rest, joining = left.copy(), np.empty(words, np.uint64)
    made, listed, spent = 0, 0, 0
    while True:
        some = False
        for word in range(words):
            some = some or rest[word] != _ZERO
        if not some:
            break
        # A class: the first row left, then each that is near all rows of the class before it.
        joining[:] = rest
        if made < enough:
            classes[made] = _ZERO
        word = 0
        while word < words:
            if joining[word] == _ZERO:
                word += 1
                continue
            bit = lowest_bit(joining[word])
            row = word * _BITS + bit
            own = _UNIT << np.uint64(bit)
            joining[word] &= ~own
            rest[word] &= ~own
            for further in range(word, words):
                joining[further] &= near[row, further]
            spent += words - word
            if made < enough:
                classes[made, word] |= own
            else:
                moved, looked = recolour(near, classes, enough, row)
                spent += looked
                if not moved:
                    branch[listed] = row
                    listed += 1
        made += 1
    return listed, spent


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def recolour(near: Bits, classes: Bits, count: int, row: int) -> tuple[bool, int]:
    """Move a row into one of the first classes, of which one row at most may change to another.

    Returns:
        Whether that was possible, and the words processed.
    """
    words = classes.shape[1]
    spent = 0
    for own in range(count):
        conflicts, other = 0, 0
        for word in range(words):
            bits = classes[own, word] & ~near[row, word]
            spent += 1
            if bits != _ZERO:
                conflicts += count_bits(bits)
                if conflicts > 1:
                    break
                other = word * _BITS + lowest_bit(bits)
        if conflicts > 1:
            continue
        if conflicts == 1:
            to = 0
            while to < count:
                fits = to != own
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
            classes[own, other // _BITS] &= ~bit
            classes[to, other // _BITS] |= bit
        classes[own, row // _BITS] |= _UNIT << np.uint64(row % _BITS)
        return True, spent
    return False, spent
