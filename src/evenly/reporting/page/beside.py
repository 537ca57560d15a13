"""The subset, a random one and others side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evenly.metrics import Measures
from evenly.metrics.measure import measure_in_pool, pool_stats
from evenly.metrics.measures import certified_fraction
from evenly.metrics.random_subsets import random_rows
from evenly.options import MeasuringOptions
from evenly.reporting.page.mapping import Map
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.tables import Cell, Column, Table, number, whole, words
from evenly.reporting.page.texts import shown
from evenly.reporting.page.words import percent
from evenly.shapes import Bool, Int

THIS, RANDOM = "this subset", "random rows"
_NAME = 60


@dataclass(frozen=True, eq=False)
class Beside:
    """Subsets of one pool by name: this one, a random one of its size, and others.

    Attributes:
        rows: name -> row numbers.
        others: name -> the measures of the others.
    """

    rows: dict[str, Int[np.ndarray, " k"]]
    others: dict[str, Measures]

    @classmethod
    def of(
        cls,
        subject: Subject,
        others: Mapping[str, Int[np.ndarray, " k"]],
        measuring: MeasuringOptions,
    ) -> Beside:
        """Draw random rows, and measure the others.

        Cost: that of `measure` for each other subset, without random ones.
        """
        drawn = random_rows(subject.found.rows, len(subject.chosen), measuring.seed)
        named = {shown(name, _NAME): rows for name, rows in others.items()}
        measured = {}
        if named:
            largest = max(len(rows) for rows in named.values())
            stats = pool_stats(subject.prepared, measuring, largest)
            measured = {
                name: measure_in_pool(stats, rows, details=False) for name, rows in named.items()
            }
        return cls({THIS: subject.chosen, RANDOM: drawn, **named}, measured)

    def on(self, subject: Subject, drawn: Map) -> dict[str, Bool[np.ndarray, " p"]]:
        """Return which of the rows of a map belong to each subset."""
        rows = subject.found.rows[drawn.places]
        return {name: np.isin(rows, own) for name, own in self.rows.items()}

    def table(self, subject: Subject) -> Table:
        """Return the measures of all subsets."""
        measures = subject.measures
        rows = [self._cells(THIS, measures, measures)]
        random = measures.random
        if random is not None:
            mean = f"{random.subsets} random subsets on average" if random.subsets > 1 else RANDOM
            rows.append(
                (
                    words(mean),
                    whole(measures.size),
                    number(random.h_min.mean),
                    number(random.coverage_radius.mean),
                    number(random.mean_distance.mean),
                    _certified(random.h_min.mean, measures),
                )
            )
        rows += [self._cells(name, one, measures) for name, one in self.others.items()]
        return Table(
            "beside-numbers",
            "In numbers",
            "h_min can be compared only between subsets of the same size.",
            (
                Column("subset", "text"),
                Column("rows", "number"),
                Column("h_min", "number"),
                Column("coverage radius", "number"),
                Column("mean distance", "number"),
                Column("certified", "number"),
            ),
            tuple(rows),
        )

    def _cells(self, name: str, one: Measures, this: Measures) -> tuple[Cell, ...]:
        of_this_size = one.size == this.size
        return (
            words(name),
            whole(one.size),
            number(one.h_min),
            number(one.coverage_radius),
            number(one.mean_distance),
            _certified(one.h_min, this) if of_this_size else Cell("", -1.0),
        )


def _certified(h_min: float, this: Measures) -> Cell:
    bound = this.upper_bound
    if bound is None or not np.isfinite(bound) or not bound > 0:
        return Cell("", -1.0)
    share = float(certified_fraction(h_min, bound))
    return Cell(percent(share), share)
