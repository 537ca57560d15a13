"""The result of one pass over a stream: rows, their records, and bounds on their quality."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Any, BinaryIO, ClassVar

import numpy as np
from typing_extensions import Self

from evenly.errors import ManifestError, OptionError
from evenly.paths import spare_inputs
from evenly.samples import Samples, open_samples
from evenly.selection.results.base import (
    Order,
    Result,
    check_order,
    finite_or_none,
    or_infinite,
    read_picks,
)
from evenly.selection.results.codec import Codec
from evenly.selection.results.provenance import Provenance
from evenly.shapes import Float, Int
from evenly.tables import with_cosine


@dataclass(frozen=True, eq=False)
class StreamSelection(Result):
    """Rows chosen from a stream, in the order picked.

    Attributes:
        indices: (k,) row numbers, counted from 0 in the order of arrival, in the order picked.
        radii: (k,) Euclidean distance (not squared) of each pick to the nearest earlier pick;
            radii[0] is inf, and none is larger than the one before.
        coverage_bound: an upper bound on the distance from any usable row of the stream to the
            nearest chosen row, often two or three times too large.
        coverage_radius: the largest such distance, from a second pass; None without one.
        h_min_bound: an upper bound on the h_min of any `budget` rows of the stream.
        records: the chosen records, a list in the order picked; an array (k, d) if the stream
            was of vectors. None if loaded from a file.
        sources: the files, folders and patterns among the batches; empty if loaded from a file.
        provenance: versions, options and encoder; `details["stream"]` has the numbers of rows
            that were dropped and kept as candidates.
    """

    codec: ClassVar[Codec] = Codec(
        "evenly stream selection", 2, "a saved stream selection", ManifestError
    )
    noun: ClassVar[str] = "stream selection"

    indices: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    coverage_bound: float
    coverage_radius: float | None
    h_min_bound: float
    provenance: Provenance
    records: Any = field(default=None, repr=False)
    samples: Samples | None = field(default=None, repr=False)
    sources: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self.indices.flags.writeable = False
        self.radii.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"StreamSelection({len(self)} of {self.provenance.input.rows} rows, "
            f"h_min={self.h_min:.6g}, coverage_bound={self.coverage_bound:.6g})"
        )

    def _numbers(self) -> list[tuple[str, str]]:
        normalized = bool(self.provenance.options.get("normalize"))
        return [
            ("h_min", with_cosine(self.h_min, normalized=normalized)),
            ("coverage radius", f"at most {self.coverage_bound:.4f}"),
        ]

    @property
    def h_min(self) -> float:
        """Smallest Euclidean distance between two chosen rows; inf for a single row."""
        return float(self.radii[-1])

    def write(
        self, path: str | PathLike[str] | BinaryIO, *, order: Order = "picked", force: bool = False
    ) -> None:
        """Write the chosen records, converted to the format of a new file.

        Args:
            path: the output, or a binary stream, to which JSON Lines are written.
            order: "picked" (farthest first) or "file" (in the order of arrival).
            force: overwrite an existing output.

        Raises:
            OutputExistsError: the output exists and `force` is not set.
            OutputError: it cannot be written.
            OptionError: the selection was loaded from a file, which holds no records.
        """
        check_order(order)
        self._write(path, order, force=force)

    def _written(self, order: Order, data: Any) -> tuple[Samples, Int[np.ndarray, " k"]]:
        if self.records is None:
            raise OptionError(
                "this stream selection was loaded from a file, which holds row numbers but no "
                "records. Take the records from the data: take(data)."
            )
        rows = np.arange(len(self)) if order == "picked" else np.argsort(self.indices)
        return open_samples(self.records), rows

    def spare_inputs(self, output: str | PathLike[str], data: Any = None) -> None:
        """Raise OutputError if `output` is a file of the stream."""
        super().spare_inputs(output, data)
        spare_inputs(output, self.sources)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the records as plain JSON values; infinite distances are None."""
        return {
            "indices": self.indices.tolist(),
            "radii": [finite_or_none(radius) for radius in self.radii.tolist()],
            "h_min": finite_or_none(self.h_min),
            "coverage_bound": self.coverage_bound,
            "coverage_radius": self.coverage_radius,
            "h_min_bound": finite_or_none(self.h_min_bound),
            "provenance": self.provenance.as_dict(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any], name: str) -> Self:
        """Return the selection in a document that was read from the file `name`."""
        covered = document["coverage_radius"]
        provenance = Provenance.from_dict(document["provenance"])
        indices, radii = read_picks(document, provenance.input.rows, name)
        return cls(
            indices,
            radii,
            float(document["coverage_bound"]),
            None if covered is None else float(covered),
            or_infinite(document["h_min_bound"]),
            provenance,
        )
