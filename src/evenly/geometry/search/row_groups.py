"""Groups of rows around centres, and which rows can be near a row of each group.

A row that is farther from the mean of a group than the radius of the group and a distance together
is farther than that distance from every row of the group. In pools of many tight clusters this
spares nearly all comparisons. All of it happens among proxies that are not turned, with the error
bounds of `evenly.geometry.screening.proxies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from evenly.geometry.kernels.exact import EXACT
from evenly.geometry.kernels.screening import ErrorBound
from evenly.geometry.points import blocks
from evenly.geometry.threads import parallel_for, usable_threads
from evenly.shapes import Float32, Int

_ROWS = 1024


@dataclass(frozen=True, eq=False)
class RowGroups:
    """Each row in the group of the centre that is about the nearest.

    Attributes:
        members: positions of the rows of each group, ascending.
        outside: positions of rows of earlier groups that can be near one of its rows.
    """

    members: list[Int[np.ndarray, " p"]]
    outside: list[Int[np.ndarray, " p"]]

    @property
    def comparisons(self) -> float:
        """Number of pairs that are to be compared."""
        return float(
            sum(
                len(own) * (len(own) / 2 + len(others))
                for own, others in zip(self.members, self.outside, strict=True)
            )
        )

    def __iter__(self) -> Iterator[tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]]:
        return zip(self.members, self.outside, strict=True)

    @classmethod
    def around(
        cls,
        proxies: Float32[np.ndarray, "m W"],
        centres: Int[np.ndarray, " g"],
        reach: float,
        bound: ErrorBound,
    ) -> RowGroups:
        """Make groups, and find rows at a squared distance below `reach`, or about that.

        Args:
            proxies: (m, W) of the rows, not turned.
            centres: (g,) positions of some of them.
            reach: a squared distance.
            bound: what errors can do to products of the proxies.

        Cost: 2·m·g·W multiplications, as matrix products.
        """
        lengths = np.einsum("ij,ij->i", proxies, proxies)
        group = np.empty(len(proxies), np.int64)
        centre_proxies, centre_lengths = proxies[centres], lengths[centres]

        def assign(part: slice) -> None:
            products = proxies[part] @ centre_proxies.T
            products *= -2
            products += centre_lengths
            group[part] = products.argmin(axis=1)

        parts = list(blocks(len(proxies), 1, numbers=_ROWS))
        threads = usable_threads()
        parallel_for(assign, parts, threads=threads)
        means = means_of_groups(proxies, group, len(centres))
        # A mean is no longer than the longest row, up to rounding, for which the bound is doubled.
        rounding = 2 * bound.rounding
        squared = np.empty(len(proxies))

        def measure(part: slice) -> None:
            gaps = proxies[part] - means[group[part]]
            squared[part] = np.einsum("ij,ij->i", gaps, gaps)

        parallel_for(measure, parts, threads=threads)
        radii = np.zeros(len(centres))
        np.maximum.at(radii, group, squared)
        farthest = np.sqrt(reach) * bound.scale * (1 + 2.0**-30) + bound.error
        limits = (np.sqrt(radii + rounding) + farthest) ** 2 + rounding
        mean_lengths = np.einsum("ij,ij->i", means, means)
        found: list[Any] = [None] * len(parts)

        def search(number: int) -> None:
            part = parts[number]
            products = proxies[part] @ means.T
            products *= -2
            products += mean_lengths
            products += lengths[part, None]
            near = products <= limits.astype(np.float32) * np.float32(1 + 2.0**-20)
            near &= np.arange(len(centres)) > group[part, None]
            rows, groups = np.nonzero(near)
            found[number] = groups, rows + part.start

        parallel_for(search, range(len(parts)), threads=threads)
        groups, rows = (np.concatenate(some) for some in zip(*found, strict=True))
        count = len(centres)
        return cls(_split(np.arange(len(group)), group, count), _split(rows, groups, count))


def _split(
    rows: Int[np.ndarray, " m"], group: Int[np.ndarray, " m"], count: int
) -> list[Int[np.ndarray, " p"]]:
    """Return the rows of each group, in the order in which they come."""
    order = np.argsort(group, kind="stable")
    return np.split(rows[order], np.searchsorted(group[order], np.arange(1, count)))


@numba.njit(**EXACT)  # type: ignore[untyped-decorator]
def means_of_groups(
    proxies: Float32[np.ndarray, "m W"], group: Int[np.ndarray, " m"], count: int
) -> Float32[np.ndarray, "g W"]:
    """Return the mean of each group; zeros for an empty one."""
    sums = np.zeros((count, proxies.shape[1]))
    sizes = np.zeros(count, np.int64)
    for row in range(len(group)):
        sizes[group[row]] += 1
        for axis in range(proxies.shape[1]):
            sums[group[row], axis] += proxies[row, axis]
    means = np.zeros(sums.shape, np.float32)
    for number in range(count):
        for axis in range(proxies.shape[1]):
            means[number, axis] = sums[number, axis] / max(1, sizes[number])
    return means
