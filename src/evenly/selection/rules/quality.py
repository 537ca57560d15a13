"""`quality=` and `quality_weight=`: better rows count as farther away."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import OptionError
from evenly.selection.rules.row_values import numbers_of

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from evenly.inputs.prepare import PreparedData

__all__ = ["LEAST_WEIGHT", "check_quality", "weights_of"]


LEAST_WEIGHT = 1e-6
"""No row counts for less, so that one of quality 0 comes last and is not lost."""


def check_quality(quality: Any, quality_weight: Any) -> None:
    """Refuse what can be the weight of no quality.

    Raises:
        OptionError: `quality_weight` is no finite number of at least 0, or without quality.
    """
    if quality_weight is None:
        return
    if quality is None:
        raise OptionError("quality_weight= needs quality=, a column or one number a row.")
    number = isinstance(quality_weight, Real) and not isinstance(quality_weight, bool)
    if not number or not 0 <= float(quality_weight) < np.inf:
        raise OptionError(
            f"quality_weight must be a finite number, 0 or more, got {quality_weight!r}. "
            "0 is as if there were no quality, 1 counts half the quality as half the distance."
        )


def best_first(
    quality: Float[np.ndarray, " n"], usable: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """The usable rows by falling quality; of equal ones the smaller row number first."""
    rows = np.flatnonzero(usable)
    ordered: Int[np.ndarray, " m"] = rows[np.argsort(-quality[rows], kind="stable")]
    return ordered


def weights_of(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    quality: Any,
    quality_weight: float | None,
) -> Float[np.ndarray, " n"] | None:
    """What the distances of each row count for.

    weight_i = max((quality_i / largest quality) ** quality_weight, LEAST_WEIGHT), so that the
    best row counts in full. None where all rows count the same.

    Raises:
        DataError: the quality of a usable row is missing, not finite or negative.
        OptionError: no usable row has a quality above 0.
    """
    if quality is None:
        return None
    found = numbers_of(prepared, "quality", quality)
    largest = found[usable].max()
    if largest == 0:
        raise OptionError("quality is 0 for every usable row, so that none is better than another.")
    exponent = 1.0 if quality_weight is None else float(quality_weight)
    weights = np.clip((found / largest) ** exponent, LEAST_WEIGHT, 1.0)
    return None if (weights[usable] == 1.0).all() else weights
