"""`measure`: how evenly a subset is spread, compared with random subsets of the same size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evenly.distributed.gathering import gathered
from evenly.geometry import DistanceMatrix, Points
from evenly.geometry.screening.tuning import SHARE_COMPARED
from evenly.geometry.search.nearest_chosen import Nearest
from evenly.inputs.prepare import PreparedData
from evenly.metrics.certificate import BoundingEffort, UpperBounds
from evenly.metrics.diversity import Diversity, clusters_of
from evenly.metrics.facility_location import MOST_ROWS, facility_location
from evenly.metrics.measures import Measures, RandomMeasures, RandomSubset
from evenly.metrics.random_subsets import do_all, measure_random
from evenly.metrics.space import prepare_subsets
from evenly.metrics.subset_distances import (
    ALL_ROWS,
    DEFAULT_SAMPLING,
    NO_HINTS,
    Hints,
    Sampling,
    SubsetDistances,
    Values,
)
from evenly.metrics.theory import ClosePairs, Theory, two_nn
from evenly.options import (
    InputOptions,
    MeasuringOptions,
    OnInvalid,
    TextColumns,
    documented,
)
from evenly.progress import new_bar
from evenly.shapes import Float, Int

if TYPE_CHECKING:
    from evenly.metrics.curve import Curve

Certificate = bool | Literal["thorough"]
"""Whether h_min is bounded from above, and whether extra time is spent on a sharper bound."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class PoolStats:
    """Statistics of a pool that all of its subsets share, each computed when first used.

    Attributes:
        points: the pool.
        seed: for the rows that are sampled from a large pool.
        upper_bounds: on the h_min of its subsets.
        sampling: when means are estimated from a sample.
    """

    points: Points | DistanceMatrix
    seed: int
    upper_bounds: UpperBounds
    sampling: Sampling = DEFAULT_SAMPLING

    @cached_property
    def eligible_rows(self) -> Int[np.ndarray, " m"]:
        """Row numbers of the usable rows."""
        return np.flatnonzero(self.points.eligible)

    def is_sampled(self, size: int) -> bool:
        """Return whether means of a subset are estimated from a sample of the rows."""
        points = self.points
        return isinstance(points, Points) and self.sampling.is_worth_it(
            len(self.eligible_rows), size, points.dimension
        )

    @cached_property
    def hints(self) -> Hints:
        """What the picks of the upper bounds tell about which rows are near each other."""
        assert isinstance(self.points, Points)
        return Hints.of(self.points, self.upper_bounds.curve.near)

    @cached_property
    def dimension(self) -> float | None:
        """The intrinsic dimension, by TwoNN."""
        return two_nn(self.points, self.seed)

    @cached_property
    def pairs(self) -> ClosePairs:
        """The distribution of distances between two rows."""
        return ClosePairs(self.points, self.seed)

    @cached_property
    def clusters(self) -> Int[np.ndarray, " n"] | None:
        """Clusters of about the same size; None for a matrix of distances."""
        return clusters_of(self.points)


