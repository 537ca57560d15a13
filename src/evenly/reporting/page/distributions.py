"""How distances, lengths and groups are distributed, before and after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evenly.geometry import DistanceMatrix, Points, nearest_chosen
from evenly.inputs.columns import Column
from evenly.metrics.random_subsets import random_rows
from evenly.reporting.page.colouring import group_name
from evenly.reporting.page.style import COLOURS, plain_figure
from evenly.reporting.page.subject import Subject
from evenly.shapes import Bool, Float, Int

_BINS = 48
_SAMPLE = 4096
_GROUPS = 30


@dataclass(frozen=True, eq=False)
class Distribution:
    """Values of the subset beside values of something else.

    Attributes:
        name: part of the id of its element.
        title: what the values are.
        own, other: the values, and what they are called.
        colour: the page's colour of the others.
        shown: the share of the values that is drawn; the largest of a long tail are not.
    """

    name: str
    title: str
    own: Float[np.ndarray, " a"]
    own_name: str
    other: Float[np.ndarray, " b"]
    other_name: str
    colour: str
    shown: float = 1.0

    @property
    def summary(self) -> str:
        """Say what is usual."""
        own, other = (
            f"{np.median(values):,.4g} (10 % below {np.quantile(values, 0.1):,.4g}, 10 % above "
            f"{np.quantile(values, 0.9):,.4g})"
            for values in (self.own, self.other)
        )
        tail = f" The largest {100 * (1 - self.shown):g} % are not drawn." if self.shown < 1 else ""
        return f"Median {own} for {self.own_name}, {other} for {self.other_name}.{tail}"


def distributions_of(subject: Subject, seed: int) -> list[Distribution]:
    """Return the distributions that there are for a pool and its subset."""
    found, chosen = subject.found, subject.found.chosen
    made = []
    drawn = random_rows(found.rows, len(subject.chosen), seed)
    if not chosen.all():
        random = _distances_of_a_sample(subject, drawn, seed)
        made.append(
            Distribution(
                "to-chosen",
                "distance from a row left out to its nearest chosen row",
                found.distances[~chosen],
                "this subset",
                random,
                "a random one",
                "random",
            )
        )
    if len(subject.chosen) > 1:
        inside = _distances_within(subject, drawn)
        made.append(
            Distribution(
                "inside",
                f"distance from a {subject.noun} row to the nearest other one",
                found.distances[chosen],
                "this subset",
                inside,
                "a random one",
                "random",
            )
        )
    if subject.texts:
        lengths = subject.texts.lengths()[found.rows]
        made.append(
            Distribution(
                "length",
                "length of the text, in characters",
                lengths[chosen],
                "the subset",
                lengths,
                "all rows",
                "left",
                shown=0.99,
            )
        )
    return [one for one in made if len(one.own) and len(one.other)]


def _distances_of_a_sample(
    subject: Subject, chosen: Int[np.ndarray, " k"], seed: int
) -> Float[np.ndarray, " s"]:
    """Return the distances of some rows to the nearest of other chosen ones."""
    points = subject.prepared.points
    others = np.setdiff1d(subject.found.rows, chosen, assume_unique=True)
    sample = np.random.default_rng(seed).choice(others, min(_SAMPLE, len(others)), replace=False)
    return _distances_of(points, sample, chosen)


def _distances_within(subject: Subject, chosen: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    return _distances_of(subject.prepared.points, chosen, chosen)


def _distances_of(
    points: Points | DistanceMatrix, rows: Int[np.ndarray, " s"], chosen: Int[np.ndarray, " k"]
) -> Float[np.ndarray, " s"]:
    """Return the distance of each of some rows to the nearest other chosen one."""
    eligible: Bool[np.ndarray, " n"] = np.zeros(len(points), bool)
    eligible[rows] = True
    return nearest_chosen(replace(points, eligible=eligible), chosen).distances


def distribution_plot(one: Distribution) -> Any:
    """Return both as histograms of shares: the subset filled, the other as a line."""
    both = np.concatenate([one.own, one.other])
    low, high = float(both.min()), float(np.quantile(both, one.shown))
    high = max(high, float(low + max(abs(low) * 1e-6, 1e-9)))
    edges = np.linspace(low, high, _BINS + 1)
    own, other = (np.histogram(values, edges)[0] / len(values) for values in (one.own, one.other))
    figure = plain_figure(one.title)
    figure.quad(
        left=edges[:-1],
        right=edges[1:],
        top=own,
        bottom=0,
        line_color=None,
        fill_color=COLOURS["chosen"],
        fill_alpha=0.55,
        tags=["fill:chosen"],
    )
    figure.step(
        x=edges,
        y=np.append(other, other[-1]),
        mode="after",
        line_width=2,
        line_color=COLOURS[one.colour],
        tags=[f"line:{one.colour}"],
    )
    figure.y_range.start = 0
    figure.yaxis.visible = False
    return figure


@dataclass(frozen=True)
class Group:
    """A group before and after: its rows and shares among all rows, and in the subset."""

    name: str
    rows: int
    share: float
    own: int
    own_share: float


def groups_of(subject: Subject, values: Column) -> list[Group]:
    """Return the largest groups of a column, before and after.

    Args:
        values: the column, a value for each row of the input.
    """
    found = subject.found
    names = [group_name(values[row]) for row in found.rows.tolist()]
    counts = Counter(names)
    own = Counter(name for name, chosen in zip(names, found.chosen.tolist(), strict=True) if chosen)
    total, size = len(names), len(subject.chosen)
    return [
        Group(name, rows, rows / total, own[name], own[name] / size)
        for name, rows in counts.most_common(_GROUPS)
    ]
