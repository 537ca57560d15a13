"""Reject or drop rows that have no usable text or vector."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from evenly.errors import EmptyPoolError, TextError, VectorError
from evenly.geometry import LARGEST, DistanceMatrix, row_lengths
from evenly.memory import free_memory
from evenly.options import OnInvalid
from evenly.samples import Samples
from evenly.shapes import Bool, Float
from evenly.tables import count

log = logging.getLogger("evenly")
_SHOWN = 5


class DroppedRows:
    """The rows of a data set that are dropped, with the reasons.

    Attributes:
        dropped: row number -> why it can never be chosen.
        eligible: (n,) whether a row can be chosen.
    """

    def __init__(self, samples: Samples, on_invalid: OnInvalid) -> None:
        self.dropped: dict[int, str] = {}
        self.eligible = np.ones(len(samples), bool)
        self._samples = samples
        self._on_invalid = on_invalid

    def drop(
        self, reasons: Mapping[int, str], error: type[TextError] | type[VectorError], what: str
    ) -> None:
        """Drop rows, or raise the error that they have no usable text or vector (`what`).

        Raises:
            EmptyPoolError: no row is left.
        """
        if not reasons:
            return
        samples, rows = self._samples, len(self._samples)
        examples = self._examples(reasons)
        if self._on_invalid != "drop":
            have = "has" if len(reasons) == 1 else "have"
            raise error(
                f"{len(reasons)} of {count(rows, 'row')} {have} no usable {what}: {examples}. "
                "Correct "
                'these rows, or leave them out with on_invalid="drop" (on the command line: '
                "--on-invalid drop)."
            )
        log.warning(
            "%d of %s dropped for their %s: %s", len(reasons), count(rows, "row"), what, examples
        )
        self.dropped.update(reasons)
        self.eligible[list(reasons)] = False
        if not self.eligible.any():
            raise EmptyPoolError(
                f"none of the {count(rows, 'row')} of {samples.origin} can be used: "
                + self._examples(self.dropped)
            )

    def _examples(self, reasons: Mapping[int, str]) -> str:
        shown = [f"{self._samples.locate(row)} {reasons[row]}" for row in sorted(reasons)[:_SHOWN]]
        more = len(reasons) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more else "")


def check_lengths(
    vectors: np.ndarray[Any, Any], eligible: Bool[np.ndarray, " n"], *, normalize: bool
) -> tuple[Float[np.ndarray, " n"], dict[int, str]]:
    """Return the lengths of all rows, and the eligible rows that cannot be points, with reasons."""
    if vectors.shape[1] == 0:
        return np.zeros(len(vectors)), {}
    lengths = row_lengths(vectors)
    longest = lengths.max(initial=0.0)
    return lengths, unusable_rows(vectors, lengths, eligible, normalize=normalize, longest=longest)


def unusable_rows(
    vectors: Any,
    lengths: Float[np.ndarray, " n"],
    eligible: Bool[np.ndarray, " n"],
    *,
    normalize: bool,
    longest: float,
) -> dict[int, str]:
    """Return the eligible rows that cannot be points, with reasons.

    `longest` is the length of the longest row of the data, of which these may be a part.
    """
    unusable: dict[int, str] = {}
    suspicious = ~(lengths <= LARGEST)
    if normalize or not longest >= 1 / LARGEST:
        # Too short to divide by, or all so short that no squared distance is above 0.
        suspicious |= (lengths < 1 / LARGEST) & (normalize | (lengths > 0))
    for row in np.flatnonzero(suspicious & eligible).tolist():
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
    return unusable


def holds_texts(samples: Samples) -> VectorError:
    """Return the error that there are texts instead of distances."""
    return VectorError(
        f'{samples.origin} holds texts; engine="distances" needs a matrix of distances (n, n).'
    )


def check_distances(samples: Samples, eligible: Bool[np.ndarray, " n"]) -> DistanceMatrix:
    """Return the data as the distances of every row to every other, without rounding errors.

    Raises:
        VectorError: the data are texts, or not distances; the message names row and column.
    """
    if samples.vectors is None:
        raise holds_texts(samples)
    matrix = DistanceMatrix(samples.vectors, eligible)
    fault = matrix.fault()
    if fault is None:
        return matrix
    fits = matrix.matrix.nbytes < free_memory() / 2
    rounded = matrix.without_rounding_errors() if fits else None
    if rounded is None:
        raise VectorError(f"{samples.origin} {fault}.")
    log.info("%s %s; this is within rounding, and corrected.", samples.origin, fault)
    return rounded
