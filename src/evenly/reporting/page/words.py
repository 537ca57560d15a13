"""The page's first sentence, and its most important numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evenly.metrics import Measures
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.texts import shown
from evenly.tables import count


@dataclass(frozen=True)
class Figure:
    """A number that stands out: its name, the number, and what it means beside random rows.

    Attributes:
        share: where the number lies between 0 and the best possible; None if that is unknown.
        random: the same of random subsets.
    """

    name: str
    value: str
    means: str
    share: float | None = None
    random: float | None = None


def headline(subject: Subject) -> str:
    """Say in one sentence how good the subset is."""
    measures, kept = subject.measures, subject.noun == "kept"
    of_all = f"{measures.size:,} of {count(subject.result.provenance.input.rows, 'row')}"
    if measures.size == 1:
        return f"{of_all}: a single row, which has no distance to others."
    parts = [part for part in (_beside_random(measures), _of_the_possible(measures)) if part]
    if measures.h_min == 0.0:
        repeated = f"{count(measures.duplicates, 'row')} of them repeat others exactly"
        return f"{of_all}, but {repeated}: the data set has too few different rows."
    if not parts:
        return f"{of_all}, no two of them nearer than {measures.h_min:.4f}."
    return f"{of_all}{' were kept' if kept else ''}, {' and '.join(parts)}."


def _beside_random(measures: Measures) -> str:
    if measures.random is None:
        return ""
    random = measures.random.h_min.mean
    if random == 0.0:
        return "all of them different, while random ones repeat rows"
    times = measures.h_min / random
    if times < 1.05:
        return (
            "no farther apart than random ones"
            if times >= 0.95
            else (f"closer together than random ones ({100 * times:.0f} % of their distance)")
        )
    return (
        f"{times:.0f} times as far apart as random ones"
        if times >= 10
        else (f"{times:.1f} times as far apart as random ones")
    )


def _of_the_possible(measures: Measures) -> str:
    share = measures.certified_fraction
    if share is None:
        return ""
    if share >= 1.0 - 1e-9:
        return "proven to be as far apart as possible"
    return f"at least {percent(share)} of what is possible"


def percent(share: float) -> str:
    """Write a proven share of something, never more than is proven."""
    return (
        f"{math.floor(share * 1000 + 1e-9) / 10:.1f} %"
        if share < 0.1
        else (f"{math.floor(share * 100 + 1e-9)} %")
    )


def figures(subject: Subject, tokens: int | None) -> list[Figure]:
    """Return the numbers that stand out; `tokens` are those of the subset, if known."""
    measures, random = subject.measures, subject.measures.random
    rows = subject.result.provenance.input.rows
    dropped = len(subject.result.provenance.dropped)
    found = [
        Figure(
            "rows",
            f"{measures.size:,}",
            f"{100 * measures.size / rows:.1f} % of {rows:,}"
            + (f"; {count(dropped, 'row')} could not be used or were dropped" if dropped else ""),
        )
    ]
    if measures.size > 1:
        best = measures.upper_bound
        known = best is not None and math.isfinite(best) and best > 0
        means = "the smallest distance between two chosen rows"
        if random is not None:
            means += f"; {random.h_min.mean:.4f} for random ones"
        if known:
            means += f"; at most {best:.4f} is possible"
        found.append(
            Figure(
                "h_min",
                f"{measures.h_min:.4f}",
                means,
                measures.h_min / best if known and best else None,
                random.h_min.mean / best if known and best and random is not None else None,
            )
        )
    farthest = "the largest distance from any row to its nearest chosen row"
    average = "the same distance on average"
    if random is not None:
        farthest += f"; {random.coverage_radius.mean:.4f} for random ones"
        average += f"; {random.mean_distance.mean:.4f} for random ones"
    found.append(Figure("coverage radius", f"{measures.coverage_radius:.4f}", farthest))
    found.append(Figure("mean distance", f"{measures.mean_distance:.4f}", average))
    if measures.certified_fraction is not None and measures.size > 1:
        found.append(
            Figure(
                "certified",
                percent(measures.certified_fraction),
                "at least this share of the largest h_min that any rows of this number can have",
            )
        )
    spent = subject.result.provenance.details.get("tokens")
    if spent:
        means = f"of {spent['budget']:,}, counted in {shown(spent['counted'], 80)}"
        found.append(Figure("tokens", f"{spent['spent']:,}", means))
    elif tokens is not None:
        means = f"{tokens / measures.size:,.0f} in a row on average"
        found.append(Figure("tokens", f"{tokens:,}", means))
    return found
