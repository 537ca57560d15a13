"""`quality=` and `quality_weight=`: better rows count as if they were farther away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import OptionError
from evenly.selection.rules.row_values import numbers_of
from evenly.shapes import Bool, Float, Int

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData

LEAST_WEIGHT = 1e-6
"""The smallest weight of a row, so that one of quality 0 comes last but is not lost."""


def best_first(
    quality: Float[np.ndarray, " n"], usable: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """Return the usable rows by descending quality; ties go to the smaller row number."""
    rows = np.flatnonzero(usable)
    ordered: Int[np.ndarray, " m"] = rows[np.argsort(-quality[rows], kind="stable")]
    return ordered


def weights_of_quality(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    quality: Any,
    quality_weight: float | None,
) -> Float[np.ndarray, " n"] | None:
    """Return the weight that the distances of each row are multiplied by.

    weight_i = max((quality_i / largest quality) ** quality_weight, LEAST_WEIGHT), so that the
    best row counts in full. None without a quality.

    Raises:
        DataError: the quality of a usable row is missing, not finite or negative.
        OptionError: no usable row has a quality above 0.
    """
    if quality is None:
        return None
    found = numbers_of(prepared, "quality", quality)
    largest = found[usable].max()
    if largest == 0:
        raise OptionError("quality is 0 for every usable row, so no row is better than another.")
    exponent = 1.0 if quality_weight is None else float(quality_weight)
    weights: Float[np.ndarray, " n"] = np.clip((found / largest) ** exponent, LEAST_WEIGHT, 1.0)
    return weights
