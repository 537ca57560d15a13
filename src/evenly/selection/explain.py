"""`Selection.explain`: why a row was chosen or left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evenly.errors import RowError
from evenly.geometry import DistanceMatrix, Points, squared_distances_between
from evenly.inputs.prepare import PreparedData
from evenly.options import NotKept, whole_number
from evenly.samples import Samples
from evenly.selection.assign import prepare_with_dropped
from evenly.selection.results.selection import SelectionData
from evenly.selection.resume import Again
from evenly.selection.rules.row_names import RowNames
from evenly.shapes import Float, Int
from evenly.tables import html_table

# Options that can leave out or include a row regardless of its distance.
_RULES = (
    *("include", "exclude", "away_from", "groups", "quotas", "balance"),
    *("token_budget", "costs", "quality", "quality_weight", "density_weight"),
)


@dataclass(frozen=True, repr=False)
class Explanation:
    """The reason why a row was chosen or left out; `str()` of it is for people.

    Attributes:
        row: the row number.
        location: where the row is, such as "train.jsonl, line 18".
        outcome: "chosen", "left", "excluded" (by `exclude`) or "dropped".
        rows: how many rows were chosen.
        position: the position of a chosen row in the order picked, from 0; else None.
        radius: the radius of a chosen row; None for the first.
        nearest: the chosen row nearest to it: among the earlier picks for a chosen row, among
            all for any other. None for the first pick and for dropped rows.
        nearest_position: the position of that row in the order picked.
        nearest_location: where that row is.
        distance: Euclidean distance (not squared) between the two. A row that was left out could
            have been picked only once the radius had fallen to this.
        h_min: smallest distance between two chosen rows; None for a single one.
        reason: why a dropped row was dropped.
        rules: the options that can leave out a row although it is farther away than h_min.
        text: the row's text, shortened; None for vectors.
        nearest_text: the text of the nearest chosen row.
    """

    row: int
    location: str
    outcome: str
    rows: int
    position: int | None = None
    radius: float | None = None
    nearest: int | None = None
    nearest_position: int | None = None
    nearest_location: str | None = None
    distance: float | None = None
    h_min: float | None = None
    reason: str | None = None
    rules: tuple[str, ...] = ()
    text: str | None = None
    nearest_text: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {**asdict(self), "rules": list(self.rules)}

    def __repr__(self) -> str:
        near = "" if self.nearest is None else f", {self.distance:.6g} from row {self.nearest}"
        return f"Explanation(row {self.row}, {self.outcome}{near})"

    def _repr_html_(self) -> str:
        texts = [(self.row, self.text), (self.nearest, self.nearest_text)]
        lines = [(f"row {row}", text) for row, text in texts if text is not None]
        return html_table(self._said(), lines)

    def __str__(self) -> str:
        lines = [self._said()]
        shown = [(self.row, self.text), (self.nearest, self.nearest_text)]
        width = max(len(str(row)) for row, _ in shown)
        lines += [f"  row {row!s:>{width}}: {text}" for row, text in shown if text is not None]
        return "\n".join(lines)

    def _said(self) -> str:
        if self.outcome == "dropped":
            column = str(self.reason).startswith(("column ", "coordinate "))
            return f"{self.location} was dropped: {'' if column else 'it '}{self.reason}."
        if self.outcome == "excluded":
            return f"{self.location} was excluded by the option exclude. {self._nearest_chosen()}."
        if self.outcome == "left":
            return f"{self.location} was left out. {self._said_if_left()}"
        which = f"{self.location} was chosen, as pick {(self.position or 0) + 1} of {self.rows}"
        if self.nearest is None:
            return f"{which}: there is no earlier pick."
        return (
            f"{which}. The nearest pick before it is {self._neighbour()}, at distance "
            f"{self.distance:.6g}; the radius was {self.radius:.6g} then."
        )

    def _said_if_left(self) -> str:
        assert self.distance is not None
        near = self._nearest_chosen()
        if self.h_min is None:
            return f"{near}. Only one row was chosen."
        if self.distance > self.h_min:
            because = f" ({', '.join(self.rules)})" if self.rules else ""
            return (
                f"{near}. That is more than h_min, {self.h_min:.6g}: a rule of the "
                f"selection{because} left it out, not its distance."
            )
        return (
            f"{near}, so that row represents it. Chosen rows are at least {self.h_min:.6g} (h_min) "
            f"apart; this one could be picked once the radius has fallen to {self.distance:.6g}."
        )

    def _nearest_chosen(self) -> str:
        return f"The nearest chosen row is {self._neighbour()}, at distance {self.distance:.6g}"

    def _neighbour(self) -> str:
        return f"{self.nearest_location} (pick {(self.nearest_position or 0) + 1})"


def explain(selection: SelectionData, row: int, data: Any, again: Again) -> Explanation:
    """Explain why a row was chosen or left out; see `Selection.explain`.

    Cost: preparing the data set, with its vectors from the cache; then k·d.
    """
    provenance = selection.provenance
    count = provenance.input.rows
    row = whole_number("row", row, least=0)
    if row >= count:
        raise RowError(f"row numbers go from 0 to {count - 1}, got {row}.")
    samples = selection.samples_again(data)
    known: dict[str, Any] = {
        "row": row,
        "location": _place(samples, row),
        "rows": len(selection),
        "h_min": selection.h_min if len(selection) > 1 else None,
        "rules": tuple(name for name in _RULES if provenance.options.get(name)),
    }
    reason = provenance.dropped.get(row)
    if reason is not None:
        return Explanation(**known, outcome="dropped", reason=reason)
    prepared = prepare_with_dropped(selection, samples, again)
    position = next(iter(np.flatnonzero(selection.indices == row).tolist()), None)
    known["outcome"] = "chosen"
    if position is None:
        known["outcome"] = "excluded" if _is_excluded(selection, prepared, row) else "left"
    known["position"] = position
    known["radius"] = float(selection.radii[position]) if position else None
    picks = selection.indices[:position]
    shown = [row]
    if len(picks):
        squared = _squared_distances(prepared.points, row, picks)
        # Of several at the same distance the smallest row number, as everywhere.
        at = int(np.lexsort((picks, squared))[0])
        nearest = int(picks[at])
        known["nearest"], known["nearest_position"] = nearest, at
        known["nearest_location"] = _place(samples, nearest)
        known["distance"] = float(np.sqrt(squared[at]))
        shown.append(nearest)
    texts = prepared.excerpts(shown)
    if texts is not None:
        known |= zip(("text", "nearest_text"), texts, strict=False)
    return Explanation(**known)


def _place(samples: Samples, row: int) -> str:
    located = samples.locate(row)
    return located if located.startswith("row ") else f"row {row} ({located})"


def _is_excluded(selection: SelectionData, prepared: PreparedData, row: int) -> bool:
    """Whether `exclude` names the row; False if only a hash of it was kept."""
    options = selection.provenance.options
    exclude, id_column = options.get("exclude"), options.get("id_column")
    if exclude is None or isinstance(exclude, NotKept) or isinstance(id_column, NotKept):
        return False
    return row in RowNames(prepared, id_column).rows("exclude", exclude)


def _squared_distances(
    points: Points | DistanceMatrix, row: int, others: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    if isinstance(points, DistanceMatrix):
        squared: Float[np.ndarray, " m"] = points.squared([row])[0, others]
        return squared
    one, many = points.take(np.array([row])), points.take(others)
    return squared_distances_between(one, np.zeros(len(others), int), many, np.arange(len(others)))
