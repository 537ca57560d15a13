"""A table of the measures of a subset."""

from __future__ import annotations

import math
from dataclasses import asdict

from evenly.metrics import Measures
from evenly.metrics.diversity import Diversity
from evenly.metrics.measures import RandomMeasures
from evenly.metrics.theory import CONFIDENCE, Theory
from evenly.report.table import two_columns, with_cosine


def measures_table(measures: Measures, *, normalized: bool) -> str:
    """Return the measures of any subset as a table to read in a terminal."""
    chosen = f"{measures.size:,} of {measures.pool_size:,} rows"
    return two_columns([("subset", chosen), *lines_of_measures(measures, normalized=normalized)])


def lines_of_measures(measures: Measures, *, normalized: bool) -> list[tuple[str, str]]:
    """Return labels and values for every measure that was taken."""
    random = measures.random
    lines = [("h_min", with_cosine(measures.h_min, normalized=normalized))]
    if measures.closest_pair is not None:
        lines.append(("", "attained by rows {} and {}".format(*measures.closest_pair)))
    if random is not None:
        lines.append(("  random subsets", _random_h_min(measures.h_min, random)))
    if measures.upper_bound is not None and measures.bounds:
        lines.append(("  at most", _certificate(measures)))
    coverage_radius = with_cosine(measures.coverage_radius, normalized=normalized)
    lines.append(("coverage radius", f"{coverage_radius}, at row {measures.farthest_row}"))
    mean_distance = f"{measures.mean_distance:.4f}"
    if random is not None:
        covered = random.coverage_radius
        lines.append(("  random subsets", f"{covered.mean:.4f} ± {covered.std:.4f}"))
        mean_distance += f" (random {random.mean_distance.mean:.4f})"
    alone = f"{measures.singleton_share:.1%} of the chosen rows represent only themselves"
    lines += [
        ("mean distance", f"{mean_distance}, from a row to the nearest chosen one"),
        ("mesh ratio", f"{measures.mesh_ratio:.4f}, coverage radius / h_min"),
        ("singletons", alone),
    ]
    if measures.duplicates:
        lines.append(("duplicates", f"{measures.duplicates:,} chosen rows coincide with another"))
    if measures.theory is not None:
        lines += _lines_of_theory(measures.theory)
    if measures.diversity is not None:
        lines += _lines_of_diversity(measures.diversity)
    return lines


def _random_h_min(h_min: float, random: RandomMeasures) -> str:
    mean = random.h_min.mean
    line = f"{mean:.4f} ± {random.h_min.std:.4f} ({random.subsets} subsets)"
    if mean > 0 and math.isfinite(h_min):
        return f"{line}: {h_min / mean:.1f} times as far apart"
    return f"{line}: they hold duplicates" if mean == 0 else line


def _certificate(measures: Measures) -> str:
    assert measures.upper_bound is not None
    assert measures.certified_fraction is not None
    line = f"{measures.upper_bound:.4f} for any {measures.size:,} rows"
    if measures.certified_fraction >= 1.0 - 1e-6:
        return f"{line}: none are farther apart"
    name = min(measures.bounds, key=measures.bounds.__getitem__)
    # A guarantee must be rounded down.
    certified = math.floor(measures.certified_fraction * 1000) / 1000
    return f"{line} ({name}): at least {certified:.1%} of the best possible"


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
