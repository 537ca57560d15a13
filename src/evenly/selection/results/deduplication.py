"""The result of removing duplicates: the rows that are kept, and which row represents which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, BinaryIO, ClassVar

import numpy as np
from typing_extensions import Self

from evenly.errors import ManifestError
from evenly.samples import Samples
from evenly.selection.results.base import Order, Result, finite_or_none
from evenly.selection.results.codec import Codec
from evenly.selection.results.provenance import Provenance
from evenly.shapes import Float, Int
from evenly.tables import count


@dataclass(frozen=True, eq=False)
class Deduplication(Result):
    """The rows that are kept, and for every other row the kept row that represents it.

    Attributes:
        indices: (k,) row numbers of the kept rows, ascending.
        representative: (n,) for every row of the input the kept row nearest to it, the smallest
            row number of several; a kept row represents itself. -1 for a dropped row.
        distances: (n,) Euclidean distance (not squared) to it: 0 for a kept row and for an exact
            duplicate, below `min_distance` for any other; nan for a dropped row.
        min_distance: the smallest distance allowed between two kept rows; 0 merges only rows at
            distance 0.
        duplicates: groups of equal rows, with the same text or the same numbers; each begins
            with the row that came first in the order of `keep`.
        provenance: versions, options and input, like that of a Selection.
    """

    codec: ClassVar[Codec] = Codec(
        "evenly deduplication", 2, "a saved deduplication", ManifestError
    )
    noun: ClassVar[str] = "deduplication"

    indices: Int[np.ndarray, " k"]
    representative: Int[np.ndarray, " n"]
    distances: Float[np.ndarray, " n"]
    min_distance: float
    duplicates: Sequence[list[int]]
    provenance: Provenance
    samples: Samples | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for array in (self.indices, self.representative, self.distances):
            array.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"Deduplication({len(self)} of {len(self.representative)} rows kept, "
            f"{self.merged} merged, min_distance={self.min_distance:.6g})"
        )

    def _numbers(self) -> list[tuple[str, str]]:
        return [
            ("merged", count(self.merged, "row")),
            ("exact duplicates", count(self.exact_duplicates, "row")),
            ("min_distance", f"{self.min_distance:.6g}"),
        ]

    @property
    def merged(self) -> int:
        """The number of rows that another row represents."""
        return int(np.count_nonzero(self.representative >= 0)) - len(self)

    @property
    def exact_duplicates(self) -> int:
        """The number of rows that repeat another row exactly."""
        return sum(len(group) - 1 for group in self.duplicates)

    @cached_property
    def groups(self) -> dict[int, list[int]]:
        """Kept row -> the other rows that it represents, if any, the nearest first."""
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
        """Write the kept records, in the order and format of the input, to a new file.

        Args:
            path: the output, or a binary stream. A suffix other than the input's converts them.
            data: the data set, if this was loaded from a file and the input is no longer where
                it was.
            force: overwrite an existing output.

        Raises:
            OutputExistsError: the output exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself; nothing is left
                half-written.
        """
        self._write(path, "file", data=data, force=force)

    def _written(self, order: Order, data: Any) -> tuple[Samples, Int[np.ndarray, " k"]]:
        return self.samples_again(data), self.indices

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the records as plain JSON values; nan becomes None."""
        return {
            "indices": self.indices.tolist(),
            "representative": self.representative.tolist(),
            "distances": [finite_or_none(distance) for distance in self.distances.tolist()],
            "min_distance": self.min_distance,
            "duplicates": [list(group) for group in self.duplicates],
            "provenance": self.provenance.as_dict(),
        }

    def summary(self) -> dict[str, Any]:
        """Return the numbers of rows that were kept and merged, as plain JSON values."""
        return {
            "rows": len(self.representative),
            "kept": len(self),
            "merged": self.merged,
            "exact_duplicates": self.exact_duplicates,
            "min_distance": self.min_distance,
            "largest_group": max(map(len, self.groups.values()), default=0),
            "provenance": self.provenance.as_dict(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any], name: str) -> Self:
        """Return the deduplication in a document that was read from the file `name`."""
        indices = np.array(document["indices"], np.int64)
        representative = np.array(document["representative"], np.int64)
        distances = np.array(document["distances"], float)  # None becomes nan
        duplicates = [[int(row) for row in group] for group in document["duplicates"]]
        provenance = Provenance.from_dict(document["provenance"])
        rows = provenance.input.rows
        everyone = np.arange(rows)
        sound = (
            indices.ndim == 1
            and representative.shape == distances.shape == (rows,)
            and np.array_equal(indices, everyone[representative == everyone])
            and np.isin(representative[representative != -1], indices).all()
        )
        if not sound:
            raise ManifestError(
                f"{name} is damaged: it does not give each of the {rows} rows a kept row that "
                "represents it."
            )
        min_distance = float(document["min_distance"])
        return cls(indices, representative, distances, min_distance, duplicates, provenance)
