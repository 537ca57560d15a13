"""What a selection is worth, on one screen."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from evenly.metrics import Measures
from evenly.metrics.diversity import Diversity
from evenly.metrics.theory import SURE, Theory
from evenly.report.table import format_seconds, two_columns
from evenly.selection import Selection
from evenly.selection.results.stream import StreamSelection

__all__ = [
    "input_of",
    "measures_table",
    "seconds_of",
    "selection_table",
    "stream_table",
    "text_of",
    "with_cosine",
]

_GROUPS = 8
_ENDS = {"time": " (ended by the time limit)", "interrupt": " (ended by Ctrl-C)"}
_ROWS = {
    "include": "{:,} included",
    "excluded": "{:,} excluded",
    "away_rows": "{:,} kept away from",
    "away": "{:,} of other data kept away from",
}


def selection_table(selection: Selection, measures: Measures) -> str:
    """The selection and its measures, to read in a terminal."""
    provenance = selection.provenance
    return two_columns(
        [
            ("input", input_of(provenance)),
            ("text", text_of(provenance)),
            ("chosen", _chosen(len(selection), provenance)),
            *_rules(provenance),
            *_by_quality(selection),
            *_refined(provenance),
            *_filled(provenance),
            *_measure_rows(measures, normalized=provenance["options"]["normalize"]),
            ("seconds", seconds_of(provenance["seconds"] | {"measuring": measures.seconds})),
        ]
    )


def stream_table(found: StreamSelection) -> str:
    """What was chosen from a stream, to read in a terminal."""
    told, normalized = found.provenance, found.provenance["options"]["normalize"]
    rows = told["input"]["rows"]
    dropped = f"{told['dropped']:,}" if told["dropped"] else "none"
    table = [
        ("chosen", f"{len(found):,} of {rows:,} rows in one pass; {dropped} dropped"),
        ("candidates", f"{told['candidates']:,} rows kept to choose from"),
        ("h_min", with_cosine(found.h_min, normalized=normalized)),
        ("", f"no {len(found):,} rows have one above {found.h_min_bound:.4f}"),
        ("covered within", with_cosine(found.coverage_bound, normalized=normalized)),
    ]
    if told["text"] is not None:
        table.insert(0, ("text", f"{told['text']}, embedded with {told['encoder']['name']}"))
    if found.coverage_radius is not None:
        radius = with_cosine(found.coverage_radius, normalized=normalized)
        table.append(("coverage radius", f"{radius}, by a second pass"))
    return two_columns(table)


def measures_table(measures: Measures, *, normalized: bool) -> str:
    """The measures of any subset, to read in a terminal."""
    chosen = f"{measures.size:,} of {measures.pool_size:,} rows"
    return two_columns([("subset", chosen), *_measure_rows(measures, normalized=normalized)])


def _measure_rows(measures: Measures, *, normalized: bool) -> list[tuple[str, str]]:
    rows = [("h_min", with_cosine(measures.h_min, normalized=normalized))]
    if measures.closest_pair is not None:
        rows.append(("", "attained by rows {} and {}".format(*measures.closest_pair)))
    if measures.random is not None:
        rows.append(("  random subsets", _random(measures)))
    if measures.upper_bound is not None and measures.bounds:
        rows.append(("  at most", _at_most(measures)))
    rows.append(
        (
            "coverage radius",
            f"{with_cosine(measures.coverage_radius, normalized=normalized)}, "
            f"at row {measures.farthest_row}",
        )
    )
    if measures.random is not None:
        covered = measures.random.coverage_radius
        rows.append(("  random subsets", f"{covered.mean:.4f} ± {covered.std:.4f}"))
    mean = f"{measures.mean_distance:.4f}"
    if measures.random is not None:
        mean += f" (random {measures.random.mean_distance.mean:.4f})"
    rows.append(("mean distance", f"{mean}, from a row to the nearest chosen one"))
    rows.append(("mesh ratio", f"{measures.mesh_ratio:.4f}, coverage radius / h_min"))
    single_threaded_blas = (
        f"{measures.singleton_share:.1%} of the chosen rows stand for no row but themselves"
    )
    rows.append(("singletons", single_threaded_blas))
    if measures.duplicates:
        rows.append(("duplicates", f"{measures.duplicates:,} chosen rows coincide with another"))
    if measures.theory is not None:
        rows += _theory_rows(measures.theory)
    if measures.diversity is not None:
        rows += _diversity_rows(measures.diversity)
    return rows


def _theory_rows(theory: Theory) -> list[tuple[str, str]]:
    dimensions = (theory.intrinsic_dimension, theory.radii_dimension)
    two_nn, radii = ("unknown" if found is None else f"{found:.1f}" for found in dimensions)
    return [
        ("dimension", f"{two_nn} (TwoNN), {radii} (from the radii), of the pool"),
        ("random h_min", f"{theory.expected_random_h_min:.4f} expected"),
        ("", f"above {theory.density_bound:.4f} with a probability of {SURE:.0%}"),
    ]


def _diversity_rows(diversity: Diversity) -> list[tuple[str, str]]:
    told = asdict(diversity)
    bandwidth = told.pop("kernel_bandwidth")
    rows = []
    for name, value in told.items():
        if value is not None:
            more = f" (bandwidth {bandwidth:.4g})" if name == "kernel_eigenvalue" else ""
            rows.append((name.replace("_", " "), f"{value:.4g}{more}"))
    return rows


def with_cosine(distance: float, *, normalized: bool) -> str:
    """A distance, and of unit rows the cosine distance that it is."""
    if not math.isfinite(distance):
        return f"{distance}"
    cosine = f" (cosine distance {distance**2 / 2:.4f})" if normalized else ""
    return f"{distance:.4f}{cosine}"


def _random(measures: Measures) -> str:
    assert measures.random is not None
    h_min = measures.random.h_min
    against = f"{h_min.mean:.4f} ± {h_min.std:.4f} ({measures.random.subsets} subsets)"
    if h_min.mean > 0 and math.isfinite(measures.h_min):
        return f"{against}: {measures.h_min / h_min.mean:.1f} times as far apart"
    return f"{against}: they hold duplicates" if h_min.mean == 0 else against


def _at_most(measures: Measures) -> str:
    assert measures.upper_bound is not None
    assert measures.certified_fraction is not None
    told = f"{measures.upper_bound:.4f} for any {measures.size:,} rows"
    if measures.certified_fraction >= 1.0 - 1e-6:
        return f"{told}: none are farther apart"
    name = min(measures.bounds, key=measures.bounds.__getitem__)
    # Rounded down: it is a claim.
    certified = math.floor(measures.certified_fraction * 1000) / 1000
    return f"{told} ({name}): at least {certified:.1%} of the best possible"


def input_of(provenance: dict[str, Any]) -> str:
    """What was read."""
    source = provenance["input"]
    dimension = f", {source['dimension']} dimensions" if source["dimension"] else ""
    return f"{source['origin']}: {source['rows']:,} rows{dimension}"


def text_of(provenance: dict[str, Any]) -> str:
    """What was embedded, and by which encoder."""
    encoder = provenance["encoder"]
    if encoder is None:
        return provenance["text"] or "none: the rows are vectors"
    told = f"{provenance['text']}, embedded with {encoder['name']}"
    if encoder["truncated"]:
        told += f" ({encoder['truncated']:,} texts are over its window and were cut)"
    return told


def _chosen(size: int, provenance: dict[str, Any]) -> str:
    total = provenance["input"]["rows"]
    dropped = len(provenance["dropped"])
    why = "unusable or as outliers" if "drop_outliers" in provenance["options"] else "unusable"
    left_out = f"; {dropped:,} rows dropped as {why}" if dropped else "; none dropped"
    return f"{size:,} rows ({size / total:.1%}){left_out}"


def _rules(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """What the selection was held to, beside the budget; no line where that is nothing."""
    rules, options = provenance.get("rules", {}), provenance["options"]
    counts = {name: rules[name]["rows"] for name in _ROWS if name in rules}
    if "excluded" in counts:
        # Rows of the data to keep away from are excluded as well; told once.
        counts["excluded"] -= counts.get("away_rows", 0)
    told = [_ROWS[name].format(count) for name, count in counts.items() if count]
    if options.get("min_distance"):
        told.append(f"none nearer than {options['min_distance']:g}")
    if "quotas" in rules:
        told.append(_quotas(rules["quotas"]))
    if "token_budget" in rules:
        told.append(f"at most {rules['token_budget']:,} tokens")
    if "weights" in rules:
        told.append("weighted by quality")
    return [("rules", "; ".join(told))] if told else []


def _by_quality(selection: Selection) -> list[tuple[str, str]]:
    told = selection.provenance.get("by_quality")
    if told is None:
        return []
    if "value" in told:
        return [("value", f"{told['value']:.6g}, sum of qualities + weight · h_min")]
    how = "by falling quality, each h_min or more from those before"
    if told.get("fails_at") is not None:
        how += f"; fewer rows fit at {told['fails_at']:.4f}"
    return [("order", how)]


def _refined(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    told = provenance.get("refined")
    if told is None:
        return []
    greedy, h_min = told["greedy_h_min"], told["h_min"]
    said = "no rows found that are farther apart than greedy's"
    if h_min != greedy:
        said = f"greedy's h_min was {greedy:.4f}"
        if greedy > 0:
            said += f": {h_min / greedy - 1:+.2%}"
    if told["proven"]:
        said += "; proven to be the best possible"
    elif told["upper_bound"] is not None:
        said += f"; proven to be at most {told['upper_bound'] / h_min - 1:.2%} below the best"
    return [("refined", said + _ENDS.get(told["ended_by"], ""))]


def _filled(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    told = provenance.get("filled")
    if told is None:
        return []
    said = f"from {told['rows_before']:,} rows, at {told['min_distance']:.4f} or more"
    return [("filled", said + _ENDS.get(told["ended_by"], ""))]


def _quotas(quotas: dict[str, Any]) -> str:
    limits = quotas.get("limits", {})
    if not 0 < len(limits) <= _GROUPS:
        return f"quotas of {quotas['groups']:,} groups"
    told = [
        f"{name} {least:,}" if least == most else f"{name} {least:,} to {most:,}"
        for name, (least, most) in limits.items()
    ]
    return ", ".join(told)


def seconds_of(seconds: dict[str, float]) -> str:
    """How long each step took."""
    return ", ".join(f"{step} {format_seconds(spent)}" for step, spent in seconds.items())
