"""`BudgetSuggestion`: what every budget gives, and the budgets that meet a wish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, BinaryIO, ClassVar

from typing_extensions import Self

from evenly.errors import ManifestError
from evenly.metrics.budget_curve import BudgetCurve
from evenly.metrics.budget_table import legend_of_curve, lines_of_curve, table_of_curve
from evenly.selection import Selection
from evenly.selection.results.codec import Codec
from evenly.tables import count, html_table, two_columns

_KNEE = "beyond it, more rows lower the coverage radius much less (advice)"
# What was wanted -> its name in the table, and what the budget that meets it is.
_WISHES = {
    "h_min": ("h_min", "the most that are so far apart"),
    "coverage_radius": ("coverage", "the fewest that cover all rows so closely"),
    "tokens": ("tokens", "the most that have so few tokens"),
}

_CODEC = Codec("evenly budget", 1, "a saved budget suggestion", ManifestError)


@dataclass(frozen=True, eq=False, repr=False)
class BudgetSuggestion:
    """How evenly rows are spread for every budget up to the largest. Prints as a table.

    Attributes:
        curve: the measures for a grid of budgets, with random rows beside them.
        knee: the budget from which more rows lower the coverage radius much less than before;
            None if there is no such budget. It is advice, and depends on the largest budget.
        wanted: "h_min", "coverage_radius" and "tokens", as far as they were given.
        answers: for each of these, the budget that meets it, exact to the row; None if that
            would be more than the largest budget, 0 if no budget meets it.
        pool_size: number of rows that could be chosen.
        counted: whose tokens the curve has, for people; None if there are none.
        selection: the selection of the largest budget. `selection.prefix(m)` is the selection of
            m rows, at no cost.
        seconds: wall time of measuring; that of choosing is in `selection.provenance`.
    """

    codec: ClassVar[Codec] = _CODEC

    curve: BudgetCurve
    knee: int | None
    wanted: Mapping[str, float]
    answers: Mapping[str, int | None]
    pool_size: int
    counted: str | None
    selection: Selection
    seconds: float = field(default=0.0, compare=False)

    def __repr__(self) -> str:
        return (
            f"BudgetSuggestion(knee={self.knee}, answers={dict(self.answers)}, up to "
            f"{len(self.selection)} of {self.pool_size} rows)"
        )

    def __str__(self) -> str:
        """Return a table with a small plot, the one that `evenly budget` prints."""
        lines, marks = self._lines()
        table = table_of_curve(self.curve, marks)
        return "\n".join([two_columns(lines), "", table, legend_of_curve(self.curve)])

    def _lines(self) -> tuple[list[tuple[str, str]], dict[int, str]]:
        """Return labels and values about the whole run, and the marks in the table."""
        most = len(self.selection)
        marks = {most: ""}
        lines = [
            ("input", self.selection.provenance.input.origin),
            ("rows", f"1 to {most:,} of {count(self.pool_size, 'row')} that can be chosen"),
        ]
        if self.knee is not None:
            marks[self.knee] = "knee"
            lines.append(("knee", f"{count(self.knee, 'row')}; {_KNEE}"))
        else:
            lines.append(("knee", f"none up to {count(most, 'row')}: the curve hardly bends"))
        for name, wanted in self.wanted.items():
            budget = self.answers[name]
            label, value = _WISHES[name][0], f"{wanted:,.6g}"
            lines.append((f"{label} {value}", self._answer(name, budget)))
            if budget:
                marks[budget] = ", ".join(filter(None, (marks.get(budget), f"{label} {value}")))
        if self.counted is not None:
            lines.append(("tokens", f"counted in {self.counted}"))
        return lines, marks

    def _repr_html_(self) -> str:
        lines, marks = self._lines()
        heading, *numbers = lines_of_curve(self.curve, marks)
        return html_table("Budget", lines) + html_table("", numbers, heading)

    def _answer(self, name: str, budget: int | None) -> str:
        if budget is None:
            return f"more than {count(len(self.selection), 'row')}, the largest budget looked at"
        if budget == 0:
            return "no rows: even the fewest do not meet it"
        return f"{count(budget, 'row')}, {_WISHES[name][1]}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; infinite numbers become null."""
        return {
            "knee": self.knee,
            "wanted": dict(self.wanted),
            "answers": dict(self.answers),
            "pool_size": self.pool_size,
            "counted": self.counted,
            "curve": self.curve.as_dict(),
            "seconds": self.seconds,
            "selection": self.selection.as_dict(),
        }

    def save(self, path: str | PathLike[str] | BinaryIO, *, force: bool = False) -> None:
        """Save everything but the records as one JSON file; see `load`.

        Args:
            path: the file, or a binary stream.
            force: overwrite an existing file.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: the file cannot be written, or is the input itself.
        """
        self.codec.save_json(self.as_dict(), path, spare=self.selection.spare_inputs, force=force)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Load what `save` wrote.

        Raises:
            ManifestError: the file does not exist, is something else, is damaged, or has another
                version of the format.
        """
        document = cls.codec.read_json(path)
        with cls.codec.reading(fspath(path)):
            answers = {
                str(name): None if size is None else int(size)
                for name, size in document["answers"].items()
            }
            return cls(
                curve=BudgetCurve.from_dict(document["curve"]),
                knee=None if document["knee"] is None else int(document["knee"]),
                wanted={str(name): float(one) for name, one in document["wanted"].items()},
                answers=answers,
                pool_size=int(document["pool_size"]),
                counted=document["counted"],
                selection=Selection.from_document(document["selection"], fspath(path)),
                seconds=float(document["seconds"]),
            )
