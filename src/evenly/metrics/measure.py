"""`measure`: how evenly a subset is spread, beside random subsets of the same size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm import tqdm

from evenly.errors import OptionError, RowError
from evenly.geometry import DistanceMatrix, Points, nearest_chosen
from evenly.inputs.checks import OnInvalid
from evenly.inputs.prepare import PreparedData, TextColumns, prepare
from evenly.metrics.certificate import certified_fraction
from evenly.metrics.diversity import Diversity
from evenly.metrics.pool_stats import PoolStats
from evenly.metrics.theory import Theory
from evenly.options import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Int

    from evenly.metrics.curve import Curve

__all__ = [
    "Certificate",
    "Measures",
    "RandomMeasures",
    "certified",
    "check_certificate",
    "measure",
    "measure_prepared",
    "measure_rows",
    "pool_stats",
    "random_rows",
    "row_numbers",
]

Certificate = bool | Literal["thorough"]
"""Whether h_min is bounded from above, and whether time is taken for it."""

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
        singleton_share: share of the subset's rows that are the nearest chosen row of no row that
            was left out: they stand for themselves only.
        upper_bound: no subset of this size has a larger h_min; None where none was asked for, inf
            for a single row.
        certified_fraction: h_min / upper_bound: the subset has at least this part of the best
            possible h_min; 1 means that it is the best. None where no bound was asked for.
        bounds: name -> each bound that was found; upper_bound is the smallest. See
            docs/theory.md.
        theory: what the pool is like, for a subset of this size; None unless `details`.
        diversity: measures of others; None unless `details`.
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
    singleton_share: float
    random: RandomMeasures | None
    upper_bound: float | None = None
    certified_fraction: float | None = None
    bounds: dict[str, float] = field(default_factory=dict)
    theory: Theory | None = None
    diversity: Diversity | None = None
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
    certificate: Certificate = True,
    details: bool = False,
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
        certificate: find an upper bound on the h_min of any subset of this size. It takes a
            farthest-first run of the pool and clusters of its rows: a few seconds, or as long as
            the rest. "thorough" takes larger clusters, and longer, for a sharper bound.
        details: also `theory` (intrinsic dimension, expected h_min of random subsets, radii
            curve) and `diversity` (uniformity, Vendi score, Riesz energy and others).
        seed: of the first random subset, and of the rows that estimates are made from.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        Measures: exact, whatever the size; never more than a block of distances in memory.

    Raises:
        RowError: a row number is not in the data, is named twice, or cannot be used.

    Cost: (1 + random_subsets)·n·k·d multiplications, as matrix products. The certificate takes
        another n·k·d at most for its run, and about as many for its clusters as all others
        together, or 2e11 where that is more; memory of 0.5 to 1 kB a row. Details take n·1024·d
        and k²·d.
    """
    random_subsets = whole_number("random_subsets", random_subsets, least=0)
    seed = whole_number("seed", seed, least=0)
    check_certificate(certificate)
    prepared = prepare(
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
    chosen = row_numbers(prepared, indices)
    return measure_prepared(
        prepared,
        chosen,
        random_subsets=random_subsets,
        certificate=certificate,
        details=details,
        seed=seed,
        progress=progress,
    )


def check_certificate(certificate: Any) -> None:
    """Refuse what `certificate` cannot be.

    Raises:
        OptionError: neither True, False nor "thorough".
    """
    if not (isinstance(certificate, bool) or certificate == "thorough"):
        raise OptionError(f'certificate must be True, False or "thorough", got {certificate!r}.')


def pool_stats(
    points: Points | DistanceMatrix,
    size: int,
    *,
    subsets: int,
    certificate: Certificate,
    seed: int,
    curve: Curve | None = None,
    progress: bool | None = None,
) -> PoolStats:
    """PoolStats of a pool of which `subsets` subsets of up to `size` rows are measured."""
    multiplications = 2.0 * subsets * size * np.count_nonzero(points.eligible) * points.dimension
    work = inf if certificate == "thorough" else multiplications
    return PoolStats(points, size, seed=seed, work=work, curve=curve, progress=progress)


def measure_prepared(
    prepared: PreparedData,
    chosen: Int[np.ndarray, " k"],
    *,
    random_subsets: int,
    certificate: Certificate = True,
    details: bool = False,
    seed: int = 0,
    curve: Curve | None = None,
    known: dict[str, float] | None = None,
    progress: bool | None = None,
) -> Measures:
    """`measure` for a data set that has been taken in already.

    `curve` is that of a plain farthest-first run over it to as many rows or more, where there is
    one already; `known` are bounds on the h_min of so many rows, by name.
    """
    began = perf_counter()
    eligible = np.flatnonzero(prepared.points.eligible)
    stats = pool_stats(
        prepared.points,
        len(chosen),
        subsets=1 + random_subsets,
        certificate=certificate,
        seed=seed,
        curve=curve,
        progress=progress,
    )
    with tqdm(
        total=(1 + random_subsets) * len(eligible),
        desc="measuring",
        unit="row",
        disable=None if progress is None else not progress,
    ) as bar:
        measures = _measure(prepared.points, chosen, bar.update)
        others = [
            _measure(prepared.points, random_rows(eligible, len(chosen), seed + draw), bar.update)
            for draw in range(random_subsets)
        ]
    measures = _with_stats(
        measures, stats, chosen, certificate=certificate, details=details, known=known
    )
    random = None
    if others:
        random = RandomMeasures(
            subsets=random_subsets,
            h_min=Spread.of([other.h_min for other in others]),
            coverage_radius=Spread.of([other.coverage_radius for other in others]),
            mean_distance=Spread.of([other.mean_distance for other in others]),
        )
    return replace(measures, random=random, seconds=perf_counter() - began)


def random_rows(eligible: Int[np.ndarray, " n"], size: int, seed: int) -> Int[np.ndarray, " k"]:
    """`size` of the candidates, ascending."""
    return np.sort(np.random.default_rng(seed).choice(eligible, size, replace=False))


def measure_rows(
    stats: PoolStats, chosen: Int[np.ndarray, " k"], *, certificate: Certificate, details: bool
) -> Measures:
    """`Measures` of some rows of a pool, without random subsets."""
    began = perf_counter()
    measures = _measure(stats.points, chosen, lambda _: None)
    measures = _with_stats(measures, stats, chosen, certificate=certificate, details=details)
    return replace(measures, seconds=perf_counter() - began)


def certified(measures: Measures, bounds: dict[str, float]) -> Measures:
    """Measures with the bounds on the h_min of subsets of this size."""
    upper = min(bounds.values(), default=inf)
    fraction = certified_fraction(measures.h_min, upper)
    return replace(measures, upper_bound=upper, certified_fraction=fraction, bounds=bounds)


def _with_stats(
    measures: Measures,
    stats: PoolStats,
    chosen: Int[np.ndarray, " k"],
    *,
    certificate: Certificate,
    details: bool,
    known: dict[str, float] | None = None,
) -> Measures:
    if certificate:
        bounds = dict(known or {})
        # Where it is known that nothing is better, no other bound need be found.
        if min(bounds.values(), default=inf) > measures.h_min * (1.0 + 1e-9):
            bounds |= stats.upper_bounds.bounds(len(chosen), measures.h_min)
        measures = certified(measures, bounds)
    if details:
        theory = Theory.of(stats.dimension, stats.pairs, stats.upper_bounds.curve, len(chosen))
        diversity = Diversity.of(
            stats.points, chosen, stats.clusters, stats.pairs.median / 2.0, stats.seed
        )
        measures = replace(measures, theory=theory, diversity=diversity)
    return measures


def _measure(
    points: Points | DistanceMatrix,
    chosen: Int[np.ndarray, " k"],
    progress: Callable[[int], object],
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
        singleton_share=1.0 - len(np.unique(found.nearest[~found.chosen])) / len(chosen),
        random=None,
    )


def row_numbers(prepared: PreparedData, indices: Any) -> Int[np.ndarray, " k"]:
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
    outside = rows[(rows < 0) | (rows >= len(prepared))]
    if len(outside):
        raise RowError(f"row numbers go from 0 to {len(prepared) - 1}, got {outside[0]}.")
    values, counts = np.unique(rows, return_counts=True)
    if len(values) < len(rows):
        raise RowError(
            f"row {values[counts > 1][0]} is named {counts.max()} times; once is allowed."
        )
    for row in rows[~prepared.points.eligible[rows]].tolist():
        raise RowError(
            f"row {row} cannot be used: {prepared.samples.locate(row)} {prepared.dropped[row]}."
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
