"""Quotas: the least and the most rows of each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.results.provenance import hash_of_array
from evenly.shapes import Bool, Int
from evenly.tables import count

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# How many groups a message names, and how many `describe` lists.
_SHOWN = 5
_DESCRIBED = 100


@dataclass(frozen=True, eq=False)
class Quotas:
    """The least and the most rows of each of G groups, which may overlap.

    Rows that are in the same groups form a *stratum*. Quotas treat them alike, so whether quotas
    can be met depends on T counts instead of n rows. Groups without a quota are ignored; the rows
    that are in no group with a quota are a stratum, too.

    Attributes:
        strata: (n,) int32, the stratum of each row, 0 <= strata < T.
        members: (T, G) sparse, 1 if the rows of a stratum are in a group.
        names: names of the G groups.
        least: (G,) the smallest allowed number of rows of each group.
        most: (G,) the largest one, never below `least`.
    """

    strata: Int[np.ndarray, " n"]
    members: Any
    names: tuple[str, ...]
    least: Int[np.ndarray, " G"]
    most: Int[np.ndarray, " G"]

    @classmethod
    def of(
        cls,
        groups_of_rows: csr_array,
        names: tuple[str, ...],
        least: Int[np.ndarray, " G"],
        most: Int[np.ndarray, " G"],
    ) -> Quotas:
        """Create quotas for rows whose groups are the non-zero columns of an (n, G) matrix."""
        strata, members = _strata_of(groups_of_rows)
        return cls(strata, members, names, least.astype(np.int64), most.astype(np.int64))

    def __len__(self) -> int:
        """Return the number of strata."""
        return int(self.members.shape[0])

    @property
    def disjoint(self) -> bool:
        """Whether no row is in two groups."""
        return bool(np.diff(self.members.indptr).max(initial=0) <= 1)

    @property
    def few(self) -> bool:
        """Whether the groups are few enough to be listed."""
        return len(self.names) <= _DESCRIBED

    def groups_of(self, stratum: int) -> Int[np.ndarray, " g"]:
        """Return the groups that the rows of a stratum are in."""
        begin, end = self.members.indptr[stratum : stratum + 2]
        groups: Int[np.ndarray, " g"] = self.members.indices[begin:end]
        return groups

    def count(
        self, chosen: Bool[np.ndarray, " n"] | Int[np.ndarray, " k"]
    ) -> Int[np.ndarray, " T"]:
        """Count the rows of each stratum, given a mask or row numbers."""
        return np.bincount(self.strata[chosen], minlength=len(self)).astype(np.int64)

    def in_groups(self, counts: Int[np.ndarray, " T"]) -> Int[np.ndarray, " G"]:
        """Convert counts per stratum to counts per group."""
        sums: Int[np.ndarray, " G"] = self.members.T @ counts
        return sums

    def allows(self, counts: Int[np.ndarray, " T"]) -> bool:
        """Return whether so many rows of each stratum meet every quota."""
        sums = self.in_groups(counts)
        return bool(((sums >= self.least) & (sums <= self.most)).all())

    def violations(self, counts: Int[np.ndarray, " T"]) -> str | None:
        """Describe the quotas that so many rows of each stratum violate; None if there are none."""
        sums = self.in_groups(counts)
        groups = np.flatnonzero((sums < self.least) | (sums > self.most))
        return _listed(
            [
                f"{self.names[g]!r} has {count(int(sums[g]), 'row')}, not {self._limits_of(g)}"
                for g in groups
            ]
        )

    def excess(self, counts: Int[np.ndarray, " T"]) -> str | None:
        """Describe the groups that have more rows than their quota; None if there are none."""
        sums = self.in_groups(counts)
        groups = np.flatnonzero(sums > self.most)
        return _listed([f"{sums[g]} of {self.names[g]!r}, at most {self.most[g]}" for g in groups])

    def obstacle(self, budget: int | None, usable: Int[np.ndarray, " T"]) -> str | None:
        """Describe an obvious reason why no picks meet the quotas; None if there is none."""
        available = self.in_groups(usable)
        short = np.flatnonzero(available < self.least)
        if len(short):
            return _listed(
                [
                    f"group {self.names[g]!r} has {count(int(available[g]), 'usable row')}, but "
                    "its quota "
                    f"requires {self.least[g]}"
                    for g in short
                ]
            )
        if budget is None:
            return None
        needed, reach = int(self.least.sum()), self._largest_total(usable)
        if self.disjoint and needed > budget:
            return (
                f"the quotas require at least {count(needed, 'row')}, more than the budget {budget}"
            )
        if int(self.least.max(initial=0)) > budget:
            g = int(np.argmax(self.least))
            return (
                f"the quota of {self.names[g]!r} requires {count(int(self.least[g]), 'row')}, "
                "more than the "
                f"budget {budget}"
            )
        if reach < budget:
            return (
                f"the quotas allow at most {count(reach, 'row')}, fewer than the budget "
                f"{budget}: raise "
                "some of them, or lower the budget"
            )
        return None

    def describe(self) -> dict[str, Any]:
        """Return the quotas as JSON values: a hash of all, and the limits if they are few."""
        limits = np.stack([self.least, self.most]).T
        hashes = [hash_of_array(part) for part in (self.strata, self.members.indices, limits)]
        described = {"groups": len(self.names), "hash": hashes}
        if self.few:
            described["limits"] = dict(zip(self.names, limits.tolist(), strict=True))
        return described

    def _largest_total(self, usable: Int[np.ndarray, " T"]) -> int:
        """Return an upper bound on the number of rows; for disjoint groups, the exact number."""
        free = np.diff(self.members.indptr) == 0
        in_groups = np.minimum(self.most, self.in_groups(usable))
        return int(min(usable.sum(), usable[free].sum() + in_groups.sum()))

    def _limits_of(self, group: Any) -> str:
        least, most = self.least[group], self.most[group]
        return str(least) if least == most else f"{least} to {most}"


def _strata_of(groups_of_rows: csr_array) -> tuple[Int[np.ndarray, " n"], csr_array]:
    """Return the stratum of each row, and the groups of each stratum."""
    from scipy.sparse import csr_array

    matrix = csr_array(groups_of_rows, dtype=np.int64)
    matrix.sum_duplicates()
    sizes = np.diff(matrix.indptr)
    if sizes.max(initial=0) <= 1:
        # The group identifies the stratum, -1 for no group.
        keys = np.full(matrix.shape[0], -1, np.int64)
        keys[sizes == 1] = matrix.indices
        _, first, strata = np.unique(keys, return_index=True, return_inverse=True)
    else:
        sets = [
            matrix.indices[begin:end].tobytes()
            for begin, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        ]
        number: dict[bytes, int] = {}
        strata = np.array([number.setdefault(one, len(number)) for one in sets], np.int64)
        _, first = np.unique(strata, return_index=True)
    members = matrix[first]
    members.data[:] = 1
    return strata.astype(np.int32), members


def _listed(items: list[str]) -> str | None:
    if not items:
        return None
    more = f"; and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + more


def quota_error(reason: str) -> QuotaError:
    """Return the error that quotas cannot be met for this reason."""
    return QuotaError(f"the quotas cannot be met: {reason}.")
