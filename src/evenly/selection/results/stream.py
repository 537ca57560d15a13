"""What one pass over a stream chooses: rows, their records, and how good they are at least."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import numpy as np

from evenly.errors import ManifestError, OptionError
from evenly.samples import Samples, open_samples
from evenly.selection.results.base import Chosen, check_order, check_picks, finite_or_none

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["StreamSelection"]


@dataclass(frozen=True, eq=False)
class StreamSelection(Chosen):
    """Rows chosen from a stream, in the order picked.

    Attributes:
        indices: (k,) row numbers, counted from 0 as the rows came, in the order picked.
        radii: (k,) Euclidean distance (not squared) of each pick to the nearest earlier pick;
            radii[0] is inf, and none is larger than the one before.
        coverage_bound: no usable row of the stream is farther than this from the nearest chosen
            row. True, and kept account of in the pass; often two or three times too large.
        coverage_radius: the largest such distance itself, from a second pass; None without one.
        h_min_bound: no `budget` rows of the stream have a larger h_min than this.
        records: the chosen records, a list in the order picked; an array (k, d) where the
            stream was of vectors. None when loaded from a file.
        provenance: versions, options, the encoder, how many rows came and were dropped.
    """

    format: ClassVar[str] = "evenly stream selection"
    format_version: ClassVar[int] = 1
    noun: ClassVar[str] = "stream selection"

    indices: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    coverage_bound: float
    coverage_radius: float | None
    h_min_bound: float
    provenance: dict[str, Any]
    records: Any = field(default=None, repr=False)
    samples: Samples | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.indices.flags.writeable = False
        self.radii.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"StreamSelection({len(self)} of {self.provenance['input']['rows']} rows, "
            f"h_min={self.h_min:.6g}, coverage_bound={self.coverage_bound:.6g})"
        )

    @property
    def h_min(self) -> float:
        """Smallest Euclidean distance between two chosen rows; inf for a single row."""
        return float(self.radii[-1])

    def write(
        self,
        path: str | PathLike[str] | BinaryIO,
        *,
        order: Literal["picked", "file"] = "picked",
        force: bool = False,
    ) -> None:
        """Write the chosen records, converted to the format of a new file.

        Args:
            path: the output, or a binary stream, to which JSON Lines are written.
            order: "picked" (farthest first) or "file" (as they came).
            force: overwrite an existing output.

        Raises:
            OutputExistsError: the output exists and `force` is not set.
            OutputError: it cannot be written.
            OptionError: the selection was loaded from a file, which holds no records.
        """
        check_order(order)
        if self.records is None:
            raise OptionError(
                "this stream selection was loaded from a file, which holds row numbers and no "
                "records. Take them from the data: take(data)."
            )
        rows = np.arange(len(self)) if order == "picked" else np.argsort(self.indices)
        open_samples(self.records).write(path, rows, force=force)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON values; an infinite distance is null."""
        return {
            "indices": self.indices.tolist(),
            "radii": [finite_or_none(radius) for radius in self.radii.tolist()],
            "h_min": finite_or_none(self.h_min),
            "coverage_bound": self.coverage_bound,
            "coverage_radius": self.coverage_radius,
            "h_min_bound": finite_or_none(self.h_min_bound),
            "provenance": self.provenance,
        }

    @classmethod
    def _from_document(cls, document: dict[str, Any], name: str) -> StreamSelection:
        def infinite(value: float | None) -> float:
            return np.inf if value is None else float(value)

        try:
            indices = np.array(document["indices"], dtype=np.int64)
            radii = np.array([infinite(radius) for radius in document["radii"]], float)
            provenance = dict(document["provenance"])
            rows = int(provenance["input"]["rows"])
            covered = document["coverage_radius"]
            found = cls(
                indices,
                radii,
                float(document["coverage_bound"]),
                None if covered is None else float(covered),
                infinite(document["h_min_bound"]),
                provenance,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ManifestError(f"{name} is damaged: {error!r}.") from None
        check_picks(name, indices, radii, rows)
        return found