@documented(InputOptions, MeasuringOptions)
def measure(
    data_or_vectors: Any,
    indices: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] | None = None,
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = None,
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool | None = None,
    on_invalid: OnInvalid | None = None,
    engine: str = "auto",
    cluster: str | None = None,
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    random_subsets: int = 3,
    certificate: Certificate = True,
    details: bool = False,
    exact: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> Measures:
    """Measure how evenly the rows `indices` of a data set are spread.

    A selection is measured in its own space, unless options say otherwise.

    Args:
        data_or_vectors: what the rows were selected from, in any form that `select_uniform`
            accepts.
        indices: (k,) distinct row numbers, or ids if `id_column` is given; a `Selection`, a
            `Deduplication` or a `StreamSelection`; or the path of a file: a manifest, row numbers
            or ids (.npy, or text with one a line), or records that are rows of the data. Records
            are found by `id_column`, if it is given; else by the text that is embedded, or as
            they are if nothing is embedded.
        text, roles, encoder, encoder_options, normalize, on_invalid: as in `select_uniform`. By
            default as the selection was made; those of `select_uniform` for row numbers alone.
            A warning is logged if a selection is measured in another space than its own.
        engine: "distances" if the data are a matrix of distances.
        certificate: find an upper bound on the h_min of any subset of this size. This needs a
            farthest-first run and clusters of the pool, and takes a few seconds or as long as
            all other measures together; clusters that cannot help, as a sample of a large pool
            shows, are not made. "thorough" takes longer and gives a sharper bound. Of
            rows on disk or on a cluster, the bounds that need no clusters of rows are found.
        details: also compute `theory` (intrinsic dimension, expected h_min of random subsets,
            radii curve) and `diversity` (uniformity, Vendi score, Riesz energy and others), and
            for pools of at most 5,000 usable rows the mean distance of greedy facility location.

    Returns:
        Measures: h_min, the closest pair, the coverage radius and the farthest row are exact at
            any size, and so is all else of pools in which it is cheap; means and quantiles of
            large ones are estimated from a random sample of rows, with their standard errors.
            Only blocks of distances are held in memory.

    Raises:
        RowError: a row number is out of range, named twice, or that of an unusable row; or a
            record of the file is not in the data.
        OptionError: `details` or a thorough certificate is wanted of rows on a cluster that do
            not fit in memory here.
        ManifestError: a selection was made from another number of rows; or one of
            its options was a Python object, which must be passed again.

    Cost: n·k·d multiplications, as matrix products, if these are few, or if `exact`; else a part
        of them, here and for each random subset. The certificate takes at most another n·k·d for
        its run; its clusters take about as much as choosing the rows, or 2e9 if that is more, and
        about 0.3 kB of memory per row. Details take n·1024·d and k²·d, and n²·d
        for pools of at most 5,000 rows.
    """
    arguments = locals()
    options = MeasuringOptions.of(arguments)
    subsets = prepare_subsets(data_or_vectors, {"": indices}, arguments)
    return measure_prepared(subsets.prepared, subsets.rows[""], options, rules=subsets.rules[""])


def needs_all_vectors(options: MeasuringOptions) -> list[str]:
    """Return the options that need all vectors in one place."""
    needed = {"details": options.details, "certificate": options.certificate == "thorough"}
    return [name for name, is_given in needed.items() if is_given]


def measure_prepared(
    prepared: PreparedData,
    chosen: Int[np.ndarray, " k"],
    options: MeasuringOptions,
    *,
    curve: Curve | None = None,
    radii: Float[np.ndarray, " k"] | None = None,
    known_bounds: Mapping[str, float] | None = None,
    nearest: Nearest | None = None,
    rules: tuple[str, ...] = (),
) -> Measures:
    """Measure rows of prepared data.

    Args:
        prepared: the data set.
        chosen: (k,) distinct, usable row numbers.
        options: what to measure.
        curve: an existing plain farthest-first run to k picks or more.
        radii: the distance of each chosen row to the nearest one before it, if it is known.
        known_bounds: name -> a proven bound on the h_min of any k rows.
        nearest: the nearest chosen row of every row, if it is known.
        rules: those that the rows were chosen under, which bounds and random subsets are not.
    """
    began = perf_counter()
    for option in needs_all_vectors(options):
        prepared = gathered(prepared, option)
    points, size, subsets = prepared.points, len(chosen), options.random_subsets
    stats = pool_stats(prepared, options, size, curve=curve)
    rows, progress = len(stats.eligible_rows), prepared.options.progress
    hints = NO_HINTS
    has_picks = curve is not None or (options.certificate and not known_bounds)
    if has_picks and stats.is_sampled(size):
        hints = stats.hints
    with new_bar(total=rows, desc="measuring", unit="row", shown=progress) as bar:
        if nearest is not None:
            found = SubsetDistances.of_nearest(nearest)
            bar.update(rows)
        else:
            found = SubsetDistances.of(
                points,
                chosen,
                seed=options.seed,
                sampling=stats.sampling,
                radii=radii,
                hints=hints,
                progress=bar.update,
            )
    measures = _measure(points, chosen, found)
    seeds = range(options.seed, options.seed + subsets)
    drawn: list[RandomSubset] = []

    def draw() -> None:
        total = rows * subsets
        with new_bar(total=total, desc="random subsets", unit="row", shown=progress) as bar:
            drawn[:] = measure_random(
                points, size, seeds, bar.update, sampling=stats.sampling, hints=hints
            )

    bounds = dict(known_bounds or {})

    def find_bounds() -> None:
        # If a known bound is attained, no other can be sharper.
        if min(bounds.values(), default=inf) > measures.h_min * (1.0 + 1e-9):
            bounds.update(stats.upper_bounds.bounds(size, measures.h_min))

    do_all(points, [draw, find_bounds] if options.certificate else [draw])
    if options.certificate:
        measures = measures.with_bounds(bounds)
    if options.details:
        measures = _with_details(measures, stats, chosen)
    random = RandomMeasures.of(drawn) if drawn else None
    return replace(measures, random=random, rules=rules, seconds=perf_counter() - began)


