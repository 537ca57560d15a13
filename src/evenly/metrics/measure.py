"""`measure`: how evenly a subset is spread, beside random subsets of the same size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm import tqdm

from evenly.errors import RowError
from evenly.geometry import Metric, Points, nearest_chosen
from evenly.intake import Intake, OnInvalid, TextColumns, take_in, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Int

__all__ = ["Measures", "RandomMeasures", "measure", "measure_intake", "row_numbers"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over random subsets."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sample statistics; the deviation of a single value, or of infinities, is 0."""
        varies = len(values) > 1 and np.isfinite(values).all()
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) if varies else 0.0)


@dataclass(frozen=True)
class RandomMeasures:
    """The same numbers for random subsets of the same size, drawn without replacement.

    Attributes:
        subsets: how many were drawn, with seeds seed, seed + 1, …
        h_min, coverage_radius, mean_distance: over those subsets.
    """

    subsets: int
    h_min: Spread
    coverage_radius: Spread
    mean_distance: Spread


@dataclass(frozen=True)
class Measures:
    """How evenly a subset is spread. All distances are Euclidean, none is squared.

    Attributes:
        pool_size: usable rows of the input.
        size: rows of the subset.
        h_min: smallest distance between two rows of the subset (twice the separation radius);
            inf for a single row.
        closest_pair: two row numbers that attain it, of several pairs the first; None for a
            single row.
        coverage_radius: largest distance from a usable row to the nearest chosen one (fill
            distance).
        farthest_row: a row that attains it; of several the first.
        mesh_ratio: coverage_radius / h_min; inf when h_min is 0.
        mean_distance: mean over all usable rows of the distance to the nearest chosen one.
        distance_quantiles: quantile -> that distance.
        mean_neighbour_distance: mean over the subset of the distance to the nearest other row
            of the subset.
        neighbour_quantiles: quantile -> that distance.
        duplicates: rows of the subset that coincide with another row of it.
        random: the same for random subsets of the same size; None when none were asked for.
        seconds: wall time of measuring, random subsets included.
    """

    pool_size: int
    size: int
    h_min: float
    closest_pair: tuple[int, int] | None
    coverage_radius: float
    farthest_row: int
    mesh_ratio: float
    mean_distance: float
    distance_quantiles: dict[float, float]
    mean_neighbour_distance: float
    neighbour_quantiles: dict[float, float]
    duplicates: int
    random: RandomMeasures | None
    seconds: float = field(default=0.0, compare=False)

    @property
    def random_h_min(self) -> float | None:
        """Mean h_min of random subsets of the same size; None when none were drawn."""
        return None if self.random is None else self.random.h_min.mean

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values; an infinite number is null."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def measure(
    data_or_vectors: Any,
    indices: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool = True,
    on_invalid: OnInvalid = "error",
    engine: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    random_subsets: int = 5,
    seed: int = 0,
    progress: bool | None = None,
) -> Measures:
    """Measure how evenly the rows `indices` of a data set are spread.

    Args:
        data_or_vectors: what was selected from, as `select_uniform` takes it.
        indices: (k,) distinct row numbers, or a `Selection`.
        text, roles, encoder, encoder_options, device, normalize, on_invalid, cache_dir: as in
            `select_uniform`. Use the same, or the distances are of another space.
        engine: "distances" where the data are a matrix of distances.
        random_subsets: how many random subsets of the same size to measure beside it; 0 for
            none.
        seed: of the first random subset.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        Measures: exact, whatever the size; never more than a block of distances in memory.

    Raises:
        RowError: a row number is not in the data, is named twice, or cannot be used.

    Cost: (1 + random_subsets)·n·k·d multiplications, as matrix products.
    """
    random_subsets = whole_number("random_subsets", random_subsets, least=0)
    seed = whole_number("seed", seed, least=0)
    intake = take_in(
        data_or_vectors,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        device=device,
        normalize=normalize,
        on_invalid=on_invalid,
        engine=engine,
        cache_dir=cache_dir,
        progress=progress,
    )
    chosen = row_numbers(intake, indices)
    return measure_intake(
        intake, chosen, random_subsets=random_subsets, seed=seed, progress=progress
    )


