"""`Selection.assignments`: for every row of the input, the chosen row nearest to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from evenly.errors import RowError
from evenly.geometry import nearest_chosen
from evenly.inputs.prepare import PreparedData
from evenly.progress import new_bar
from evenly.samples import write_columns
from evenly.selection.results.selection import SelectionData
from evenly.selection.resume import Again, check_same_vectors, prepare_again
from evenly.shapes import Float, Int
from evenly.tables import count, html_table


@dataclass(frozen=True, eq=False)
class Assignments:
    """For every row of the input, the chosen row nearest to it.

    Attributes:
        rows: (n,) row numbers of the input, 0 to n - 1.
        nearest: (n,) row number of the nearest chosen row, the smallest of several; a chosen row
            is nearest to itself. -1 for a dropped row.
        distances: (n,) Euclidean distance (not squared) to it; 0 for a chosen row, nan for a
            dropped row.
        chosen: (k,) the chosen rows, in the order picked.
        sizes: (k,) how many rows each of them represents, including itself.
        selection: what chose them.
    """

    rows: Int[np.ndarray, " n"]
    nearest: Int[np.ndarray, " n"]
    distances: Float[np.ndarray, " n"]
    chosen: Int[np.ndarray, " k"]
    sizes: Int[np.ndarray, " k"]
    selection: SelectionData | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return (
            f"Assignments({len(self)} rows to {len(self.chosen)} chosen ones, "
            f"largest distance {np.nanmax(self.distances):.6g})"
        )

    def _repr_html_(self) -> str:
        lines = [
            ("largest distance", f"{np.nanmax(self.distances):.4f}"),
            ("mean distance", f"{np.nanmean(self.distances):.4f}"),
            ("most rows of one", f"{int(self.sizes.max()):,}"),
        ]
        rows = f"{count(len(self), 'row')} and the nearest of {len(self.chosen):,} chosen ones"
        return html_table(f"Assignments: {rows}", lines)

    def of(self, chosen_row: int) -> list[int]:
        """Return the rows that a chosen row represents: itself, then the others by distance.

        Raises:
            RowError: the row was not chosen.
        """
        if chosen_row not in self.chosen:
            raise RowError(
                f"row {chosen_row} was not chosen, so it represents no rows. The chosen rows are "
                "in `chosen`; the row that represents this one is in `nearest`."
            )
        own = np.flatnonzero(self.nearest == chosen_row)
        order = np.lexsort((own, own != chosen_row, self.distances[own]))
        rows: list[int] = own[order].tolist()
        return rows

    def write(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Write a table of row, nearest, distance and rank, one line for each row of the input.

        `rank` is the position of the nearest chosen row in the order picked, from 0. For dropped
        rows, everything but `row` is null, or an empty field.

        Args:
            path: .csv, .tsv, .jsonl, .json (each also compressed, such as .csv.gz) or .parquet.
            force: overwrite an existing file.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: the file cannot be written, has another suffix, or is the input.
        """
        none, rank = self.nearest < 0, np.zeros(len(self), np.int64)
        rank[self.chosen] = np.arange(len(self.chosen))
        columns = {
            "row": np.ma.masked_array(self.rows, np.zeros(len(self), bool)),
            "nearest": np.ma.masked_array(self.nearest, none),
            "distance": np.ma.masked_array(self.distances, none),
            "rank": np.ma.masked_array(rank[self.nearest], none),
        }
        if self.selection is not None:
            self.selection.spare_inputs(path)
        write_columns(path, columns, force=force)


def assign(selection: SelectionData, data: Any, again: Again) -> Assignments:
    """Return the chosen row nearest to every row; see `Selection.assignments`.

    Cost: at most n·k·d multiplications, as matrix products; never more than a block of distances
        in memory.
    """
    prepared = prepare_with_dropped(selection, data, again)
    usable = int(np.count_nonzero(prepared.points.eligible))
    with new_bar(total=usable, desc="assigning", unit="row", shown=again.progress) as bar:
        found = nearest_chosen(prepared.points, selection.indices, progress=bar.update)
    nearest = np.full(len(prepared), -1)
    distances = np.full(len(prepared), np.nan)
    nearest[found.rows], distances[found.rows] = found.nearest, found.distances
    # The search finds the nearest row *other* than itself, which is no answer for a chosen row.
    chosen = np.array(selection.indices)
    nearest[chosen], distances[chosen] = chosen, 0.0
    sizes = np.bincount(nearest[found.rows], minlength=len(prepared))[chosen]
    return Assignments(np.arange(len(prepared)), nearest, distances, chosen, sizes, selection)


def prepare_with_dropped(selection: SelectionData, data: Any, again: Again) -> PreparedData:
    """Prepare the data set of a selection again, and drop the rows that it had dropped.

    Raises:
        ManifestError: it has other vectors than the selection was made from.
    """
    prepared = prepare_again(selection, data, again)
    check_same_vectors(selection, prepared)
    return prepared.without(dict(selection.provenance.dropped))
