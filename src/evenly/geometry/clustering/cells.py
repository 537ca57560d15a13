"""Cells of a pool, small enough for Ward's rule, and the order in which they are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from evenly.geometry.clustering.ward import halves
from evenly.geometry.kernels.exact import EXACT
from evenly.shapes import Float32, Int


@dataclass(frozen=True, eq=False)
class NearPicks:
    """A pick near every row: for a pick, an earlier one. So all rows form a tree.

    Farthest-first finds them as it selects. Rows with common ancestors are near each other, because
    picks are as far apart as can be: a cluster of rows has a pick of its own before any cluster has
    two that are nearer to each other.

    Attributes:
        picks: (k,) row numbers of eligible rows, in the order picked.
        near: (n,) for each row of the pool, the number of the pick. Numbers that are no earlier
            pick's count as 0, the first pick. None if only `at_most` is known.
        at_most: (n,) upper bounds on the squared distance of each row to the nearest pick; None if
            they are not known. What is negative is no bound, but belongs to a pick.
    """

    picks: Int[np.ndarray, " k"]
    near: Int[np.ndarray, " n"] | None
    at_most: Float32[np.ndarray, " n"] | None = None

    def of_rows(
        self, rows: Int[np.ndarray, " m"]
    ) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " k"]]:
        """Return the number of the pick of each of some rows, and of that before each pick.

        The pick of a pick is itself.
        """
        assert self.near is not None
        count = len(self.picks)
        near = np.where((self.near >= 0) & (self.near < count), self.near, 0).astype(np.int64)
        before = near[self.picks]
        before = np.where(before < np.arange(count), before, 0)
        near[self.picks] = np.arange(count)
        return near[rows], before

    def in_order(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return rows in an order in which neighbours are near: along the tree, depth first."""
        near, before = self.of_rows(rows)
        order: Int[np.ndarray, " m"] = rows[np.argsort(_places(before)[near], kind="stable")]
        return order


class Cells:
    """Cells that hold all rows, each once, and joins of them that leave a single cluster.

    Attributes:
        inside: the rows of each cell.
        joins: names of the clusters that each join unites. Cell i is named i, and the result of
            join j is named -1 - j.
    """

    def __init__(self) -> None:
        self.inside: list[Int[np.ndarray, " s"]] = []
        self.joins: list[tuple[int, int]] = []

    @classmethod
    def halved(cls, short: Float32[np.ndarray, "m p"], size: int) -> Cells:
        """Return cells of at most `size` rows: larger ones are halved by 2-means.

        Cost: about 2·m·p multiplications for each time that all rows are halved.
        """
        cells = cls()
        cells._halve(short, np.arange(len(short)), size)
        return cells

    @classmethod
    def grown(
        cls,
        short: Float32[np.ndarray, "m p"],
        near: Int[np.ndarray, " m"],
        before: Int[np.ndarray, " k"],
        size: int,
    ) -> Cells:
        """Return cells of at most `size` rows: those of picks, joined from the last pick on.

        Args:
            short: the rows.
            near: for each row, the number of a pick near it; each pick is near a row, itself.
            before: for each pick, the number of an earlier one near it.
            size: rows near a single pick are halved by 2-means if they are more.
        """
        cells = cls()
        counts = np.bincount(near, minlength=len(before))
        label, joins = _joined(before, counts, size)
        rows = np.argsort(label[near], kind="stable")
        ends = np.cumsum(np.bincount(label[near], minlength=int(label.max()) + 1))
        names = [cells._halve(short, inside, size) for inside in np.split(rows, ends[:-1])]
        made: list[int] = []
        for one, other in joins.tolist():
            left = names[one] if one >= 0 else made[-1 - one]
            right = names[other] if other >= 0 else made[-1 - other]
            made.append(cells._join(left, right))
        return cells

    def _join(self, left: int, right: int) -> int:
        self.joins.append((left, right))
        return -len(self.joins)

    def _halve(
        self, short: Float32[np.ndarray, "m p"], rows: Int[np.ndarray, " s"], size: int
    ) -> int:
        """Add the cells of some rows, and return the name of their cluster."""
        waiting: list[tuple[Int[np.ndarray, " h"], int]] = [(rows, -1)]
        nodes: list[tuple[int | None, int]] = []
        while waiting:
            inside, parent = waiting.pop()
            if len(inside) <= size:
                self.inside.append(inside)
                nodes.append((len(self.inside) - 1, parent))
                continue
            left = halves(short[inside])
            waiting += [(inside[~left], len(nodes)), (inside[left], len(nodes))]
            nodes.append((None, parent))
        parts: list[list[int]] = [[] for _ in nodes]
        for number in range(len(nodes) - 1, 0, -1):  # children come after their parents
            name, parent = nodes[number]
            parts[parent].append(self._join(*parts[number]) if name is None else name)
        name = nodes[0][0]
        return self._join(*parts[0]) if name is None else name


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _places(before: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """Return the place of each pick, depth first, where later picks come before earlier ones."""
    count = len(before)
    sizes, ends, places = (
        np.ones(count, np.int64),
        np.empty(count, np.int64),
        np.zeros(count, np.int64),
    )
    for pick in range(count - 1, 0, -1):
        sizes[before[pick]] += sizes[pick]
    ends[0] = count
    for pick in range(1, count):
        ends[pick] = ends[before[pick]]
        ends[before[pick]] -= sizes[pick]
        places[pick] = ends[before[pick]]
    return places


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def _joined(before: Int[np.ndarray, " k"], counts: Int[np.ndarray, " k"], size: int) -> Any:
    """Join every pick to the one before it, the last first, and cut where clusters are too large.

    Returns:
        The number of the cell of each pick, where a cell is a largest cluster of at most `size`
        rows or a single pick; and the joins of cells, named as in `Cells`.
    """
    n_picks = len(before)
    name = np.arange(n_picks)
    rows = np.empty(2 * n_picks - 1, np.int64)
    rows[:n_picks] = counts
    joins = np.empty((n_picks - 1, 2), np.int64)
    for made in range(n_picks - 1):
        pick = n_picks - 1 - made
        left, right = name[before[pick]], name[pick]
        joins[made, 0], joins[made, 1] = left, right
        rows[n_picks + made] = rows[left] + rows[right]
        name[before[pick]] = n_picks + made
    cell = np.full(2 * n_picks - 1, -1, np.int64)
    n_cells = 0
    root = 2 * n_picks - 2
    if rows[root] <= size or n_picks == 1:
        cell[root], n_cells = 0, 1
    for join in range(n_picks - 2, -1, -1):
        for side in range(2):
            part = joins[join, side]
            if cell[n_picks + join] >= 0:
                cell[part] = cell[n_picks + join]
            elif part < n_picks or rows[part] <= size:
                cell[part] = n_cells
                n_cells += 1
    kept = np.empty((n_picks - 1, 2), np.int64)
    n_kept = 0
    for join in range(n_picks - 1):
        if cell[n_picks + join] >= 0:
            continue
        for side in range(2):
            part = joins[join, side]
            kept[n_kept, side] = cell[part] if cell[part] >= 0 else -1 - name[part - n_picks]
        name[join] = n_kept  # every pick was joined, so their names are free
        n_kept += 1
    return cell[:n_picks], kept[:n_kept]