def measure_intake(
    intake: Intake,
    chosen: Int[np.ndarray, " k"],
    *,
    random_subsets: int,
    seed: int = 0,
    progress: bool | None = None,
) -> Measures:
    """`measure` for a data set that has been taken in already."""
    began = perf_counter()
    candidates = np.flatnonzero(intake.points.candidates)
    with tqdm(
        total=(1 + random_subsets) * len(candidates),
        desc="measuring",
        unit="row",
        disable=None if progress is None else not progress,
    ) as bar:
        measures = _measure(intake.points, chosen, bar.update)
        others = [
            _measure(
                intake.points,
                np.sort(np.random.default_rng(seed + draw).choice(candidates, len(chosen), False)),
                bar.update,
            )
            for draw in range(random_subsets)
        ]
    random = None
    if others:
        random = RandomMeasures(
            subsets=random_subsets,
            h_min=Spread.of([other.h_min for other in others]),
            coverage_radius=Spread.of([other.coverage_radius for other in others]),
            mean_distance=Spread.of([other.mean_distance for other in others]),
        )
    return replace(measures, random=random, seconds=perf_counter() - began)


def _measure(
    points: Points | Metric, chosen: Int[np.ndarray, " k"], progress: Callable[[int], object]
) -> Measures:
    found = nearest_chosen(points, chosen, progress=progress)
    # A chosen row is reached by itself; its neighbours are the other chosen rows.
    reached = np.where(found.chosen, 0.0, found.distances)
    inside = found.distances[found.chosen]
    closest = int(np.flatnonzero(found.chosen)[np.argmin(inside)])
    h_min = float(found.distances[closest])
    farthest = int(np.argmax(reached))
    coverage_radius = float(reached[farthest])
    pair = (int(found.rows[closest]), int(found.nearest[closest]))
    return Measures(
        pool_size=len(found.rows),
        size=len(chosen),
        h_min=h_min,
        closest_pair=pair if len(chosen) > 1 else None,
        coverage_radius=coverage_radius,
        farthest_row=int(found.rows[farthest]),
        mesh_ratio=coverage_radius / h_min if h_min > 0 else float("inf"),
        mean_distance=float(reached.mean()),
        distance_quantiles=_quantiles(reached),
        mean_neighbour_distance=float(inside.mean()),
        neighbour_quantiles=_quantiles(inside),
        duplicates=int(np.count_nonzero(inside == 0.0)),
        random=None,
    )


def row_numbers(intake: Intake, indices: Any) -> Int[np.ndarray, " k"]:
    """`indices`, or those of a selection, as an array of distinct, usable row numbers."""
    # Tensors have a method of that name.
    if not hasattr(indices, "__array__"):
        indices = getattr(indices, "indices", indices)
    try:
        rows = np.asarray(indices)
    except ValueError as error:
        raise RowError(f"indices must be a sequence of row numbers: {error}.") from None
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise RowError(
            "indices must be a non-empty sequence of row numbers (or a Selection), got "
            f"{type(indices).__name__} with shape {rows.shape} and dtype {rows.dtype}."
        )
    rows = rows.astype(np.int64)
    outside = rows[(rows < 0) | (rows >= len(intake))]
    if len(outside):
        raise RowError(f"row numbers go from 0 to {len(intake) - 1}, got {outside[0]}.")
    values, counts = np.unique(rows, return_counts=True)
    if len(values) < len(rows):
        raise RowError(
            f"row {values[counts > 1][0]} is named {counts.max()} times; once is allowed."
        )
    for row in rows[~intake.points.candidates[rows]].tolist():
        raise RowError(
            f"row {row} cannot be used: {intake.samples.locate(row)} {intake.dropped[row]}."
        )
    return rows


def _quantiles(values: np.ndarray[Any, Any]) -> dict[float, float]:
    if not np.isfinite(values).all():  # a single row has no neighbour, so nothing to interpolate
        return dict.fromkeys(QUANTILES, float("inf"))
    return dict(zip(QUANTILES, np.quantile(values, QUANTILES).tolist(), strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
