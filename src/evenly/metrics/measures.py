"""`Measures`: the numbers that describe how evenly a subset is spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

import numpy as np

from evenly.metrics.diversity import Diversity
from evenly.metrics.theory import CONFIDENCE, Theory
from evenly.shapes import Float
from evenly.tables import count, html_table, two_columns, with_cosine


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over random subsets."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return sample statistics; the deviation is 0 for one value or infinite ones."""
        varies = len(values) > 1 and np.isfinite(values).all()
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) if varies else 0.0)


@dataclass(frozen=True)
class RandomMeasures:
    """The same numbers for random subsets of the same size, drawn without replacement.

    Attributes:
        subsets: number of subsets, drawn with the seeds seed, seed + 1, …
        h_min, coverage_radius: statistics over those subsets; each is exact.
        mean_distance: the same of the mean distances, each of which is estimated from a random
            sample of the rows of a large pool.
        standard_error: of the mean of `mean_distance`, from sampling rows; 0 if it is exact.
    """

    subsets: int
    h_min: Spread
    coverage_radius: Spread
    mean_distance: Spread
    standard_error: float = 0.0

    @classmethod
    def of(cls, drawn: Sequence[RandomSubset]) -> RandomMeasures:
        """Summarise the measures of random subsets."""
        errors = np.array([one.standard_error for one in drawn])
        return cls(
            subsets=len(drawn),
            h_min=Spread.of([one.h_min for one in drawn]),
            coverage_radius=Spread.of([one.coverage_radius for one in drawn]),
            mean_distance=Spread.of([one.mean_distance for one in drawn]),
            standard_error=float(np.sqrt((errors**2).sum())) / len(drawn),
        )


class RandomSubset(NamedTuple):
    """What is measured of a random subset; see `RandomMeasures`."""

    h_min: float
    coverage_radius: float
    mean_distance: float
    standard_error: float = 0.0


@dataclass(frozen=True, repr=False)
class Measures:
    """How evenly a subset is spread; prints as a table. Distances are Euclidean, none is squared.

    Attributes:
        pool_size: number of usable rows in the input.
        size: number of rows in the subset.
        h_min: smallest distance between two rows of the subset (twice the separation radius);
            inf for a single row.
        closest_pair: row numbers of the first pair that attains h_min; None for a single row.
        coverage_radius: largest distance from a usable row to its nearest chosen row (fill
            distance).
        farthest_row: the first row that attains coverage_radius.
        mesh_ratio: coverage_radius / h_min; inf if h_min is 0.
        mean_distance: mean distance from a usable row to its nearest chosen row.
        distance_quantiles: quantile -> that distance.
        mean_neighbour_distance: mean distance from a row of the subset to the nearest other
            row of the subset.
        neighbour_quantiles: quantile -> that distance.
        duplicates: number of rows in the subset that coincide with another row of it.
        singleton_share: share of the subset's rows that are not the nearest chosen row of any
            row left out: they represent only themselves. None if the pool is so large that only a
            sample of its rows is compared with the subset.
        standard_errors: name -> the standard error of each mean that was estimated from a random
            sample of rows; empty if all rows were compared. Quantiles come from the same sample.
        upper_bound: no subset of this size has a larger h_min; None without a certificate,
            inf for a single row.
        certified_fraction: h_min / upper_bound. The subset has at least this fraction of the
            best possible h_min; 1 means that it is optimal. None without a certificate.
        bounds: name -> each bound that was found; upper_bound is the smallest. See
            docs/theory.md.
        theory: properties of the pool at this subset size; None unless `details`.
        diversity: diversity measures from the literature; None unless `details`.
        facility_mean_distance: mean_distance of as many rows of the pool that greedy facility
            location picks, which is about the smallest possible; None unless `details`, or if the
            pool has more than 5,000 usable rows.
        normalized: whether distances are between rows of length 1.
        rules: the rules of the selection that was measured, such as "quotas". The bounds and the
            random subsets are of the pool without them.
        random: the same for random subsets of the same size; None if none were drawn.
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
    singleton_share: float | None
    random: RandomMeasures | None
    upper_bound: float | None = None
    certified_fraction: float | None = None
    bounds: dict[str, float] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    theory: Theory | None = None
    diversity: Diversity | None = None
    facility_mean_distance: float | None = None
    normalized: bool = False
    rules: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def random_h_min(self) -> float | None:
        """Mean h_min of random subsets of the same size; None if none were drawn."""
        return None if self.random is None else self.random.h_min.mean

    def with_bounds(self, bounds: dict[str, float]) -> Measures:
        """Return these measures certified by upper bounds on the h_min of this many rows."""
        upper = min(bounds.values(), default=inf)
        fraction = float(certified_fraction(self.h_min, upper))
        return replace(self, upper_bound=upper, certified_fraction=fraction, bounds=bounds)

    def __str__(self) -> str:
        """Return a table to read in a terminal, the one that `evenly measure` prints."""
        chosen = f"{self.size:,} of {count(self.pool_size, 'row')}"
        return two_columns([("subset", chosen), *lines_of_measures(self)])

    def __repr__(self) -> str:
        certified = self.certified_fraction
        certificate = "" if certified is None else f", certified_fraction={certified:.6g}"
        return (
            f"Measures({self.size} of {self.pool_size} rows, h_min={self.h_min:.6g}, "
            f"coverage_radius={self.coverage_radius:.6g}{certificate})"
        )

    def _repr_html_(self) -> str:
        subset = f"Measures of {self.size:,} of {count(self.pool_size, 'row')}"
        return html_table(subset, lines_of_measures(self))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; infinite numbers become null."""
        plain: dict[str, Any] = _as_json(asdict(self))
        return plain


