"""The rows to look at: closest, repeated, farthest, isolated and first ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.geometry import mean_distances_to_nearest, most_isolated
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.tables import (
    ROW,
    TEXT,
    WHY,
    Cell,
    Column,
    Table,
    number,
    row_number,
    whole,
    words,
)
from evenly.selection.rules.outliers import NEIGHBOURS
from evenly.shapes import Float, Int
from evenly.tables import count

_SHOWN = 25
_FIRST_PICKS = 100
_ISOLATED = 20
_SAMPLE = 256
_EXAMPLES = 2
_SHORT = 120
_STARTS = {
    "farthest-from-mean": "the row farthest from the mean of all",
    "medoid": "the row nearest the mean of all",
    "random": "drawn at random",
}


@dataclass(frozen=True, eq=False)
class Isolated:
    """The rows farthest from their neighbours, the farthest first.

    Attributes:
        rows: (c,) row numbers.
        distances: (c,) their mean distances to the nearest rows.
        usual: the median of that distance.
    """

    rows: Int[np.ndarray, " c"]
    distances: Float[np.ndarray, " c"]
    usual: float

    @classmethod
    def of(cls, subject: Subject) -> Isolated:
        """Find them: at most a twentieth of the pool."""
        points, rows = subject.prepared.points, subject.found.rows
        wanted = min(_ISOLATED, len(rows) // 20)
        if wanted == 0:
            return cls(rows[:0], np.empty(0), float("nan"))
        sample = rows[:: -(-len(rows) // _SAMPLE)]
        usual = float(np.median(mean_distances_to_nearest(points, sample, NEIGHBOURS)))
        return cls(*most_isolated(points, wanted, NEIGHBOURS), usual)


def tables_of_rows(subject: Subject, isolated: Isolated) -> list[Table]:
    """Return the tables of rows, those that need attention first."""
    return [
        _isolated(subject, isolated),
        _farthest(subject),
        _families(subject),
        _closest(subject),
        _first(subject),
    ]


def _row(subject: Subject, row: int) -> tuple[Cell, ...]:
    """Return the cells that show a row: its number, and its text if there is one."""
    if not subject.texts:
        return (row_number(row),)
    return row_number(row), words(subject.texts.of(row))


def _columns(subject: Subject, *more: Column) -> tuple[Column, ...]:
    return (ROW, *((TEXT,) if subject.texts else ()), *more)


def _isolated(subject: Subject, isolated: Isolated) -> Table:
    chosen = set(subject.chosen.tolist())
    subject.texts.read(isolated.rows.tolist())
    rows = [
        (
            *_row(subject, row),
            number(distance),
            words(subject.noun if row in chosen else "left out"),
            words(
                f"{distance / isolated.usual:.1f} times as far from its neighbours as usual"
                if isolated.usual > 0
                else "far from its neighbours, most of which coincide with others"
            ),
        )
        for row, distance in zip(isolated.rows.tolist(), isolated.distances.tolist(), strict=True)
    ]
    return Table(
        "isolated",
        "Isolated rows: look at these first",
        f"The rows with the largest mean distance to their {NEIGHBOURS} nearest rows (usually it "
        f"is {isolated.usual:.4f}). Broken, foreign or mislabelled rows are often among them, and "
        "a subset that is spread evenly contains most of them. drop_outliers leaves such rows out.",
        _columns(
            subject,
            Column("mean distance", "number"),
            Column("outcome", "text"),
            WHY,
        ),
        tuple(rows),
        "The data set is too small to tell which rows are isolated.",
    )


def _farthest(subject: Subject) -> Table:
    found = subject.found
    left = np.flatnonzero(~found.chosen)
    order = left[np.argsort(-found.distances[left], kind="stable")][:_SHOWN]
    subject.texts.read(found.rows[order].tolist())
    rows = [
        (
            *_row(subject, int(found.rows[place])),
            number(found.distances[place]),
            row_number(int(found.nearest[place])),
            words(
                "the farthest of all rows from the subset"
                if rank == 0
                else f"no {subject.noun} row is nearer than {found.distances[place]:.4f}"
            ),
        )
        for rank, place in enumerate(order.tolist())
    ]
    return Table(
        "farthest",
        f"Rows farthest from any {subject.noun} row",
        "These are represented worst. With a larger budget, the first of them would be chosen next "
        "if no rule is against it.",
        _columns(
            subject,
            Column("distance", "number"),
            Column(f"nearest {subject.noun}", "row"),
            WHY,
        ),
        tuple(rows),
        f"All rows are {subject.noun}.",
    )


def _families(subject: Subject) -> Table:
    found, near = subject.found, np.flatnonzero(subject.near)
    kept, sizes = np.unique(found.nearest[near], return_counts=True)
    order = np.lexsort((kept, -sizes))[:_SHOWN]
    families = []
    for row, size in zip(kept[order].tolist(), sizes[order].tolist(), strict=True):
        own = near[found.nearest[near] == row]
        own = own[np.argsort(found.distances[own], kind="stable")]
        ends = found.distances[own[0]], found.distances[own[-1]]
        families.append((row, size, ends, found.rows[own[:_EXAMPLES]].tolist()))
    subject.texts.read([one for row, _, _, examples in families for one in (row, *examples)])
    rows = []
    for row, size, (nearest, farthest), examples in families:
        more = f" and {size - len(examples):,} more" if size > len(examples) else ""
        said = "; ".join(
            f"row {one}: {subject.texts.of(one, _SHORT)}" if subject.texts else f"row {one}"
            for one in examples
        )
        rows.append(
            (
                *_row(subject, row),
                whole(size),
                words(said + more),
                words(
                    f"it represents {count(size, 'row')} at distances of {nearest:.4f}"
                    + (f" to {farthest:.4f}" if size > 1 else "")
                ),
            )
        )
    limit = f"nearer than {subject.near_distance:.4f} to" if subject.near_distance else "equal to"
    left = f"{count(len(near), 'row')} that {'is' if len(near) == 1 else 'are'} {limit}"
    return Table(
        "families",
        "Largest families of near-duplicates",
        f"The selection leaves out {left} a {subject.noun} row. Each family is represented by its "
        "row in the first column.",
        _columns(
            subject,
            Column("rows left out", "number"),
            Column("which", "text"),
            WHY,
        ),
        tuple(rows),
        f"No row that was left out is {limit} a {subject.noun} row.",
    )


def _closest(subject: Subject) -> Table:
    found = subject.found
    places = np.flatnonzero(found.chosen)
    order = places[np.argsort(found.distances[places], kind="stable")]
    pairs: dict[tuple[int, int], float] = {}
    for place in order.tolist():
        if len(pairs) == _SHOWN or not np.isfinite(found.distances[place]):
            break
        one, other = int(found.rows[place]), int(found.nearest[place])
        pairs.setdefault((min(one, other), max(one, other)), float(found.distances[place]))
    subject.texts.read([row for pair in pairs for row in pair])
    rows = [
        (
            *_row(subject, one),
            *_row(subject, other),
            number(distance),
            words(
                "they are equal"
                if distance == 0.0
                else "this is h_min"
                if rank == 0
                else "nearly as close"
            ),
        )
        for rank, ((one, other), distance) in enumerate(pairs.items())
    ]
    both = _columns(subject)
    return Table(
        "closest",
        f"Closest pairs of {subject.noun} rows",
        "The smallest of these distances is h_min, which the selection makes as large as possible. "
        "If these pairs differ enough for your purpose, the subset does not repeat itself.",
        (*both, *both, Column("distance", "number"), WHY),
        tuple(rows),
        "There is only one row.",
    )


def _how_close(distance: float, rank: int) -> str:
    if distance == 0.0:
        return "they are equal"
    return (
        "the closest pair: its distance is h_min" if rank == 0 else f"number {rank + 1} by distance"
    )


def _first(subject: Subject) -> Table:
    columns: tuple[Column, ...]
    radii, chosen = subject.radii, subject.chosen[:_FIRST_PICKS].tolist()
    subject.texts.read(chosen)
    if radii is None:
        columns, lead = (), "In the order of the data set."
    else:
        columns = (Column("radius", "number"), WHY)
        lead = (
            "In the order picked. The radius is the distance to the nearest earlier pick. The "
            "first rows of a plain selection are the answer for every smaller budget."
        )
    rows = [
        (
            whole(pick + 1),
            *_row(subject, row),
            *(() if radii is None else (number(radii[pick]), words(_why_picked(subject, pick)))),
        )
        for pick, row in enumerate(chosen)
    ]
    return Table(
        "first",
        f"First {count(len(rows), 'row')}"
        if len(rows) < 2
        else f"First {len(rows):,} {subject.noun} rows",
        lead,
        (Column("pick", "number"), *_columns(subject, *columns)),
        tuple(rows),
    )


def _why_picked(subject: Subject, pick: int) -> str:
    provenance, radius = subject.result.provenance, subject.radii
    assert radius is not None
    included = provenance.rules.get("include", {}).get("rows", 0)
    if pick < included:
        return "the option include names it"
    if provenance.by_quality is not None:
        return "the best of the rows that are far enough from earlier ones"
    if pick == 0:
        start = provenance.options.get("start")
        return _STARTS.get(str(start), "it was named as the first")
    weighted = ", among weighted distances" if "weights" in provenance.rules else ""
    allowed = " that the rules allow" if provenance.rules else ""
    if provenance.refined is not None or provenance.filled is not None:
        return f"{radius[pick]:.4f} from the nearest earlier row"
    return f"no row{allowed} was farther from the earlier picks{weighted}"
