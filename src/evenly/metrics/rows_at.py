"""`rows_at`: how many rows of a pool can be chosen at a given h_min."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, Literal

from evenly.geometry import DistanceMatrix
from evenly.inputs.prepare import prepare
from evenly.metrics.certificate import UpperBounds
from evenly.metrics.curve import Curve
from evenly.options import (
    DEFAULT_ENCODER,
    InputOptions,
    OnInvalid,
    TextColumns,
    checks,
    documented,
)
from evenly.tables import count, html_table


@dataclass(frozen=True)
class RowsAt:
    """How many rows can be chosen with no two closer than h_min.

    Attributes:
        h_min: the requested smallest distance; Euclidean, not squared.
        at_least: number of rows that farthest-first picks.
        at_most: number of rows that no choice can exceed; proven in docs/theory.md.
        pool_size: number of usable rows in the input.
    """

    h_min: float
    at_least: int
    at_most: int
    pool_size: int

    def _repr_html_(self) -> str:
        lines = [("at least", f"{self.at_least:,}"), ("at most", f"{self.at_most:,}")]
        pool = count(self.pool_size, "row")
        return html_table(f"Rows at an h_min of {self.h_min:g}, of {pool}", lines)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@documented(InputOptions)
def rows_at(
    data_or_vectors: Any,
    h_min: float,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool = True,
    on_invalid: OnInvalid = "error",
    engine: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> RowsAt:
    """Bound how many rows of a data set can be chosen with no two closer than `h_min`.

    The radii of a farthest-first run give the lower bound; the bounds behind
    `measure(...).upper_bound` give the upper one.

    Args:
        data_or_vectors: what rows would be selected from, in any form that `select_uniform`
            accepts.
        h_min: Euclidean distance above 0; for rows of length one, √(2·cosine distance).
        engine: as in `measure`.

    Returns:
        RowsAt: `at_least` and `at_most`.

    Raises:
        OptionError: `h_min` is not a number above 0.

    Cost: that of selecting `at_least` rows and clustering the pool; see `measure`. For vectors
        on disk or a matrix of distances, that of selecting every row down to a radius of
        h_min / 2.
    """
    arguments = locals()
    checks.number("a distance above 0", above=0.0)("h_min", h_min)
    prepared = prepare(data_or_vectors, InputOptions.of(arguments))
    points = prepared.points
    has_packing_bound = not isinstance(points, DistanceMatrix) and points.in_memory
    # Without it, balls of radius h_min / 2 give the upper bound.
    smallest_radius = float(h_min) if has_packing_bound else h_min / 2.0 * (1.0 - 1e-6)
    curve = Curve.down_to(points, smallest_radius, progress=progress)
    upper_bounds = UpperBounds(points, len(curve.radii), known_curve=curve)
    at_least = curve.rows_at(h_min)
    # Rounding must not put the upper bound below rows that were found.
    at_most = max(at_least, upper_bounds.most_rows(h_min))
    return RowsAt(float(h_min), at_least, at_most, curve.pool_size)
