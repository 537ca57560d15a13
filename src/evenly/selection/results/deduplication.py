"""What removing duplicates returns: the rows that are left, and who stands for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from evenly.errors import ManifestError
from evenly.samples import Samples
from evenly.selection.results.base import Chosen, finite_or_none

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Deduplication"]


@dataclass(frozen=True, eq=False)
class Deduplication(Chosen):
    """The rows that are left, and for each of the others the one that stands for it.

    Attributes:
        indices: (k,) row numbers of the rows that are kept, rising.
        representative: (n,) for every row of the input the kept row nearest to it, of several
            equally near the one with the smallest number; a kept row stands for itself. -1 for
            a row that was dropped because it cannot be used.
        distances: (n,) Euclidean distance (not squared) to it: 0 for a kept row, below
            `min_distance` for another, or 0 too for an exact duplicate; nan for one that was
            dropped.
        min_distance: no two kept rows are nearer to each other. 0: none are at distance 0.
        duplicates: groups of rows that are equal, the same text or the same numbers; in each
            the row that came first in the order of `keep`, then the others.
        provenance: as that of a Selection.
    """

    format: ClassVar[str] = "evenly deduplication"
    format_version: ClassVar[int] = 1
    noun: ClassVar[str] = "deduplication"

    indices: Int[np.ndarray, " k"]
    representative: Int[np.ndarray, " n"]
    distances: Float[np.ndarray, " n"]
    min_distance: float
    duplicates: Sequence[list[int]]
    provenance: dict[str, Any]
    samples: Samples | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for array in (self.indices, self.representative, self.distances):
            array.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"Deduplication({len(self)} of {len(self.representative)} rows kept, "
            f"{self.merged} merged, min_distance={self.min_distance:.6g})"
        )

    @property
    def merged(self) -> int:
        """How many rows another one stands for."""
        return int(np.count_nonzero(self.representative >= 0)) - len(self)

    @property
    def exact_duplicates(self) -> int:
        """How many rows repeat another one exactly."""
        return sum(len(group) - 1 for group in self.duplicates)

    @cached_property
    def groups(self) -> dict[int, list[int]]:
        """Kept row -> the other rows that it stands for, the nearest first, where there are any."""
        rows = np.arange(len(self.representative))
        others = np.flatnonzero((self.representative >= 0) & (self.representative != rows))
        order = others[np.lexsort((others, self.distances[others], self.representative[others]))]
        found: dict[int, list[int]] = {}
        for row, kept in zip(order.tolist(), self.representative[order].tolist(), strict=True):
            found.setdefault(kept, []).append(row)
        return found

    def write(
        self, path: str | PathLike[str] | BinaryIO, *, data: Any = None, force: bool = False
    ) -> None:
        """Write the records that are kept, in the order and format of the input, to a new file.

        Args:
            path: the output, or a binary stream. Another suffix than the input's converts.
            data: the data set, when this was loaded from a file and the input is no longer
                where it was.
            force: overwrite an existing output.

        Raises:
            OutputExistsError: the output exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself; nothing is left
                half-written.
        """
        self._write(path, self.indices, data=data, force=force)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON values; nan is null."""
        return {
            "indices": self.indices.tolist(),
            "representative": self.representative.tolist(),
            "distances": [finite_or_none(distance) for distance in self.distances.tolist()],
            "min_distance": self.min_distance,
            "duplicates": [list(group) for group in self.duplicates],
            "provenance": self.provenance,
        }

    def summary(self) -> dict[str, Any]:
        """What became of the rows, in numbers, as plain JSON values."""
        return {
            "rows": len(self.representative),
            "kept": len(self),
            "merged": self.merged,
            "exact_duplicates": self.exact_duplicates,
            "min_distance": self.min_distance,
            "largest_group": max(map(len, self.groups.values()), default=0),
            "provenance": self.provenance,
        }

    @classmethod
    def _from_document(cls, document: dict[str, Any], name: str) -> Deduplication:
        try:
            indices = np.array(document["indices"], np.int64)
            representative = np.array(document["representative"], np.int64)
            distances = np.array(document["distances"], float)  # null becomes nan
            min_distance = float(document["min_distance"])
            duplicates = [[int(row) for row in group] for group in document["duplicates"]]
            provenance = dict(document["provenance"])
            rows = int(provenance["input"]["rows"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ManifestError(f"{name} is damaged: {error!r}.") from None
        everyone = np.arange(rows)
        sound = (
            indices.ndim == 1
            and representative.shape == distances.shape == (rows,)
            and np.array_equal(indices, everyone[representative == everyone])
            and np.isin(representative[representative != -1], indices).all()
        )
        if not sound:
            raise ManifestError(
                f"{name} is damaged: its rows are not {rows} rows that each have one that "
                "stands for them."
            )
        return cls(indices, representative, distances, min_distance, duplicates, provenance)
