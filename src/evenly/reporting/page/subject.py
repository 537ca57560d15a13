"""What a page is about: a subset of a data set, measured, with the nearest chosen row of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite, sqrt

import numpy as np

from evenly.geometry.search.nearest_chosen import Nearest
from evenly.inputs.prepare import PreparedData
from evenly.metrics import Measures
from evenly.reporting.page.texts import RowTexts
from evenly.selection.results.base import Result
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.selection import SelectionData
from evenly.shapes import Bool, Float, Int

# Rows of length 1 with a larger cosine similarity say nearly the same.
_NEAR_DUPLICATE = 0.95


@dataclass(frozen=True, eq=False)
class Subject:
    """A subset of a data set.

    Attributes:
        result: what chose it.
        prepared: the data set.
        found: the nearest chosen row of every usable row.
        measures: how evenly it is spread.
        manifest: the file that `result` was read from or written to; None for none.
    """

    result: Result
    prepared: PreparedData
    found: Nearest
    measures: Measures
    manifest: str | None = None

    @property
    def chosen(self) -> Int[np.ndarray, " k"]:
        """The chosen rows, in the order picked."""
        return self.result.indices

    @property
    def noun(self) -> str:
        """What became of a row in the subset: "chosen" or "kept"."""
        return "kept" if isinstance(self.result, Deduplication) else "chosen"

    @cached_property
    def texts(self) -> RowTexts:
        """The texts of its rows, if they have some."""
        return RowTexts(self.prepared)

    @cached_property
    def radii(self) -> Float[np.ndarray, " k"] | None:
        """The radii of the picks; None if rows were not picked one after another."""
        return self.result.radii if isinstance(self.result, SelectionData) else None

    @cached_property
    def near_distance(self) -> float:
        """A row left out that is nearer than this to a chosen row is a near-duplicate of it."""
        if isinstance(self.result, Deduplication):
            return self.result.min_distance
        half = self.measures.h_min / 2.0
        half = half if isfinite(half) else 0.0
        if not self.measures.normalized:
            return half
        return min(half, sqrt(2.0 - 2.0 * _NEAR_DUPLICATE))

    @cached_property
    def near(self) -> Bool[np.ndarray, " m"]:
        """Whether each of `found.rows` is a near-duplicate of a chosen row."""
        distances = self.found.distances
        near: Bool[np.ndarray, " m"] = distances < self.near_distance
        near |= distances == 0.0
        near &= ~self.found.chosen
        return near
