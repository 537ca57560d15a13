"""Means with 95 % intervals, and differences from a baseline that are paired by seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Row = dict[str, Any]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        mean: the mean.
        half_width: half of the width of Student's interval; nan for a single value.
        count: the number of values.
    """

    mean: float
    half_width: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Estimate:
        """Return the mean of independent values, with Student's interval."""
        found = np.asarray(list(values), float)
        if len(found) < 2:
            return cls(float(found.mean()) if len(found) else np.nan, np.nan, len(found))
        error = found.std(ddof=1) / np.sqrt(len(found))
        return cls(
            float(found.mean()), float(stats.t.ppf(0.975, len(found) - 1) * error), len(found)
        )

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.mean) > self.half_width

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.half_width:.4f}"


def differences(
    rows: Sequence[Row], metric: str, *, baseline: str, of: Row, paired_by: str = "seed"
) -> dict[str, Estimate]:
    """Return the difference of each arm from a baseline, paired by seed.

    Several rows of one arm and seed (draws) are averaged first: they share what the seed decides,
    and are not independent.

    Args:
        rows: rows with an "arm", a seed and the metric.
        metric: what is compared.
        baseline: the arm to compare with.
        of: values of other fields that rows must have, such as {"budget": 300}.
        paired_by: the field that pairs rows.
    """
    means = _means_by_seed(rows, metric, of, paired_by)
    base = means.get(baseline, {})
    return {
        arm: Estimate.of(value - base[seed] for seed, value in seeds.items() if seed in base)
        for arm, seeds in means.items()
        if arm != baseline
    }


def means(rows: Sequence[Row], metric: str, *, of: Row, by: str = "seed") -> dict[str, Estimate]:
    """Return the mean of each arm over seeds, with its interval; draws are averaged first."""
    return {
        arm: Estimate.of(seeds.values())
        for arm, seeds in _means_by_seed(rows, metric, of, by).items()
    }


def rank_correlation(rows: Sequence[Row], one: str, other: str, *, by: str = "seed") -> Estimate:
    """Return Spearman's rank correlation of two metrics over the arms of a seed: its mean."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[by], []).append(row)
    return Estimate.of(
        float(stats.spearmanr([row[one] for row in own], [row[other] for row in own])[0])
        for own in groups.values()
    )


def _means_by_seed(
    rows: Sequence[Row], metric: str, of: Row, by: str
) -> dict[str, dict[Any, float]]:
    """Return arm -> seed -> the mean over draws, for rows with some values of other fields."""
    groups: dict[str, dict[Any, list[float]]] = {}
    for row in rows:
        if all(row[name] == value for name, value in of.items()):
            groups.setdefault(row["arm"], {}).setdefault(row[by], []).append(row[metric])
    return {
        arm: {seed: float(np.mean(values)) for seed, values in seeds.items()}
        for arm, seeds in groups.items()
    }


def table(
    rows: Sequence[Row],
    metric: str,
    *,
    baseline: str,
    columns: str = "budget",
    digits: int = 3,
) -> str:
    """Return a Markdown table: each arm's mean, and in brackets its difference from the baseline.

    A difference whose 95 % interval excludes 0 is bold.
    """
    values = sorted({row[columns] for row in rows})
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    lines = [
        f"| {metric} | " + " | ".join(_heading(columns, value) for value in values) + " |",
        "| --- |" + " --- |" * len(values),
    ]
    for arm in arms:
        cells = []
        for value in values:
            of = {columns: value}
            mean = means(rows, metric, of=of).get(arm)
            if mean is None:
                cells.append("")
                continue
            cell = f"{mean.mean:.{digits}f}"
            if arm != baseline:
                gap = differences(rows, metric, baseline=baseline, of=of)[arm]
                shown = f"{gap.mean:+.{digits}f} ± {gap.half_width:.{digits}f}"
                cell += f" (**{shown}**)" if gap.is_clear else f" ({shown})"
            else:
                cell += f" ± {mean.half_width:.{digits}f}"
            cells.append(cell)
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _heading(column: str, value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{column} {value:,}"
