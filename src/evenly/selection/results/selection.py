"""The data of a selection: which rows, how far apart, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Integral
from os import PathLike
from typing import Any, BinaryIO, ClassVar

import numpy as np
from typing_extensions import Self

from evenly.errors import BudgetError, ManifestError
from evenly.geometry.clustering.cells import NearPicks
from evenly.options.checks import shown
from evenly.samples import Samples
from evenly.selection.results.base import (
    Order,
    Result,
    check_order,
    finite_or_none,
    read_picks,
)
from evenly.selection.results.codec import Codec
from evenly.selection.results.provenance import Provenance
from evenly.shapes import Float, Int
from evenly.tables import count, with_cosine


@dataclass(frozen=True, eq=False, repr=False)
class SelectionData(Result):
    """The rows of a selection in the order picked; it knows nothing of how rows are chosen.

    Users meet `evenly.Selection`, which adds the verbs that need to choose or compare rows.
    """

    codec: ClassVar[Codec] = Codec("evenly selection", 2, "a saved selection", ManifestError)
    noun: ClassVar[str] = "selection"

    indices: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    coverage_radius: float
    provenance: Provenance
    samples: Samples | None = field(default=None, repr=False)
    near: NearPicks | None = field(default=None, repr=False)
    """A pick near every row, as found while rows were chosen; it is not saved."""

    def __post_init__(self) -> None:
        self.indices.flags.writeable = False
        self.radii.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} of {self.provenance.input.rows} rows, "
            f"h_min={self.h_min:.6g}, coverage_radius={self.coverage_radius:.6g})"
        )

    def _numbers(self) -> list[tuple[str, str]]:
        provenance = self.provenance
        normalized = bool(provenance.options.get("normalize"))
        lines = [("h_min", with_cosine(self.h_min, normalized=normalized))]
        if not np.isnan(self.coverage_radius):
            covered = with_cosine(self.coverage_radius, normalized=normalized)
            lines.append(("coverage radius", covered))
        if provenance.rules:
            lines.append(("rules", ", ".join(provenance.rules)))
        if provenance.dropped:
            lines.append(("dropped", count(len(provenance.dropped), "row")))
        return lines

    @property
    def h_min(self) -> float:
        """Smallest Euclidean distance between two chosen rows; inf for a single row.

        If rows were kept away from others (`away_from`), the distances to these count too. For
        normalised rows, h_min**2 / 2 is the smallest cosine distance.
        """
        return float(self.radii.min())

    def prefix(self, budget: int) -> Self:
        """Return the selection for a smaller budget: the first `budget` picks, at no cost.

        Raises:
            BudgetError: the budget is not between 1 and the number of rows, or the first picks
                are not the answer for it.
        """
        self._check_prefix(budget)
        radius = self.coverage_radius
        if budget < len(self):
            known = "weights" not in self.provenance.rules and self.provenance.by_quality is None
            radius = float(self.radii[budget]) if known else float("nan")
        options = {**self.provenance.options, "budget": int(budget)}
        return replace(
            self,
            indices=self.indices[:budget],
            radii=self.radii[:budget],
            coverage_radius=radius,
            provenance=replace(self.provenance, options=options),
        )

    def _check_prefix(self, budget: Any) -> None:
        if isinstance(budget, bool) or not isinstance(budget, Integral):
            raise BudgetError(f"a prefix is a whole number of rows, got {shown(budget)}.")
        if not 1 <= int(budget) <= len(self):
            raise BudgetError(
                f"a prefix has at least 1 row and at most {len(self)} (all of this selection), "
                f"got {shown(budget)}. To choose more, call extend(to)."
            )
        rules, by_quality = self.provenance.rules, self.provenance.by_quality
        reason = None
        if {"quotas", "token_budget"} & set(rules):
            reason = "with quotas or a token budget"
        elif by_quality is not None and "value" in by_quality:
            reason = 'with method="gist"'
        elif "coreset" in self.provenance.details:
            reason = 'with method="coreset"'
        elif self.provenance.refined is not None or self.provenance.filled is not None:
            reason = "in a selection that was refined or filled"
        if reason is not None and int(budget) < len(self):
            raise BudgetError(
                f"{reason}, the first picks are not the answer for a smaller budget: select again."
            )
        included = rules.get("include", {}).get("rows", 0)
        if int(budget) < included:
            raise BudgetError(
                f"include= named {count(included, 'row')}; a prefix of {budget} would leave some "
                "out."
            )

    def write(
        self,
        path: str | PathLike[str] | BinaryIO,
        *,
        data: Any = None,
        order: Order = "picked",
        force: bool = False,
    ) -> None:
        """Write the chosen records, whole and in their own format, to a new file.

        Args:
            path: the output, or a binary stream. A suffix other than the input's converts them.
            data: the data set the selection was made from, if the selection was loaded from a
                file and the input is no longer where it was.
            order: "picked" (farthest first) or "file" (as in the input).
            force: overwrite an existing output.

        Raises:
            OutputExistsError: the output exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself; nothing is left
                half-written.
        """
        check_order(order)
        self._write(path, order, data=data, force=force)

    def _written(self, order: Order, data: Any) -> tuple[Samples, Int[np.ndarray, " k"]]:
        rows = self.indices if order == "picked" else np.sort(self.indices)
        return self.samples_again(data), rows

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the records as plain JSON values; infinite distances are None."""
        return {
            "indices": self.indices.tolist(),
            "radii": [finite_or_none(radius) for radius in self.radii.tolist()],
            "h_min": finite_or_none(self.h_min),
            "coverage_radius": finite_or_none(self.coverage_radius),
            "provenance": self.provenance.as_dict(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any], name: str) -> Self:
        """Return the selection in a document that was read from the file `name`."""
        covered = document["coverage_radius"]
        coverage_radius = float("nan") if covered is None else float(covered)
        provenance = Provenance.from_dict(document["provenance"])
        indices, radii = read_picks(document, provenance.input.rows, name)
        return cls(indices, radii, coverage_radius, provenance)
