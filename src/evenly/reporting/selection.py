"""A table of a selection: what was chosen, under which rules, and how evenly it is spread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evenly.metrics.measures import Measures, lines_of_measures
from evenly.reporting.provenance import input_line, seconds_line, text_line
from evenly.tables import count, two_columns

if TYPE_CHECKING:
    from evenly.selection.results.provenance import Provenance
    from evenly.selection.results.selection import SelectionData

_MAX_GROUPS = 8
_ENDED_BY = {"time": " (ended by the time limit)", "interrupt": " (ended by Ctrl-C)"}
_ROW_RULES = {
    "include": "{:,} included",
    "excluded": "{:,} excluded",
    "away_rows": "{:,} kept away from",
    "away": "{:,} of other data kept away from",
}


def selection_table(selection: SelectionData, measures: Measures | None) -> str:
    """Return a selection and its measures as a table to read in a terminal.

    Without measures, the table shows what is known of the selection anyway.
    """
    provenance = selection.provenance
    seconds = dict(provenance.seconds)
    if measures is not None:
        seconds["measuring"] = measures.seconds
    lines = [
        ("input", input_line(provenance)),
        ("text", text_line(provenance)),
        ("chosen", _chosen(len(selection), provenance)),
        ("rules", _rules(provenance)),
    ]
    for step, describe in _STEPS.items():
        if step in provenance.details:
            lines.append(describe(provenance.details[step]))
    known = _known(selection) if measures is None else lines_of_measures(measures)
    if (provenance.options.get("density_weight") or 0) > 0:
        known.sort(key=lambda line: line[0] != "mean distance")  # what such rows are chosen for
    lines += known
    lines.append(("seconds", seconds_line(seconds)))
    return two_columns((label, value) for label, value in lines if value)


def _known(selection: SelectionData) -> list[tuple[str, str]]:
    lines = [("h_min", f"{selection.h_min:.4f}")]
    if not math.isnan(selection.coverage_radius):
        lines.append(("coverage radius", f"{selection.coverage_radius:.4f}"))
    lines.append(("not measured", "random subsets, certificate, mean distance and the rest"))
    return lines


def _chosen(size: int, provenance: Provenance) -> str:
    total = provenance.input.rows
    dropped = len(provenance.dropped)
    outliers = {"drop_outliers", "max_outliers"} & set(provenance.options)
    why = "unusable or as outliers" if outliers else "unusable"
    left_out = f"; {count(dropped, 'row')} dropped as {why}" if dropped else "; none dropped"
    return f"{count(size, 'row')} ({size / total:.1%}){left_out}"


def _rules(provenance: Provenance) -> str:
    """List the constraints on the selection other than its budget; empty if there are none."""
    rules, options = provenance.rules, provenance.options
    counts = {name: rules[name]["rows"] for name in _ROW_RULES if name in rules}
    if "excluded" in counts:
        # Rows to keep away from are also excluded; count them once.
        counts["excluded"] -= counts.get("away_rows", 0)
    parts = [_ROW_RULES[name].format(count) for name, count in counts.items() if count]
    if options.get("min_distance"):
        parts.append(f"none nearer than {options['min_distance']:g}")
    if "quotas" in rules:
        chosen = provenance.details.get("groups", {}).get("rows", {})
        parts.append(_quotas(rules["quotas"], chosen))
    if "token_budget" in rules:
        parts.append(f"at most {rules['token_budget']:,} tokens")
    if "weights" in rules:
        weights = {"quality": "quality", "density_weight": "density"}
        by = [word for name, word in weights.items() if options.get(name) is not None]
        parts.append(f"weighted by {' and '.join(by)}")
    return "; ".join(parts)


def _quotas(quotas: dict[str, Any], chosen: Mapping[str, int]) -> str:
    """List the rows that were chosen of each group, with its limits if these leave a choice."""
    limits = quotas.get("limits", {})
    if not 0 < len(limits) <= _MAX_GROUPS:
        return f"quotas of {count(quotas['groups'], 'group')}"
    parts = [
        f"{name} {chosen.get(name, least):,}"
        + ("" if least == most else f" (of {least:,} to {most:,})")
        for name, (least, most) in limits.items()
    ]
    return ", ".join(parts)


def _by_quality(step: Mapping[str, Any]) -> tuple[str, str]:
    if "value" in step:
        return "value", f"{step['value']:.6g}, sum of qualities + weight · h_min"
    order = "by decreasing quality, each at least h_min from all before it"
    if step.get("fails_at") is not None:
        order += f"; fewer rows fit at {step['fails_at']:.4f}"
    return "order", order


def _refined(step: Mapping[str, Any]) -> tuple[str, str]:
    if "mean_distance" in step:
        before, mean = step["greedy_mean_distance"], step["mean_distance"]
        result = f"the mean distance of all rows to the nearest chosen one was {before:.4f}"
        if before > 0:
            result += f": {mean / before - 1:+.2%}"
        return "refined", result + _ENDED_BY.get(step["ended_by"], "")
    greedy, h_min = step["greedy_h_min"], step["h_min"]
    result = "no rows found that are farther apart than greedy's"
    if h_min != greedy:
        result = f"greedy's h_min was {greedy:.4f}"
        if greedy > 0:
            result += f": {h_min / greedy - 1:+.2%}"
    if step["proven"]:
        result += "; proven to be the best possible"
    elif step["upper_bound"] is not None:
        result += f"; proven to be at most {step['upper_bound'] / h_min - 1:.2%} below the best"
    return "refined", result + _ENDED_BY.get(step["ended_by"], "")


def _filled(step: Mapping[str, Any]) -> tuple[str, str]:
    result = f"from {count(step['rows_before'], 'row')}, at {step['min_distance']:.4f} or more"
    return "filled", result + _ENDED_BY.get(step["ended_by"], "")


def _tokens(step: Mapping[str, Any]) -> tuple[str, str]:
    share = step["spent"] / step["budget"]
    return "tokens", f"{step['spent']:,} ({share:.1%} of the budget), counted in {step['counted']}"


def _coreset(step: Mapping[str, Any]) -> tuple[str, str]:
    return (
        "two rounds",
        f"{count(step['candidates'], 'candidate')} of {count(step['parts'], 'part')}",
    )


_STEPS = {
    "tokens": _tokens,
    "by_quality": _by_quality,
    "coreset": _coreset,
    "refined": _refined,
    "filled": _filled,
}
"""The steps of a selection that its provenance may record, and the line about each."""