def certified_fraction(
    h_min: float | Float[np.ndarray, " s"], upper_bound: float | Float[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """Return h_min as a fraction of its upper bound; 1 if nothing can be better."""
    best = np.less_equal(upper_bound, h_min)
    return np.where(best, 1.0, h_min / np.where(best, 1.0, upper_bound))


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_json(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_as_json(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def lines_of_measures(measures: Measures) -> list[tuple[str, str]]:
    """Return labels and values for every measure that was taken, for a table."""
    random, normalized = measures.random, measures.normalized
    lines = [("h_min", with_cosine(measures.h_min, normalized=normalized))]
    if measures.closest_pair is not None:
        lines.append(("", "attained by rows {} and {}".format(*measures.closest_pair)))
    if random is not None:
        lines.append(("  random subsets", _random_h_min(measures.h_min, random)))
    if measures.upper_bound is not None and measures.bounds:
        lines.append(("  at most", _certificate(measures)))
    coverage_radius = with_cosine(measures.coverage_radius, normalized=normalized)
    lines.append(("coverage radius", f"{coverage_radius}, at row {measures.farthest_row}"))
    mean_distance = _with_error(
        measures.mean_distance, measures.standard_errors.get("mean_distance")
    )
    if random is not None:
        covered = random.coverage_radius
        lines.append(("  random subsets", f"{covered.mean:.4f} ± {covered.std:.4f}"))
        mean_distance += (
            f" (random {_with_error(random.mean_distance.mean, random.standard_error)})"
        )
    if measures.facility_mean_distance is not None:
        mean_distance += f" (greedy facility location {measures.facility_mean_distance:.4f})"
    lines += [
        ("mean distance", f"{mean_distance}, from a row to the nearest chosen one"),
        ("mesh ratio", f"{measures.mesh_ratio:.4f}, coverage radius / h_min"),
    ]
    if measures.singleton_share is not None:
        alone = f"{measures.singleton_share:.1%} of the chosen rows represent only themselves"
        lines.append(("singletons", alone))
    if measures.duplicates:
        lines.append(
            (
                "duplicates",
                f"{count(measures.duplicates, 'chosen row')} at the same place as another",
            )
        )
    if measures.theory is not None:
        lines += _lines_of_theory(measures.theory)
    if measures.diversity is not None:
        lines += _lines_of_diversity(measures.diversity)
    return lines


def _with_error(mean: float, standard_error: float | None) -> str:
    return f"{mean:.4f} ± {standard_error:.4f}" if standard_error else f"{mean:.4f}"


def _random_h_min(h_min: float, random: RandomMeasures) -> str:
    mean = random.h_min.mean
    line = f"{mean:.4f} ± {random.h_min.std:.4f} ({count(random.subsets, 'subset')})"
    if mean > 0 and math.isfinite(h_min):
        return f"{line}: {h_min / mean:.1f} times as far apart"
    return f"{line}: they hold duplicates" if mean == 0 else line


def _certificate(measures: Measures) -> str:
    assert measures.upper_bound is not None
    assert measures.certified_fraction is not None
    line = f"{measures.upper_bound:.4f} for any {count(measures.size, 'row')}"
    without = ""
    if measures.rules:
        without = " without quotas" if "quotas" in measures.rules else " without the rules"
        line += without
    if measures.certified_fraction >= 1.0 - 1e-6:
        return f"{line}: none are farther apart"
    name = min(measures.bounds, key=measures.bounds.__getitem__)
    # A guarantee must be rounded down.
    certified = math.floor(measures.certified_fraction * 1000) / 1000
    return f"{line} ({name}): at least {certified:.1%} of the best possible{without}"


def _lines_of_theory(theory: Theory) -> list[tuple[str, str]]:
    dimensions = (theory.intrinsic_dimension, theory.radii_dimension)
    two_nn, radii = ("unknown" if found is None else f"{found:.1f}" for found in dimensions)
    return [
        ("dimension", f"{two_nn} (TwoNN), {radii} (from the radii), of the pool"),
        ("random h_min", f"{theory.expected_random_h_min:.4f} expected"),
        ("", f"above {theory.density_bound:.4f} with a probability of {CONFIDENCE:.0%}"),
    ]


def _lines_of_diversity(diversity: Diversity) -> list[tuple[str, str]]:
    values = asdict(diversity)
    bandwidth = values.pop("kernel_bandwidth")
    lines = []
    for name, value in values.items():
        if value is not None:
            note = f" (bandwidth {bandwidth:.4g})" if name == "kernel_eigenvalue" else ""
            lines.append((name.replace("_", " "), f"{value:.4g}{note}"))
    return lines
