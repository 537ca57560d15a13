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
from evenly.geometry.kernels.int16_groups import nearest_targets, rounded_targets, targets_within
from evenly.geometry.points import blocks
from evenly.geometry.screening.proxies import ProxyTransform
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
        transform: ProxyTransform,
    ) -> RowGroups:
        """Make groups, and find rows at a squared distance below `reach`, or about that.

        Args:
            proxies: (m, W) of the rows, not turned.
            centres: (g,) positions of some of them.
            reach: a squared distance.
            transform: what made the proxies.

        Cost: 3/2·m·g·W multiplications in 16-bit integers; 2·m·g·W in float32 if the reach is so
            small that the rounding to integers matters.
        """
        count, threads = len(centres), usable_threads()
        bound, precision = transform.error_bound("int16"), "int16"
        if bound.rounding > (np.sqrt(reach) * bound.scale) ** 2 / 8:
            bound, precision = transform.error_bound(), "float32"
        parts = list(blocks(len(proxies), 1, numbers=_ROWS))
        group = np.empty(len(proxies), np.int64)
        nearest_to = _Means(proxies[centres], transform, precision).nearest_to

        def assign(part: slice) -> None:
            group[part] = nearest_to(proxies[part])

        parallel_for(assign, parts, threads=threads)
        means = means_of_groups(proxies, group, count)
        squared = np.empty(len(proxies))

        def measure(part: slice) -> None:
            gaps = proxies[part] - means[group[part]]
            squared[part] = np.einsum("ij,ij->i", gaps, gaps)

        parallel_for(measure, parts, threads=threads)
        radii = np.zeros(count)
        np.maximum.at(radii, group, squared)
        # A mean is no longer than the longest row, up to rounding, for which the bound is doubled.
        rounding = 2 * bound.rounding
        farthest = np.sqrt(reach) * bound.scale * (1 + 2.0**-30) + bound.error
        limits = (np.sqrt(radii + rounding) + farthest) ** 2 + rounding
        wide = limits.astype(np.float32) * np.float32(1 + 2.0**-20)
        order = np.argsort(group, kind="stable")  # rows are compared with groups after their own
        within = _Means(means, transform, precision).within
        found: list[Any] = [None] * len(parts)

        def search(number: int) -> None:
            some = order[parts[number]]
            rows, groups = within(proxies[some], group[some], wide)
            found[number] = some[rows], groups

        parallel_for(search, range(len(parts)), threads=threads)
        rows, groups = (np.concatenate(some) for some in zip(*found, strict=True))
        return cls(_split(np.arange(len(group)), group, count), _split(rows, groups, count))


class _Means:
    """Means of groups, or centres, that rows are compared with.

    Args:
        means: their proxies.
        transform: what made the proxies.
        precision: "int16", or "float32", which is slower and nearly without rounding.
    """

    def __init__(
        self, means: Float32[np.ndarray, "g W"], transform: ProxyTransform, precision: str
    ) -> None:
        self._means = means
        self._lengths: Float32[np.ndarray, " g"] = np.einsum("ij,ij->i", means, means)
        self._targets = rounded_targets(means, transform.levels) if precision == "int16" else None

    def nearest_to(self, rows: Float32[np.ndarray, "m W"]) -> Int[np.ndarray, " m"]:
        """Return which mean is about the nearest to each row."""
        if self._targets is not None:
            found: Int[np.ndarray, " m"] = nearest_targets(rows, self._targets, self._lengths)
            return found
        products = rows @ self._means.T
        products *= -2
        products += self._lengths
        nearest: Int[np.ndarray, " m"] = products.argmin(axis=1)
        return nearest

    def within(
        self,
        rows: Float32[np.ndarray, "m W"],
        after: Int[np.ndarray, " m"],
        limits: Float32[np.ndarray, " g"],
    ) -> tuple[Int[np.ndarray, " q"], Int[np.ndarray, " q"]]:
        """Return the rows and means after `after` whose product is at most the mean's limit."""
        if self._targets is not None:
            some, means = targets_within(rows, after, self._targets, self._lengths, limits)
            return some, means
        products = rows @ self._means.T
        products *= -2
        products += self._lengths
        products += np.einsum("ij,ij->i", rows, rows)[:, None]
        near = (products <= limits) & (np.arange(len(limits)) > after[:, None])
        some, means = np.nonzero(near)
        return some, means


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
