"""Reject rows that have no usable text or vector."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evenly.errors import EmptyPoolError, TextError, VectorError
from evenly.geometry import LARGEST, DistanceMatrix, row_lengths
from evenly.samples import Samples

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

__all__ = ["OnInvalid"]


log = logging.getLogger("evenly")


OnInvalid = Literal["error", "drop"]


_SHOWN = 5


def _distance_matrix_of(samples: Samples, eligible: Bool[np.ndarray, " n"]) -> DistanceMatrix:
    """The data as distances of every row to every other.

    Raises:
        VectorError: they are texts, or no distances; the message names row and column.
    """
    if samples.vectors is None:
        raise VectorError(
            f'{samples.origin} holds texts; engine="distances" needs a matrix of distances (n, n).'
        )
    metric = DistanceMatrix(samples.vectors, eligible)
    fault = metric.fault()
    if fault is not None:
        raise VectorError(f"{samples.origin} {fault}.")
    return metric


def _spread(
    vectors: Float[np.ndarray, "m d"], rows: list[int], count: int
) -> Float[np.ndarray, "n d"]:
    """Vectors of some rows as vectors of all, zeros where there is none."""
    if len(rows) == count:
        return vectors
    spread = np.zeros((count, vectors.shape[1]), vectors.dtype)
    spread[rows] = vectors
    return spread


def _check_vectors(
    vectors: np.ndarray[Any, Any], dropped: dict[int, str], *, normalize: bool
) -> tuple[Float[np.ndarray, " n"], dict[int, str]]:
    """Lengths of all rows, and the rows that cannot be points, with the reason."""
    unusable: dict[int, str] = {}
    if vectors.shape[1] == 0:
        return np.zeros(len(vectors)), unusable
    lengths = row_lengths(vectors)
    suspicious = ~(lengths <= LARGEST)
    if normalize or not lengths.max(initial=0.0) >= 1 / LARGEST:
        # Too short to be divided by, or all so short that no squared distance is above 0.
        suspicious |= (lengths < 1 / LARGEST) & (normalize | (lengths > 0))
    for row in np.flatnonzero(suspicious).tolist():
        if row in dropped:
            continue
        bad = np.flatnonzero(~np.isfinite(vectors[row]))
        if len(bad):
            unusable[row] = f"coordinate {bad[0]} is {vectors[row][bad[0]]}"
        elif not np.any(vectors[row]):
            unusable[row] = "is a zero vector, which has no direction to normalise"
        else:
            unusable[row] = (
                f"has no coordinate beyond {np.abs(vectors[row]).max():.3g}, which float64 cannot "
                f"square; lengths from {1 / LARGEST:.0e} to {LARGEST:.0e} are allowed: scale the "
                "vectors"
            )
    return lengths, unusable


def _refuse_empty(samples: Samples, dropped: dict[int, str]) -> None:
    if len(dropped) == len(samples):
        raise EmptyPoolError(
            f"none of the {len(samples)} rows of {samples.origin} can be used: "
            + _examples(samples, dropped)
        )


def _refuse(
    samples: Samples,
    invalid: dict[int, str],
    on_invalid: OnInvalid,
    error: type[TextError] | type[VectorError],
    what: str,
) -> None:
    if not invalid:
        return
    if on_invalid == "drop":
        log.warning(
            "%d of %d rows dropped for their %s: %s",
            len(invalid),
            len(samples),
            what,
            _examples(samples, invalid),
        )
        return
    raise error(
        f"{len(invalid)} of {len(samples)} rows have no usable {what}: "
        f"{_examples(samples, invalid)}. Mend them, or leave such rows out with "
        'on_invalid="drop" (on the command line: --on-invalid drop).'
    )


def _examples(samples: Samples, invalid: dict[int, str]) -> str:
    shown = [f"{samples.locate(row)} {invalid[row]}" for row in sorted(invalid)[:_SHOWN]]
    more = len(invalid) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
