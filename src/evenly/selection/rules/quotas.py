"""Quotas: how many rows of each group there may be, and must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import QuotaError
from evenly.selection.results.provenance import hash_of_array

if TYPE_CHECKING:
    from jaxtyping import Bool, Int
    from scipy.sparse import csr_array

__all__ = ["Quotas"]


_SHOWN = 5


_TOLD = 100


@dataclass(frozen=True, eq=False)
class Quotas:
    """Least and most rows of each of G groups, which may overlap.

    Rows that are in the same groups are of one *kind*: to the quotas they are all the same, so
    that whether quotas can still be met is a question about T counts and not about n rows.
    Groups without a quota are left out; rows in no group that has one are a kind too.

    Attributes:
        strata: (n,) int32, the kind of each row, 0 <= kinds < T.
        members: (T, G) sparse, 1 where the rows of a kind are in a group.
        names: G names of groups.
        least: (G,) rows of each group there must be at least.
        most: (G,) rows of each group there may be at most, never below `least`.
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
        """Quotas of rows whose groups are the non-zero columns of a sparse matrix (n, G)."""
        strata, members = _strata_of(groups_of_rows)
        return cls(strata, members, names, least.astype(np.int64), most.astype(np.int64))

    def __len__(self) -> int:
        """How many kinds there are."""
        return int(self.members.shape[0])

    @property
    def disjoint(self) -> bool:
        """Whether no row is in two groups."""
        return bool(np.diff(self.members.indptr).max(initial=0) <= 1)

    def groups_of(self, stratum: int) -> Int[np.ndarray, " g"]:
        """The groups that rows of a kind are in."""
        begin, end = self.members.indptr[stratum : stratum + 2]
        found: Int[np.ndarray, " g"] = self.members.indices[begin:end]
        return found

    def count(
        self, chosen: Bool[np.ndarray, " n"] | Int[np.ndarray, " k"]
    ) -> Int[np.ndarray, " T"]:
        """How many of these rows, a mask or row numbers, are of each kind."""
        return np.bincount(self.strata[chosen], minlength=len(self)).astype(np.int64)

    def in_groups(self, counts: Int[np.ndarray, " T"]) -> Int[np.ndarray, " G"]:
        """Counts of kinds as counts of groups."""
        found: Int[np.ndarray, " G"] = self.members.T @ counts
        return found

    def allows(self, counts: Int[np.ndarray, " T"]) -> bool:
        """Whether so many rows of each kind meet every quota."""
        found = self.in_groups(counts)
        return bool(((found >= self.least) & (found <= self.most)).all())

    def fault(self, counts: Int[np.ndarray, " T"]) -> str | None:
        """Which quotas so many rows of each kind do not meet, in words; None where all are met."""
        found = self.in_groups(counts)
        wrong = np.flatnonzero((found < self.least) | (found > self.most))
        if not len(wrong):
            return None
        told = [f"{self.names[g]!r} has {found[g]} rows{self._instead_of(g)}" for g in wrong]
        return _listed(told)

    def over(self, counts: Int[np.ndarray, " T"]) -> str | None:
        """Which groups so many rows of each kind are too many for, in words; None if none."""
        found = self.in_groups(counts)
        wrong = np.flatnonzero(found > self.most)
        told = [f"{found[g]} of {self.names[g]!r}, at most {self.most[g]}" for g in wrong]
        return _listed(told) if told else None

    def why_not(self, budget: int | None, usable: Int[np.ndarray, " T"]) -> str | None:
        """What is known at a glance of why no picks meet the quotas; None where that is nothing."""
        available = self.in_groups(usable)
        short = np.flatnonzero(available < self.least)
        if len(short):
            told = [
                f"group {self.names[g]!r} has {available[g]} usable rows, and its quota wants "
                f"{self.least[g]}"
                for g in short
            ]
            return _listed(told)
        if budget is None:
            return None
        needed, reach = int(self.least.sum()), self._reach(usable)
        if self.disjoint and needed > budget:
            return f"the quotas want {needed} rows at least, more than the budget {budget}"
        if int(self.least.max(initial=0)) > budget:
            g = int(np.argmax(self.least))
            return (
                f"group {self.names[g]!r} is to have {self.least[g]} rows, more than the "
                f"budget {budget}"
            )
        if reach < budget:
            return (
                f"the quotas leave room for {reach} rows at most, fewer than the budget {budget}: "
                "raise some of them, or lower the budget"
            )
        return None

    def describe(self) -> dict[str, Any]:
        """The quotas as JSON values: limits, where these are few, and the hash of all."""
        limits = np.stack([self.least, self.most]).T
        hashes = [hash_of_array(part) for part in (self.strata, self.members.indices, limits)]
        told = {"groups": len(self.names), "hash": hashes}
        if len(self.names) <= _TOLD:
            told["limits"] = dict(zip(self.names, limits.tolist(), strict=True))
        return told

    def _reach(self, usable: Int[np.ndarray, " T"]) -> int:
        """A bound on how many rows there can be; the number itself where groups are disjoint."""
        free = np.diff(self.members.indptr) == 0
        in_groups = np.minimum(self.most, self.in_groups(usable))
        return int(min(usable.sum(), usable[free].sum() + in_groups.sum()))

    def _instead_of(self, group: Any) -> str:
        least, most = self.least[group], self.most[group]
        if least == most:
            return f" and not {least}"
        return f" and not {least} to {most}"


def _strata_of(groups_of_rows: csr_array) -> tuple[Int[np.ndarray, " n"], csr_array]:
    """The kind of each row, and the groups of each kind."""
    from scipy.sparse import csr_array

    matrix = csr_array(groups_of_rows, dtype=np.int64)
    matrix.sum_duplicates()
    sizes = np.diff(matrix.indptr)
    if sizes.max(initial=0) <= 1:
        # The group says which kind it is, and -1 that there is none.
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


def _listed(told: list[str]) -> str:
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return "; ".join(told[:_SHOWN]) + more


def refuse(reason: str) -> QuotaError:
    """The error that the quotas cannot be met, for this reason."""
    return QuotaError(f"the quotas cannot be met: {reason}.")