def pool_stats(
    prepared: PreparedData,
    options: MeasuringOptions,
    size: int,
    *,
    curve: Curve | None = None,
) -> PoolStats:
    """Return statistics of a pool for measuring subsets of up to `size` rows.

    The upper bounds may take about as much work as choosing so many rows.
    """
    points = prepared.points
    effort = BoundingEffort.thorough()
    if options.certificate != "thorough":
        pairs = float(np.count_nonzero(points.eligible)) * size
        work = SHARE_COMPARED * pairs * points.dimension
        effort = BoundingEffort(max(work, BoundingEffort.multiplications))
    bounds = UpperBounds(points, size, effort, curve, progress=prepared.options.progress)
    sampling = ALL_ROWS if options.exact else DEFAULT_SAMPLING
    return PoolStats(points, options.seed, bounds, sampling)


def measure_in_pool(stats: PoolStats, chosen: Int[np.ndarray, " k"], *, details: bool) -> Measures:
    """Measure some rows of a pool, without random subsets or a certificate."""
    began = perf_counter()
    found = SubsetDistances.of(stats.points, chosen, seed=stats.seed, sampling=stats.sampling)
    measures = _measure(stats.points, chosen, found)
    if details:
        measures = _with_details(measures, stats, chosen)
    return replace(measures, seconds=perf_counter() - began)


def _with_details(measures: Measures, stats: PoolStats, chosen: Int[np.ndarray, " k"]) -> Measures:
    theory = Theory.of(stats.dimension, stats.pairs, stats.upper_bounds.curve, len(chosen))
    bandwidth = stats.pairs.median / 2.0
    diversity = Diversity.of(stats.points, chosen, stats.clusters, bandwidth, stats.seed)
    mean_distance = None
    if len(stats.eligible_rows) <= MOST_ROWS:
        rows = facility_location(stats.points, len(chosen))
        mean_distance = SubsetDistances.of(
            stats.points, rows, seed=stats.seed, sampling=ALL_ROWS, neighbours=False
        ).to_subset.mean
    return replace(
        measures, theory=theory, diversity=diversity, facility_mean_distance=mean_distance
    )


def _measure(
    points: Points | DistanceMatrix, chosen: Int[np.ndarray, " k"], found: SubsetDistances
) -> Measures:
    to_subset, to_neighbour = found.to_subset, found.to_neighbour
    errors = {
        "mean_distance": to_subset.standard_error,
        "mean_neighbour_distance": to_neighbour.standard_error,
    }
    alone = None if found.represented is None else 1.0 - found.represented / len(chosen)
    return Measures(
        pool_size=found.pool_size,
        size=len(chosen),
        h_min=found.h_min,
        closest_pair=found.closest_pair,
        coverage_radius=found.coverage_radius,
        farthest_row=found.farthest_row,
        mesh_ratio=found.coverage_radius / found.h_min if found.h_min > 0 else inf,
        mean_distance=to_subset.mean,
        distance_quantiles=_quantiles(to_subset),
        mean_neighbour_distance=to_neighbour.mean,
        neighbour_quantiles=_quantiles(to_neighbour),
        duplicates=found.duplicates,
        normalized=isinstance(points, Points) and points.unit,
        singleton_share=alone,
        standard_errors={name: error for name, error in errors.items() if error > 0.0},
        random=None,
    )


def _quantiles(values: Values) -> dict[float, float]:
    if not np.isfinite(values.distances).all():  # a single row has no neighbour to be near
        return dict.fromkeys(QUANTILES, inf)
    return {fraction: values.quantile(fraction) for fraction in QUANTILES}
